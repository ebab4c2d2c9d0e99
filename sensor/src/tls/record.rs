//! Record boundaries (RFC 8446, section 5.1).

use super::counters::Held;

/// Bytes of a record's header.
pub(super) const HEADER: usize = 5;
/// Maximum content of a record.
pub(super) const MAX_CONTENTS: usize = 16_384;
/// Longest payload of a record: RFC 5246, section 6.2.3.
const MAX_PAYLOAD: u16 = 16_384 + 2_048;

/// Types of records.
pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(super) const HANDSHAKE: u8 = 22;
pub(super) const APPLICATION_DATA: u8 = 23;

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: u8,
    minor: u8,
    /// Of the payload.
    pub(super) length: u16,
}

impl Header {
    pub(super) const fn parse(bytes: [u8; HEADER]) -> Option<Self> {
        let [kind, major, minor, high, low] = bytes;
        let length = u16::from_be_bytes([high, low]);
        let sound = matches!(kind, 20..=24) && major == 3 && minor <= 4 && length <= MAX_PAYLOAD;
        if sound { Some(Self { kind, minor, length }) } else { None }
    }

    pub(super) const fn bytes(self) -> [u8; HEADER] {
        let [high, low] = self.length.to_be_bytes();
        [self.kind, 3, self.minor, high, low]
    }
}

/// What the next bytes were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// A whole record, whose payload was copied to the caller's buffer.
    Record(Header),
    /// Part of one; all bytes were consumed.
    More,
    /// Not a record. The bytes in the place of its header are in the caller's buffer.
    NotOne,
}

/// What a gap in the stream leaves of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hole {
    /// The interrupted record; the first bytes of its payload are in the caller's buffer.
    pub(super) cut: Option<Header>,
    /// Bytes of the stream, from where a record should start, whose content is unknown.
    pub(super) unknown: u64,
}

/// Assembles the records of one direction.
#[derive(Debug, Default)]
pub(super) struct Framing {
    /// Header and payload of the current record, as far as received.
    buffer: Vec<u8>,
    /// Bytes left of a truncated record.
    passing: u16,
}

impl Framing {
    /// Length of the current record.
    pub(super) fn buffered(&self) -> usize {
        self.buffer.len().saturating_add(usize::from(self.passing))
    }

    /// Bytes of it received.
    pub(super) const fn gathered(&self) -> usize {
        self.buffer.len()
    }

    pub(super) const fn is_between(&self) -> bool {
        self.buffer.is_empty() && self.passing == 0
    }

    /// Consumes bytes from the front, up to the end of a record.
    pub(super) fn take(&mut self, bytes: &mut &[u8], payload: &mut Vec<u8>, held: &mut Held) -> Taken {
        let passed = usize::from(self.passing).min(bytes.len());
        self.passing = self.passing.saturating_sub(u16::try_from(passed).unwrap_or(u16::MAX));
        *bytes = bytes.get(passed..).unwrap_or_default();
        if bytes.is_empty() {
            return Taken::More;
        }
        if self.buffer.is_empty()
            && let Some((head, rest)) = bytes.split_first_chunk::<HEADER>()
            && let Some(header) = Header::parse(*head)
            && let Some((whole, after)) = rest.split_at_checked(header.length.into())
        {
            *bytes = after;
            payload.clear();
            payload.extend_from_slice(whole);
            return Taken::Record(header);
        }
        self.gather(bytes, HEADER, held);
        let Some(head) = self.buffer.first_chunk::<HEADER>() else { return Taken::More };
        let Some(header) = Header::parse(*head) else {
            self.give(payload, 0, held);
            return Taken::NotOne;
        };
        let whole = HEADER.saturating_add(header.length.into());
        if !held.has_room() {
            // Skipped, as a truncated one would be.
            self.passing = u16::try_from(whole.saturating_sub(self.buffer.len())).unwrap_or(u16::MAX);
            self.give(payload, HEADER, held);
            held.refused = held.refused.saturating_add(1);
            return Taken::More;
        }
        self.buffer.reserve_exact(whole.saturating_sub(self.buffer.len()));
        self.gather(bytes, whole, held);
        if self.buffer.len() < whole {
            return Taken::More;
        }
        self.give(payload, HEADER, held);
        Taken::Record(header)
    }

    fn gather(&mut self, bytes: &mut &[u8], up_to: usize, held: &mut Held) {
        let wanted = up_to.saturating_sub(self.buffer.len()).min(bytes.len());
        let (part, rest) = bytes.split_at_checked(wanted).unwrap_or((bytes, &[]));
        self.buffer.extend_from_slice(part);
        held.add(part.len());
        *bytes = rest;
    }

    /// Copies what was collected, from `start` on, and clears it.
    fn give(&mut self, payload: &mut Vec<u8>, start: usize, held: &mut Held) {
        let buffer = std::mem::take(&mut self.buffer);
        held.remove(buffer.len());
        payload.clear();
        payload.extend_from_slice(buffer.get(start..).unwrap_or_default());
    }

    /// This many bytes are missing.
    pub(super) fn hole(&mut self, length: u64, payload: &mut Vec<u8>, held: &mut Held) -> Hole {
        let passed = length.min(u64::from(self.passing));
        self.passing = self.passing.saturating_sub(u16::try_from(passed).unwrap_or(u16::MAX));
        let length = length.saturating_sub(passed);
        let header = self.buffer.first_chunk::<HEADER>().copied().and_then(Header::parse);
        let had = self.buffer.len();
        if length == 0 {
            return Hole { cut: None, unknown: 0 };
        }
        self.give(payload, HEADER, held);
        let Some(header) = header else {
            return Hole { cut: None, unknown: length.saturating_add(had as u64) };
        };
        let left = HEADER.saturating_add(header.length.into()).saturating_sub(had) as u64;
        self.passing = u16::try_from(left.saturating_sub(length)).unwrap_or(u16::MAX);
        Hole { cut: Some(header), unknown: length.saturating_sub(left) }
    }

    /// The truncated record was false: nothing that follows belongs to it.
    pub(super) const fn pass_nothing(&mut self) {
        self.passing = 0;
    }

    /// Drops the current record.
    pub(super) fn clear(&mut self, held: &mut Held) {
        held.remove(self.buffer.len());
        *self = Self::default();
    }
}

/// Where an application data record may start in unknown bytes; the last bytes may be the start of one.
pub(super) fn candidate(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(APPLICATION_DATA, bytes).find(|at| match bytes.get(*at..).unwrap_or_default() {
        [_, 3, 3, high, low, ..] => {
            let length = u16::from_be_bytes([*high, *low]);
            (17..=MAX_PAYLOAD).contains(&length)
        }
        [_, 3, 3, ..] | [_, 3] | [_] => true,
        _ => false,
    })
}
