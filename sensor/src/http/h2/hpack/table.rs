//! The tables of HPACK (RFC 7541, sections 2.3 and 4, appendix A).
//!
//! What was inserted before a table is first seen, or among bytes that are missing, is not known. Entries are counted
//! from the newest one, so those since then are found all the same, and of the others it is known that they are not.

use std::collections::VecDeque;

/// Name and value of each entry of the static table, from index 1 on.
pub(super) const STATIC: [(&[u8], &[u8]); 61] = [
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
];

/// What an entry counts beyond its bytes (RFC 7541, section 4.1).
pub(super) const OVERHEAD: usize = 32;

/// Size of a table until something else is agreed on (RFC 9113, section 6.5.2).
pub(super) const USUAL_SIZE: usize = 4_096;

/// Most that is kept of a table, by its own measure. Larger ones may be agreed on; what they hold beyond is not known.
pub(super) const LARGEST: usize = 64 << 10;

/// The dynamic table of one direction.
#[derive(Debug)]
pub(super) struct Table {
    /// The newest first.
    entries: VecDeque<Entry>,
    /// Names and values, the oldest first; some of their beginning may be of entries that are gone.
    bytes: Vec<u8>,
    /// Where `bytes` begins, counted from the first byte ever; wraps.
    base: u32,
    /// By the measure of the RFC.
    size: usize,
    /// Most that the sender may use.
    max: usize,
    /// Whether older entries than these are known not to exist.
    complete: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    /// Lengths: a table holds less than 64 KiB of them.
    name: u16,
    value: u16,
    kind: Kind,
}

/// What is known of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Name and value, and that nothing is wrong with them.
    Sound,
    /// Name and value.
    Odd,
    /// Only that it is there.
    Unknown,
}

/// An entry that was looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// Name and value, and whether they are known to be sound.
    Known { name: &'a [u8], value: &'a [u8], sound: bool },
    /// It may be there, but is not known.
    Unknown,
    /// There is no such entry.
    None,
}

impl Table {
    /// A table at the start of a connection, or in its midst.
    pub(super) const fn new(complete: bool) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: Vec::new(),
            base: 0,
            size: 0,
            max: if complete { USUAL_SIZE } else { usize::MAX },
            complete,
        }
    }

    /// Bytes allocated.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn allocated(&self) -> usize {
        let entries = self.entries.capacity().saturating_mul(size_of::<Entry>());
        self.bytes.capacity().saturating_add(entries)
    }

    /// Whether every entry is known.
    #[cfg(test)]
    pub(super) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Entries may have been inserted unseen, and the size may have been changed, to no more than `limit`.
    pub(super) fn lose(&mut self, limit: usize) {
        self.max = limit;
        self.entries = VecDeque::new();
        self.bytes = Vec::new();
        self.size = 0;
        self.complete = false;
    }

    /// An entry by its index; those of the static table come first (RFC 7541, section 2.3.3).
    #[inline]
    pub(super) fn find(&self, index: usize) -> Found<'_> {
        let Some(index) = index.checked_sub(1) else { return Found::None };
        if let Some((name, value)) = STATIC.get(index) {
            return Found::Known { name, value, sound: true };
        }
        let Some(entry) = self.entries.get(index.saturating_sub(STATIC.len())) else {
            return if self.complete { Found::None } else { Found::Unknown };
        };
        if entry.kind == Kind::Unknown {
            return Found::Unknown;
        }
        let start = entry.start.wrapping_sub(self.base) as usize;
        let bytes = self.bytes.get(start..).unwrap_or_default();
        let (name, rest) = bytes.split_at_checked(usize::from(entry.name)).unwrap_or_default();
        let value = rest.get(..usize::from(entry.value)).unwrap_or_default();
        Found::Known { name, value, sound: entry.kind == Kind::Sound }
    }

    /// Inserts an entry. Of an unknown one the value may still be known, and the length of the name is not.
    pub(super) fn insert(&mut self, name: &[u8], value: &[u8], kind: Kind) {
        let length = name.len().saturating_add(value.len());
        let size = length.saturating_add(OVERHEAD);
        if kind == Kind::Unknown {
            // Its name may be long: what is behind it may be gone by now, which does no harm, since nobody asks for it.
            self.complete = false;
        }
        let most = self.max.min(LARGEST);
        if size > most {
            // RFC 7541, section 4.4: it empties the table.
            let is_known = size > self.max;
            self.clear();
            self.complete = is_known;
            return;
        }
        while self.size.saturating_add(size) > most {
            self.evict();
            self.complete &= self.max <= LARGEST;
        }
        let start = self.append(name, value);
        self.entries.push_front(Entry { start, name: short(name.len()), value: short(value.len()), kind });
        self.size = self.size.saturating_add(size);
        // There is no room for one more that is not known.
        self.complete |= self.max <= LARGEST && self.size.saturating_add(OVERHEAD) > self.max;
    }

    fn append(&mut self, name: &[u8], value: &[u8]) -> u32 {
        let length = name.len().saturating_add(value.len());
        if self.bytes.capacity().saturating_sub(self.bytes.len()) < length {
            let oldest = self.entries.back().map(|entry| entry.start.wrapping_sub(self.base));
            let dead = oldest.map_or(self.bytes.len(), |start| start as usize).min(self.bytes.len());
            self.bytes.drain(..dead);
            self.base = self.base.wrapping_add(low(dead));
            let needed = self.bytes.len().saturating_add(length).max(256);
            let capacity = needed.checked_next_power_of_two().unwrap_or(needed);
            self.bytes.reserve_exact(capacity.saturating_sub(self.bytes.len()));
        }
        let start = self.base.wrapping_add(low(self.bytes.len()));
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        start
    }

    /// The sender changes the size (RFC 7541, section 4.3).
    pub(super) fn resize(&mut self, max: usize) {
        self.max = max;
        while self.size > max.min(LARGEST) {
            self.evict();
            self.complete &= max <= LARGEST;
        }
        // There is no room for one that is not known.
        self.complete |= self.size.saturating_add(OVERHEAD) > max;
        if self.entries.is_empty() {
            self.clear();
        }
    }

    fn evict(&mut self) {
        let Some(entry) = self.entries.pop_back() else {
            self.size = 0;
            return;
        };
        let length =
            usize::from(entry.name).saturating_add(usize::from(entry.value)).saturating_add(OVERHEAD);
        self.size = self.size.saturating_sub(length);
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
        self.size = 0;
    }
}

fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

/// Tables hold 64 KiB.
#[expect(clippy::cast_possible_truncation, reason = "bounded, see above")]
const fn low(number: usize) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_of(table: &Table, index: usize) -> Option<String> {
        match table.find(index) {
            Found::Known { name, .. } => Some(String::from_utf8_lossy(name).into_owned()),
            Found::Unknown => Some("?".to_owned()),
            Found::None => None,
        }
    }

    #[test]
    fn entries_are_counted_from_the_newest_and_the_oldest_goes() {
        let mut table = Table::new(true);
        for number in 0..200 {
            table.insert(format!("name-{number:03}").as_bytes(), &[b'v'; 24], Kind::Sound);
        }
        // Each counts 64 bytes.
        assert_eq!(name_of(&table, 62).as_deref(), Some("name-199"));
        assert_eq!(name_of(&table, 62 + 63).as_deref(), Some("name-136"));
        assert_eq!(name_of(&table, 62 + 64), None);
        assert!(table.allocated() <= 8_192 + 2_048, "{}", table.allocated());
        table.resize(128);
        assert_eq!((name_of(&table, 63).as_deref(), name_of(&table, 64)), (Some("name-198"), None));
        table.insert(b"a", &[b'v'; 128], Kind::Sound);
        assert_eq!(name_of(&table, 62), None, "what does not fit empties the table");
        table.insert(b"b", b"c", Kind::Odd);
        assert_eq!(table.find(62), Found::Known { name: b"b", value: b"c", sound: false });
        assert_eq!(table.find(0), Found::None);
        assert_eq!(table.find(61), Found::Known { name: b"www-authenticate", value: b"", sound: true });
    }

    #[test]
    fn what_was_inserted_unseen_is_unknown_until_there_is_no_room_for_it() {
        let mut table = Table::new(true);
        table.insert(b"before", b"", Kind::Sound);
        table.lose(USUAL_SIZE);
        assert_eq!(name_of(&table, 62).as_deref(), Some("?"));
        table.insert(b"after", b"", Kind::Sound);
        assert_eq!(name_of(&table, 62).as_deref(), Some("after"));
        assert_eq!(name_of(&table, 63).as_deref(), Some("?"));
        table.insert(b"", b"", Kind::Unknown);
        assert_eq!(name_of(&table, 62).as_deref(), Some("?"));
        for _ in 0..63 {
            table.insert(b"", &[b'v'; 32], Kind::Sound);
        }
        assert!(!table.is_complete(), "one of 32 bytes would fit");
        table.insert(b"x", &[b'v'; 64], Kind::Sound);
        assert!(table.is_complete());
        assert_eq!(name_of(&table, 62 + 63), None);
    }

    #[test]
    fn a_table_larger_than_what_is_kept_has_entries_that_are_not_known() {
        let mut table = Table::new(true);
        table.resize(1 << 20);
        for _ in 0..100 {
            table.insert(b"a", &[b'v'; 1_000], Kind::Sound);
        }
        assert_eq!(name_of(&table, 62 + 50).as_deref(), Some("a"));
        assert_eq!(name_of(&table, 62 + 99).as_deref(), Some("?"));
        assert!(table.allocated() <= (128 << 10) + 4_096);
        table.resize(0);
        assert!(table.is_complete());
        assert_eq!(name_of(&table, 62), None);
    }
}
