//! HPACK (RFC 7541): header blocks to fields.
//!
//! Every block is decoded to its end, however long its list, because the table must match the sender's; beyond a bound its
//! fields are not passed on. After an error or a missing block, part of the table is unknown: fields that refer to it are
//! counted and left out.

mod huffman;
mod table;

#[cfg(test)]
pub(super) use huffman::encode;
use table::{Found, Kind, Table};

use crate::http::method::is_tchar;

/// An invalid block. The rest of it was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Error {
    /// An integer is too large, or the block ends within one (section 5.1).
    Integer,
    /// The block ends within a string (section 5.2).
    String,
    /// A string is invalid Huffman code (section 5.2).
    Huffman,
    /// An index without an entry (section 2.3.3).
    Index,
    /// A table size update beyond the limit, or not at the start (sections 4.2 and 6.3).
    Size,
}

/// A field, as offsets into the decoded bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// Where the name begins.
    pub start: usize,
    /// Where it ends and the value begins.
    pub middle: usize,
    /// Where the value ends.
    pub end: usize,
    /// Whether name and value are known to conform to RFC 9113, section 8.2.1.
    pub sound: bool,
}

/// The result of decoding a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Block {
    /// Fields hidden by the unknown part of the table.
    pub unknown: u32,
    /// Size of the list as defined in RFC 9113, section 6.5.2.
    pub size: u64,
    /// Whether fields were left out because the bound was reached.
    pub cut: bool,
}

/// The decoder of one direction.
#[derive(Debug)]
pub(super) struct Decoder {
    table: Table,
    /// Maximum size that the sender may give the table.
    limit: usize,
}

impl Decoder {
    /// A decoder at the start of a connection, or in the middle of one, where the table is unknown.
    pub(super) const fn new(midstream: bool) -> Self {
        let limit = if midstream { usize::MAX } else { table::USUAL_SIZE };
        Self { table: Table::new(!midstream), limit }
    }

    /// The receiver allows another size. A smaller one applies once the sender confirms it in a block.
    pub(super) fn allow(&mut self, size: u32) {
        self.limit = self.limit.max(usize::try_from(size).unwrap_or(usize::MAX));
    }

    /// Blocks are missing.
    pub(super) fn lose(&mut self) {
        self.table.lose(self.limit);
    }

    /// Whether the whole table is known.
    #[cfg(test)]
    pub(super) const fn is_complete(&self) -> bool {
        self.table.is_complete()
    }

    /// Bytes allocated.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn allocated(&self) -> usize {
        self.table.allocated()
    }

    /// Decodes a block to the end of `out`, which grows by no more than `room` and the length of the block twice; `each` is told
    /// of each field.
    pub(super) fn decode(
        &mut self,
        block: &[u8],
        out: &mut Vec<u8>,
        room: usize,
        mut each: impl FnMut(&[u8], Field),
    ) -> (Block, Option<Error>) {
        let mut told = Block::default();
        let limit = out.len().saturating_add(room);
        let mut rest = block;
        let mut may_resize = true;
        while let Some(first) = rest.first().copied() {
            let start = out.len();
            let read = if first & 0x80 != 0 {
                self.indexed(&mut rest, out)
            } else if first & 0xe0 == 0x20 {
                let resized = if may_resize { self.resize(&mut rest) } else { Err(Error::Size) };
                match resized {
                    Ok(()) => continue,
                    Err(error) => Err(error),
                }
            } else {
                self.literal(&mut rest, out, first)
            };
            may_resize = false;
            let field = match read {
                Ok(field) => field,
                Err(error) => {
                    out.truncate(start);
                    self.lose();
                    return (told, Some(error));
                }
            };
            let length = out.len().saturating_sub(start).saturating_add(table::OVERHEAD);
            told.size = told.size.saturating_add(length as u64);
            match field {
                None => {
                    out.truncate(start);
                    told.unknown = told.unknown.saturating_add(1);
                }
                Some(_) if told.cut || out.len() > limit => {
                    out.truncate(start);
                    told.cut = true;
                }
                Some((middle, sound)) => each(out, Field { start, middle, end: out.len(), sound }),
            }
        }
        (told, None)
    }

    /// Section 6.1.
    #[inline]
    fn indexed(&self, rest: &mut &[u8], out: &mut Vec<u8>) -> Result<Option<(usize, bool)>, Error> {
        let index = integer(rest, 7)?;
        match self.table.find(index) {
            Found::Known { name, value, sound } => {
                out.extend_from_slice(name);
                let middle = out.len();
                out.extend_from_slice(value);
                Ok(Some((middle, sound)))
            }
            Found::Unknown => Ok(None),
            Found::None => Err(Error::Index),
        }
    }

    /// Section 6.2.
    fn literal(
        &mut self,
        rest: &mut &[u8],
        out: &mut Vec<u8>,
        first: u8,
    ) -> Result<Option<(usize, bool)>, Error> {
        let start = out.len();
        let inserts = first & 0x40 != 0;
        let index = integer(rest, if inserts { 6 } else { 4 })?;
        let mut is_known = true;
        let mut sound = true;
        if index == 0 {
            string(rest, out)?;
            sound = is_sound_name(out.get(start..).unwrap_or_default());
        } else {
            match self.table.find(index) {
                // A name from the table may belong to an entry whose value only was odd.
                Found::Known { name, sound: is_sound, .. } => {
                    out.extend_from_slice(name);
                    sound = is_sound || is_sound_name(name);
                }
                Found::Unknown => is_known = false,
                Found::None => return Err(Error::Index),
            }
        }
        let middle = out.len();
        string(rest, out)?;
        sound &= is_sound_value(out.get(middle..).unwrap_or_default());
        if inserts {
            let kind = match (is_known, sound) {
                (false, _) => Kind::Unknown,
                (true, true) => Kind::Sound,
                (true, false) => Kind::Odd,
            };
            let (name, value) = out
                .get(start..)
                .unwrap_or_default()
                .split_at_checked(middle.saturating_sub(start))
                .unwrap_or_default();
            self.table.insert(name, value, kind);
        }
        Ok(is_known.then_some((middle, sound)))
    }

    /// Section 6.3.
    fn resize(&mut self, rest: &mut &[u8]) -> Result<(), Error> {
        let size = integer(rest, 5)?;
        if size > self.limit {
            return Err(Error::Size);
        }
        self.table.resize(size);
        Ok(())
    }
}

