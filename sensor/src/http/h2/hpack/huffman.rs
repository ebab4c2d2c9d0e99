//! Strings in the Huffman code of HPACK (RFC 7541, section 5.2 and appendix B).
//!
//! The code is canonical: codes are given in the order of their length, then of their symbol, so their lengths tell all
//! of it.

/// Bits of the code of each byte, and of EOS, which is none and ends nothing: it must not occur.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7,
    15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24,
    23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26,
    26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20,
    21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27,
    27, 27, 26, 30,
];

/// Longest code, in bits.
const LONGEST: usize = 30;
/// Codes of so many bits or fewer are found by one look; so are two whose sum is no larger, and those of letters and
/// digits have 5 to 8.
const SHORT: u32 = 12;
const SHORT_CODES: usize = 1 << SHORT;
const EOS: u16 = 256;

/// The string is no Huffman-coded one: EOS in it, or its end is no padding (RFC 7541, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Invalid;

/// What the decoder looks things up in.
struct Code {
    /// Symbols in the order of their codes.
    symbols: [u16; 257],
    /// By length: the first code that is longer, and the first of that length, both aligned to the left of 32 bits.
    beyond: [u64; LONGEST + 1],
    first: [u32; LONGEST + 1],
    /// By length: where its symbols begin.
    place: [u16; LONGEST + 1],
    /// By the first bits.
    short: [Short; SHORT_CODES],
}

/// What some bits begin with: one symbol or two, the bits of the first one's code, and the bits of all. It is zero if the
/// first code is longer than these bits. In one word, because that is how it is loaded.
#[derive(Clone, Copy)]
struct Short(u32);

static CODE: Code = Code::new();

impl Short {
    const fn new([one, other]: [u8; 2], first: u8, bits: u8) -> Self {
        Self(u32::from_le_bytes([one, other, first, bits]))
    }

    const fn symbols(self) -> [u8; 2] {
        let [one, other, _, _] = self.0.to_le_bytes();
        [one, other]
    }

    const fn first(self) -> u32 {
        self.0 >> 16 & 0xff
    }

    const fn bits(self) -> u32 {
        self.0 >> 24
    }

    /// Writes its symbols; returns how many bits they are.
    #[inline]
    fn write(self, room: &mut [u8], written: &mut usize) -> Option<u32> {
        *room.get_mut(*written..)?.first_chunk_mut()? = self.symbols();
        let count = if self.bits() > self.first() { 2 } else { 1 };
        *written = written.wrapping_add(count);
        Some(self.bits())
    }
}

/// Writes one symbol, unless it is EOS.
fn write(symbol: u16, room: &mut [u8], written: &mut usize) -> Option<()> {
    *room.get_mut(*written)? = u8::try_from(symbol).ok()?;
    *written = written.wrapping_add(1);
    Some(())
}

impl Code {
    #[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "evaluated by the compiler")]
    #[expect(clippy::cast_possible_truncation, reason = "evaluated by the compiler; the table is tested")]
    const fn new() -> Self {
        let mut code = Self {
            symbols: [0; 257],
            beyond: [0; LONGEST + 1],
            first: [0; LONGEST + 1],
            place: [0; LONGEST + 1],
            short: [Short(0); SHORT_CODES],
        };
        let (mut length, mut next, mut place) = (1, 0_u64, 0);
        while length <= LONGEST {
            next <<= 1;
            code.first[length] = (next << (32 - length)) as u32;
            code.place[length] = place as u16;
            let mut symbol = 0;
            while symbol < LENGTHS.len() {
                if LENGTHS[symbol] as usize == length {
                    code.symbols[place] = symbol as u16;
                    code.note_short(symbol, length, next as usize);
                    place += 1;
                    next += 1;
                }
                symbol += 1;
            }
            code.beyond[length] = next << (32 - length);
            length += 1;
        }
        code.pair();
        code
    }

    /// A code that is short enough, however the bits go on behind it.
    #[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "evaluated by the compiler")]
    #[expect(clippy::cast_possible_truncation, reason = "evaluated by the compiler; the table is tested")]
    const fn note_short(&mut self, symbol: usize, length: usize, code: usize) {
        if length > SHORT as usize {
            return;
        }
        let unused = SHORT as usize - length;
        let mut at = code << unused;
        while at < (code + 1) << unused {
            self.short[at] = Short::new([symbol as u8, 0], length as u8, length as u8);
            at += 1;
        }
    }

