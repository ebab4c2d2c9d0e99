//! Traffic designed to cost more than its size, and the ordinary traffic that it is compared with.
//!
//! A capture is generated in memory, byte for byte the same each time, and goes through the file reader, the pipeline
//! and all detectors: what the daemon's sensing thread does for each segment. Checksums and sequence numbers are
//! correct, so that it passes all checks of segments.

pub mod cost;
mod kinds;
mod wire;

pub use wire::{Family, Peer, Side, Wire};

/// One kind of traffic.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Its name in tables.
    pub name: &'static str,
    /// What is in it.
    pub what: &'static str,
    /// Writes one unit: a connection, or some packets.
    fill: fn(&mut Wire, u32),
}

impl Kind {
    /// A capture of about so many bytes, at least one unit.
    #[must_use]
    pub fn capture(&self, family: Family, bytes: usize) -> Vec<u8> {
        let mut wire = Wire::new(family);
        let mut unit = 0;
        while wire.len() < bytes {
            (self.fill)(&mut wire, unit);
            unit += 1;
        }
        wire.into_file()
    }
}

/// Ordinary traffic, which one unit of each kind makes up: reads, writes, logins.
pub const ORDINARY: Kind = Kind {
    name: "ordinary",
    what: "reads, writes and logins of an API, over keep-alive",
    fill: kinds::ordinary,
};

/// Every hostile kind.
pub fn all() -> impl Iterator<Item = &'static Kind> {
    kinds::ALL.iter().copied().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn kinds_have_names_of_their_own_and_captures_are_reproducible() {
        let names: BTreeSet<&str> = all().map(|kind| kind.name).collect();
        assert_eq!(names.len(), all().count());
        for kind in all().chain([&ORDINARY]) {
            for family in Family::BOTH {
                let capture = kind.capture(family, 10_000);
                assert!(capture.len() >= 10_000, "{}", kind.name);
                assert!(capture == kind.capture(family, 10_000), "{}", kind.name);
            }
        }
    }
}