/// An integer (section 5.1) in the low `prefix` bits of the first byte and what follows.
#[inline]
fn integer(rest: &mut &[u8], prefix: u32) -> Result<usize, Error> {
    let mask = 0xff_u8.wrapping_shr(8_u32.wrapping_sub(prefix).min(7));
    let (first, mut others) = rest.split_first().ok_or(Error::Integer)?;
    let low = first & mask;
    if low < mask {
        *rest = others;
        return Ok(usize::from(low));
    }
    let mut value = u64::from(low);
    // Four more bytes are 28 bits: nothing here is larger.
    for place in 0..4_u32 {
        let (byte, after) = others.split_first().ok_or(Error::Integer)?;
        others = after;
        value = value.wrapping_add(u64::from(byte & 0x7f).wrapping_shl(place.wrapping_mul(7)));
        if byte & 0x80 == 0 {
            *rest = others;
            return usize::try_from(value).map_err(|_large| Error::Integer);
        }
    }
    Err(Error::Integer)
}

/// A string (section 5.2), to the end of `out`.
#[inline]
fn string(rest: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let is_coded = rest.first().is_some_and(|first| first & 0x80 != 0);
    let length =
        integer(rest, 7).map_err(|_integer| if rest.is_empty() { Error::String } else { Error::Integer })?;
    let (text, after) = rest.split_at_checked(length).ok_or(Error::String)?;
    *rest = after;
    if is_coded {
        return huffman::decode(text, out).map_err(|huffman::Invalid| Error::Huffman);
    }
    out.extend_from_slice(text);
    Ok(())
}

/// Whether a name is a token in lower case, a pseudo-header's colon aside (RFC 9113, section 8.2.1).
fn is_sound_name(name: &[u8]) -> bool {
    let token = name.strip_prefix(b":").unwrap_or(name);
    !token.is_empty() && token.iter().all(|byte| is_tchar(*byte) && !byte.is_ascii_uppercase())
}

/// Whether a value has no NUL, CR and LF, and no whitespace around it (RFC 9113, section 8.2.1).
fn is_sound_value(value: &[u8]) -> bool {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    memchr::memchr3(0, b'\r', b'\n', value).is_none() && !is_blank(value.first()) && !is_blank(value.last())
}

/// Header blocks, each with its length in two bytes before it. What comes of them keeps to the bound, and the table to its
/// own; two decoders make the same of the same.
#[cfg(any(test, feature = "fuzzing"))]
pub(in crate::http) fn fuzz(bytes: &[u8]) {
    const ROOM: usize = 4_096;
    let mut decoders = [Decoder::new(false), Decoder::new(false), Decoder::new(true)];
    let (mut out, mut rest) = (Vec::new(), bytes);
    while let Some(([high, low], after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(after.len());
        let (block, after) = after.split_at_checked(length).unwrap_or_default();
        rest = after;
        let told = decoders.each_mut().map(|decoder| {
            out.clear();
            let mut end = 0;
            let told = decoder.decode(block, &mut out, ROOM, |bytes, field| {
                assert!(field.start == end && field.start <= field.middle && field.middle <= field.end);
                assert_eq!(field.end, bytes.len(), "fields lie one after the other");
                end = field.end;
            });
            assert!(out.len() <= ROOM, "the bound");
            assert!(decoder.allocated() <= 512 << 10, "the bound of the table");
            told
        });
        let [one, other, _] = told;
        assert_eq!(one, other);
    }
}

#[cfg(test)]
mod differential;
#[cfg(test)]
mod tests;
