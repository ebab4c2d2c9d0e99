//! Classes of bytes, found in one pass.

/// A set of classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Classes(u16);

impl Classes {
    /// `0` to `9`.
    pub(super) const DIGIT: Self = Self(0x01);
    /// `a` to `f`.
    pub(super) const LOWER_HEX: Self = Self(0x02);
    /// `g` to `z`.
    pub(super) const LOWER: Self = Self(0x04);
    /// `A` to `F`.
    pub(super) const UPPER_HEX: Self = Self(0x08);
    /// `G` to `Z`.
    pub(super) const UPPER: Self = Self(0x10);
    /// `-` and `_`.
    pub(super) const HYPHEN: Self = Self(0x20);
    pub(super) const DOT: Self = Self(0x40);
    pub(super) const AT: Self = Self(0x80);
    pub(super) const COLON: Self = Self(0x100);
    /// Other characters that a segment may contain unescaped (RFC 3986, section 3.3), except the semicolon.
    pub(super) const PLAIN: Self = Self(0x200);
    pub(super) const PERCENT: Self = Self(0x400);
    pub(super) const SEMICOLON: Self = Self(0x800);
    /// Characters that must be escaped.
    pub(super) const OTHER: Self = Self(0x1000);

    /// Characters that most constants consist of.
    pub(super) const WORD: Self = Self::LOWER_HEX.and(Self::LOWER).and(Self::HYPHEN);
    pub(super) const LETTERS: Self = Self::LOWER_HEX.and(Self::LOWER).and(Self::UPPER_HEX).and(Self::UPPER);
    pub(super) const HEX: Self = Self::DIGIT.and(Self::LOWER_HEX).and(Self::UPPER_HEX);
    /// Characters that need another spelling.
    pub(super) const ODD: Self = Self::PERCENT.and(Self::SEMICOLON).and(Self::OTHER);

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn within(self, others: Self) -> bool {
        self.0 & !others.0 == 0
    }

    pub(super) const fn meets(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    #[inline]
    pub(super) const fn of_byte(byte: u8) -> Self {
        // An index that is always in range.
        match TABLE.as_slice().split_at_checked(byte as usize) {
            Some((_, [class, ..])) => *class,
            _ => Self::OTHER,
        }
    }

    #[inline]
    pub(super) fn of(bytes: &[u8]) -> Self {
        bytes.iter().fold(Self::default(), |all, byte| all.and(Self::of_byte(*byte)))
    }
}

const fn class(byte: u8) -> Classes {
    match byte {
        b'0'..=b'9' => Classes::DIGIT,
        b'a'..=b'f' => Classes::LOWER_HEX,
        b'g'..=b'z' => Classes::LOWER,
        b'A'..=b'F' => Classes::UPPER_HEX,
        b'G'..=b'Z' => Classes::UPPER,
        b'-' | b'_' => Classes::HYPHEN,
        b'.' => Classes::DOT,
        b'@' => Classes::AT,
        b':' => Classes::COLON,
        b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' => Classes::PLAIN,
        b'%' => Classes::PERCENT,
        b';' => Classes::SEMICOLON,
        _ => Classes::OTHER,
    }
}

const TABLE: [Classes; 256] = {
    let mut table = [Classes::OTHER; 256];
    let mut rest = table.as_mut_slice();
    let mut byte = 0_u8;
    while let Some((first, after)) = rest.split_first_mut() {
        *first = class(byte);
        byte = byte.wrapping_add(1);
        rest = after;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_function() {
        for byte in 0..=u8::MAX {
            assert_eq!(Classes::of_byte(byte), class(byte));
        }
        assert!(Classes::of(b"forgot-password_").within(Classes::WORD));
        assert!(Classes::of(b"a%").meets(Classes::ODD));
        assert!(!Classes::of(b"a/b").within(Classes::LETTERS));
    }
}
