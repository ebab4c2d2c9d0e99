//! Names as words: `userName`, `user_name` and `USER-NAME` are the same name.

/// Longest name read, in bytes: login forms have no longer ones.
const MAX_NAME: usize = 64;

/// Words in lower case with `_` between them; what is often written as one word is one.
#[derive(Clone, Copy)]
pub(super) struct Words {
    text: Buffer,
}

/// Room for a separator after each byte.
#[derive(Clone, Copy)]
struct Buffer {
    bytes: [u8; MAX_NAME * 2],
    length: usize,
}

impl Buffer {
    const EMPTY: Self = Self { bytes: [0; MAX_NAME * 2], length: 0 };

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length = self.length.saturating_add(1);
        }
    }

    fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Lower,
    Upper,
    Digit,
    Separator,
}

impl Class {
    const fn of(byte: u8) -> Self {
        match byte {
            b'A'..=b'Z' => Self::Upper,
            b'0'..=b'9' => Self::Digit,
            // Bytes of UTF-8 beyond ASCII are letters of their word.
            b'a'..=b'z' | 0x80..=0xff => Self::Lower,
            _ => Self::Separator,
        }
    }

    /// Whether a word begins with a byte of this class.
    fn begins(self, before: Self, after: Option<Self>) -> bool {
        match (before, self) {
            (Self::Separator, _) | (Self::Lower, Self::Upper) => true,
            (Self::Digit, Self::Digit) => false,
            (Self::Digit, _) | (_, Self::Digit) => true,
            // The last capital of `IDToken` belongs to what follows.
            (Self::Upper, Self::Upper) => after == Some(Self::Lower),
            (Self::Lower | Self::Upper, Self::Lower | Self::Separator) => false,
        }
    }
}

impl Words {
    /// None for a name without letters and digits, or one that is too long.
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        if name.len() > MAX_NAME {
            return None;
        }
        let parts = split(name);
        let mut text = Buffer::EMPTY;
        let mut previous: &[u8] = b"";
        for word in parts.as_slice().split(|byte| *byte == b'_') {
            if text.length > 0 && !is_one(previous, word) {
                text.push(b'_');
            }
            word.iter().for_each(|byte| text.push(*byte));
            previous = word;
        }
        (text.length > 0).then_some(Self { text })
    }

    /// All of them, joined by `_`.
    pub(super) fn text(&self) -> &[u8] {
        self.text.as_slice()
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
        self.text().split(|byte| *byte == b'_')
    }

    pub(super) fn last(&self) -> &[u8] {
        self.iter().next_back().unwrap_or_default()
    }

    pub(super) fn any(&self, is: impl Fn(&[u8]) -> bool) -> bool {
        self.iter().any(is)
    }
}

fn split(name: &[u8]) -> Buffer {
    let mut parts = Buffer::EMPTY;
    let mut before = Class::Separator;
    for (index, byte) in name.iter().enumerate() {
        let class = Class::of(*byte);
        if class != Class::Separator {
            let after = name.get(index.saturating_add(1)).map(|byte| Class::of(*byte));
            if parts.length > 0 && class.begins(before, after) {
                parts.push(b'_');
            }
            parts.push(byte.to_ascii_lowercase());
        }
        before = class;
    }
    parts
}

/// Whether two words are often written as one.
fn is_one(first: &[u8], second: &[u8]) -> bool {
    match first {
        b"sign" => matches!(second, b"in" | b"on" | b"up" | b"out"),
        b"log" => matches!(second, b"in" | b"on" | b"out"),
        b"logged" => second == b"in",
        b"user" | b"login" | b"account" => matches!(second, b"name" | b"id"),
        b"e" => second == b"mail",
        b"mail" | b"email" => second == b"address",
        b"pass" => matches!(second, b"word" | b"wd" | b"phrase" | b"code"),
        b"first" | b"last" | b"full" | b"display" => second == b"name",
        b"phone" | b"mobile" => second == b"number",
        b"security" => second == b"check",
        b"2" => second == b"fa",
        b"two" => second == b"factor",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_become_words() {
        let cases = [
            ("userName", "username"),
            ("USER-NAME", "username"),
            ("j_password", "j_password"),
            ("IDToken1", "id_token_1"),
            ("txtPassWord", "txt_password"),
            ("signInWithPassword", "signin_with_password"),
            ("e-mail_address", "emailaddress"),
            ("oauth2", "oauth_2"),
            ("2fa", "2fa"),
            ("contraseña", "contraseña"),
            ("__a..b__", "a_b"),
        ];
        for (name, words) in cases {
            assert_eq!(
                Words::of(name.as_bytes()).map(|words| words.text().to_vec()),
                Some(words.as_bytes().to_vec()),
                "{name}"
            );
        }
        assert!(Words::of(b"").is_none() && Words::of(b"[]").is_none());
        assert!(Words::of(&[b'a'; MAX_NAME]).is_some() && Words::of(&[b'a'; MAX_NAME + 1]).is_none());
    }

    proptest! {
        #[test]
        fn no_word_is_empty_and_case_is_gone(name in prop::collection::vec(any::<u8>(), 0..80)) {
            let Some(words) = Words::of(&name) else { return Ok(()) };
            prop_assert!(words.iter().all(|word| !word.is_empty()));
            prop_assert!(!words.text().iter().any(u8::is_ascii_uppercase));
            let again = Words::of(words.text()).map(|again| again.text().to_vec());
            prop_assert!(words.text().len() > MAX_NAME || again.is_some());
        }
    }
}