    /// Adds the second symbols.
    #[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "evaluated by the compiler")]
    const fn pair(&mut self) {
        let mut at = 0;
        while at < SHORT_CODES {
            let [one, _, first, _] = self.short[at].0.to_le_bytes();
            let [other, _, length, _] = self.short[(at << first) % SHORT_CODES].0.to_le_bytes();
            if first > 0 && length > 0 && (first + length) as u32 <= SHORT {
                self.short[at] = Short::new([one, other], first, first + length);
            }
            at += 1;
        }
    }

    #[inline]
    fn short(&self, bits: u32) -> Option<Short> {
        let at = usize::try_from(bits >> (32 - SHORT)).unwrap_or_default();
        self.short.get(at).copied().filter(|short| short.0 > 0)
    }

    /// The symbol whose code these bits begin with, and how many of them it is. 32 bits hold any code.
    #[inline]
    fn find(&self, bits: u32) -> (u16, u32) {
        match self.short(bits) {
            Some(short) => (u16::from(short.symbols()[0]), short.first()),
            None => self.find_long(bits),
        }
    }

    fn find_long(&self, bits: u32) -> (u16, u32) {
        let lengths = (SHORT..).zip(self.beyond.iter().skip(SHORT as usize));
        let found = lengths.clone().find(|(_, beyond)| u64::from(bits) < **beyond);
        let length = found.map_or(0, |(length, _)| length);
        let at = length as usize;
        let (first, place) = (self.first.get(at).copied(), self.place.get(at).copied());
        let offset =
            bits.wrapping_sub(first.unwrap_or_default()).wrapping_shr(32_u32.saturating_sub(length).min(31));
        let index = usize::from(place.unwrap_or_default()).saturating_add(offset as usize);
        (self.symbols.get(index).copied().unwrap_or(EOS), length)
    }
}

/// Decodes a string to the end of `out`, which grows by at most 1.6 times its length.
pub(super) fn decode(input: &[u8], out: &mut Vec<u8>) -> Result<(), Invalid> {
    let start = out.len();
    // The shortest codes have 5 bits; a pair is written as two bytes, even if it is one.
    out.resize(start.saturating_add(input.len().saturating_mul(8) / 5).saturating_add(2), 0);
    let room = out.get_mut(start..).unwrap_or_default();
    let decoded = decode_into(input, room);
    out.truncate(start.saturating_add(decoded.unwrap_or_default()));
    decoded.map(|_length| ()).ok_or(Invalid)
}

/// The number of bytes written, or none if the code is invalid.
///
/// Bits are looked at where they are, so that nothing depends on how many of them the codes before had but their sum.
fn decode_into(input: &[u8], room: &mut [u8]) -> Option<usize> {
    // Bits read.
    let mut at = 0_usize;
    let mut written = 0_usize;
    while let Some(mut window) = bits_at(input, at) {
        let length = match CODE.short(high(window)) {
            Some(short) => short.write(room, &mut written)?,
            None => {
                let (symbol, length) = CODE.find_long(high(window));
                write(symbol, room, &mut written)?;
                length
            }
        };
        (window, at) = (window.wrapping_shl(length), at.wrapping_add(length as usize));
        // The 57 bits may have held the longest code; otherwise there are enough for three more short ones.
        for _ in 0..if length > SHORT { 0 } else { 3 } {
            let Some(short) = CODE.short(high(window)) else { break };
            let length = short.write(room, &mut written)?;
            (window, at) = (window.wrapping_shl(length), at.wrapping_add(length as usize));
        }
    }
    // Fewer than 64 bits, as if padding went on for ever.
    let mut left = u32::try_from(input.len().saturating_mul(8).saturating_sub(at)).unwrap_or_default();
    let last = match input.last_chunk() {
        Some(bytes) => u64::from_be_bytes(*bytes),
        None => input.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte)),
    };
    let mut window = last.rotate_right(left) | u64::MAX.wrapping_shr(left);
    while left > 0 {
        let short = CODE.short(high(window)).filter(|short| short.bits() <= left);
        let length = match short {
            Some(short) => short.write(room, &mut written)?,
            None => {
                // Of two, the second may be padding.
                let (symbol, length) = CODE.find(high(window));
                if length > left {
                    // It is ones, and shorter than a byte.
                    return (left < 8 && window == u64::MAX).then_some(written);
                }
                write(symbol, room, &mut written)?;
                length
            }
        };
        window = window.wrapping_shl(length) | !u64::MAX.wrapping_shl(length);
        left = left.saturating_sub(length);
    }
    Some(written)
}

/// The bits from this one on, at least 57, if there are 8 bytes.
#[inline]
fn bits_at(input: &[u8], at: usize) -> Option<u64> {
    let bytes = input.get(at / 8..)?.first_chunk()?;
    Some(u64::from_be_bytes(*bytes) << (at % 8))
}

const fn high(window: u64) -> u32 {
    (window >> 32) as u32
}

/// Encodes a string, for tests.
#[cfg(test)]
pub(in crate::http) fn encode(text: &[u8]) -> Vec<u8> {
    let (mut out, mut window, mut bits) = (Vec::new(), 0_u64, 0_u32);
    for byte in text {
        let length = u32::from(LENGTHS.get(usize::from(*byte)).copied().unwrap_or_default());
        let place = CODE.symbols.iter().position(|symbol| *symbol == u16::from(*byte)).unwrap_or_default();
        let at = length as usize;
        let start = usize::from(CODE.place.get(at).copied().unwrap_or_default());
        let first =
            CODE.first.get(at).copied().unwrap_or_default().wrapping_shr(32_u32.wrapping_sub(length).min(31));
        let code = u64::from(first).wrapping_add(place.wrapping_sub(start) as u64);
        window = window.wrapping_shl(length) | code;
        bits = bits.wrapping_add(length);
        while bits >= 8 {
            bits = bits.wrapping_sub(8);
            out.push(u8::try_from(window.wrapping_shr(bits) & 0xff).unwrap_or_default());
        }
    }
    if bits > 0 {
        let unused = 8_u32.wrapping_sub(bits);
        let last = window.wrapping_shl(unused) | u64::from(u8::MAX.wrapping_shr(bits));
        out.push(u8::try_from(last & 0xff).unwrap_or_default());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(input: &[u8]) -> Result<Vec<u8>, Invalid> {
        let mut out = Vec::new();
        decode(input, &mut out).map(|()| out)
    }

    #[test]
    fn the_code_is_complete_and_that_of_the_appendix() {
        // Kraft's sum is one: every sequence of bits is a code.
        let sum: u64 = LENGTHS.iter().map(|length| 1_u64 << (30 - length)).sum();
        assert_eq!(sum, 1 << 30);
        // Codes of each length that appendix B gives.
        let table: [(u16, u32, u32); 12] = [
            (u16::from(b'0'), 0x0, 5),
            (u16::from(b't'), 0x9, 5),
            (u16::from(b' '), 0x14, 6),
            (u16::from(b':'), 0x5c, 7),
            (u16::from(b'Z'), 0xfd, 8),
            (u16::from(b'!'), 0x3f8, 10),
            (u16::from(b'|'), 0x7fc, 11),
            (u16::from(b'$'), 0x1ff9, 13),
            (u16::from(b'<'), 0x7ffc, 15),
            (195, 0x7fff1, 19),
            (1, 0x7f_ffd8, 23),
            (EOS, 0x3fff_ffff, 30),
        ];
        for (symbol, code, length) in table {
            assert_eq!(CODE.find(code << (32 - length)), (symbol, length), "{symbol}");
        }
    }

    #[test]
    fn every_byte_comes_back() {
        for byte in 0..=255_u8 {
            for times in 1..9 {
                let text = vec![byte; times];
                assert_eq!(decoded(&encode(&text)).as_deref(), Ok(&*text));
            }
        }
        let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        assert_eq!(decoded(&encode(&all)), Ok(all));
    }

    #[test]
    fn padding_is_ones_and_shorter_than_a_byte() {
        // `0` is 00000.
        assert_eq!(decoded(&[0b0000_0111]).as_deref(), Ok(&b"0"[..]));
        assert_eq!(decoded(&[0b0000_0110]), Err(Invalid), "padding of other bits");
        assert_eq!(decoded(&[0b0000_0111, 0xff]), Err(Invalid), "a byte of padding");
        assert_eq!(decoded(&[0xff]), Err(Invalid), "a byte of padding");
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xff]), Err(Invalid), "EOS");
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xfc]), Err(Invalid), "EOS and the start of another");
        assert_eq!(decoded(&[]).as_deref(), Ok(&[][..]));
    }
}
