#![expect(clippy::float_arithmetic, reason = "an estimate from a harmonic mean")]
//! How many distinct things several hosts saw together: a HyperLogLog, which merges.
//!
//! P. Flajolet, É. Fusy, O. Gandouet, F. Meunier, "HyperLogLog: the analysis of a near-optimal cardinality estimation
//! algorithm" (2007). The relative standard error is 1.04 / sqrt(m), here 4.6%; below 2.5 m the estimate is linear
//! counting, which is closer: at 30 things its standard error is less than one.

/// Bits of a hash that choose a register.
const BITS: u32 = 9;
/// Registers.
const REGISTERS: usize = 1 << BITS;
/// Largest rank: the position of the first 1 among the other bits of a hash, or one more than these are.
const MAX_RANK: u8 = 56;

/// The registers that are not empty, in order. A host sees few different clients in a slot, so this is much shorter
/// than an array of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sketch(Vec<(u16, u8)>);

impl Sketch {
    /// A thing with this hash was seen. Hashes must be keyed: who can choose them chooses the count.
    pub(crate) fn insert(&mut self, hash: u64) {
        let register = u16::try_from(hash >> (64 - BITS)).unwrap_or(0);
        // The bit below the others ends the run of zeros.
        let rest = (hash << BITS) | (1 << (BITS - 1));
        let rank = u8::try_from(rest.leading_zeros()).unwrap_or(0).saturating_add(1);
        match self.0.binary_search_by_key(&register, |(register, _)| *register) {
            Ok(place) => {
                if let Some((_, known)) = self.0.get_mut(place) {
                    *known = rank.max(*known);
                }
            }
            Err(place) => self.0.insert(place, (register, rank)),
        }
    }

    /// For a record: two bytes for each register that is not empty.
    pub(crate) fn write(&self, into: &mut Vec<u8>) {
        let count = u16::try_from(self.0.len()).unwrap_or(0);
        into.extend(count.to_be_bytes());
        for (register, rank) in &self.0 {
            into.extend(((register << 6) | u16::from(*rank)).to_be_bytes());
        }
    }

    /// Takes what [`Self::write`] wrote off the front of a record; none if it is something else.
    pub(crate) fn read(from: &mut &[u8]) -> Option<Self> {
        let mut next = || {
            let (head, rest) = from.split_first_chunk::<2>()?;
            *from = rest;
            Some(u16::from_be_bytes(*head))
        };
        let count = next()?;
        let mut registers: Vec<(u16, u8)> = Vec::new();
        for _ in 0..count {
            let both = next()?;
            let (register, rank) = (both >> 6, u8::try_from(both & 63).ok()?);
            let is_next = registers.last().is_none_or(|(last, _)| *last < register);
            if !is_next || usize::from(register) >= REGISTERS || !(1..=MAX_RANK).contains(&rank) {
                return None;
            }
            registers.push((register, rank));
        }
        Some(Self(registers))
    }
}

/// A register of a union: its value, whose it is, and what it would be without that host.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Register {
    rank: u8,
    host: u16,
    without: u8,
}

/// The union of several hosts' sketches, and each union that leaves out one of them. Its sums follow what is added, so
/// that an estimate costs nothing: there is one for each suffix of the slots.
pub(crate) struct Union {
    registers: Box<[Register; REGISTERS]>,
    all: Sum,
    /// What the sum has more if a host is left out.
    without: Vec<Sum>,
}

/// Estimates of a union.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Estimates {
    /// Of all hosts.
    pub(crate) all: f64,
    /// Of all but one, for each.
    pub(crate) without: Vec<f64>,
}

impl Union {
    /// An empty one of so many hosts.
    pub(crate) fn of(hosts: usize) -> Self {
        let mut all = Sum::default();
        (0..REGISTERS).for_each(|_| all.add(0));
        Self {
            registers: Box::new([Register::default(); REGISTERS]),
            all,
            without: vec![Sum::default(); hosts],
        }
    }

    /// Adds a sketch of a host, which may have several.
    pub(crate) fn add(&mut self, host: usize, sketch: &Sketch) {
        let host = u16::try_from(host).unwrap_or(u16::MAX);
        for (place, rank) in &sketch.0 {
            let Some(register) = self.registers.get_mut(usize::from(*place)) else { continue };
            let old = *register;
            if old.rank == 0 || old.host == host {
                (register.rank, register.host) = (old.rank.max(*rank), host);
            } else if *rank > old.rank {
                *register = Register { rank: *rank, host, without: old.rank };
            } else {
                register.without = old.without.max(*rank);
            }
            let new = *register;
            if new == old {
                continue;
            }
            self.all.take(old.rank);
            self.all.add(new.rank);
            if let Some(without) = self.without.get_mut(usize::from(old.host)).filter(|_| old.rank > 0) {
                without.add(old.rank);
                without.take(old.without);
            }
            if let Some(without) = self.without.get_mut(usize::from(new.host)) {
                without.take(new.rank);
                without.add(new.without);
            }
        }
    }

    /// The estimated counts.
    pub(crate) fn estimates(&self) -> Estimates {
        let without = self.without.iter().map(|more| {
            let harmonic = self.all.harmonic + more.harmonic;
            Sum { harmonic, empty: self.all.empty.saturating_add(more.empty) }.estimate()
        });
        Estimates { all: self.all.estimate(), without: without.collect() }
    }
}

/// What an estimate needs of all registers.
#[derive(Clone, Copy, Default)]
struct Sum {
    harmonic: f64,
    empty: i32,
}

impl Sum {
    fn add(&mut self, rank: u8) {
        self.harmonic += weight(rank);
        self.empty = self.empty.saturating_add(i32::from(rank == 0));
    }

    fn take(&mut self, rank: u8) {
        self.harmonic -= weight(rank);
        self.empty = self.empty.saturating_sub(i32::from(rank == 0));
    }

    fn estimate(self) -> f64 {
        let registers = f64::from(1_u32 << BITS);
        let raw =
            0.7213 / (1.0 + 1.079 / registers) * registers * registers / self.harmonic.max(f64::EPSILON);
        if raw <= 2.5 * registers && self.empty > 0 {
            return registers * (registers / f64::from(self.empty)).ln();
        }
        raw
    }
}

/// 2 to the power of -rank, by its exponent in IEEE 754.
fn weight(rank: u8) -> f64 {
    f64::from_bits(1_023_u64.saturating_sub(rank.into()) << 52)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::window::hash_of;

    fn sketch(things: impl IntoIterator<Item = u64>) -> Sketch {
        let mut sketch = Sketch::default();
        things.into_iter().for_each(|thing| sketch.insert(hash_of(thing)));
        sketch
    }

    fn count(sketch: &Sketch) -> f64 {
        let mut union = Union::of(1);
        union.add(0, sketch);
        union.estimates().all
    }

    #[test]
    fn estimates_are_as_close_as_the_paper_says() {
        for (things, error) in [(1, 0.1), (20, 1.5), (100, 8.0), (1_000, 120.0), (100_000, 14_000.0)] {
            for seed in 0..20 {
                let found = count(&sketch((0..things).map(|thing| seed * 1_000_000 + thing)));
                assert!((found - things as f64).abs() <= error * 1.5, "{things}: {found}");
            }
        }
    }

    proptest! {
        /// However things are spread over hosts and sketches, with repetitions, the union is one host's that saw all; and
        /// so is each union without one of them.
        #[test]
        fn a_union_is_what_one_host_would_have_seen(
            seen in prop::collection::vec((0_usize..5, 0_u64..3_000), 0..800),
        ) {
            let mut union = Union::of(5);
            for part in seen.chunks(7) {
                for host in 0..5 {
                    let of_host = part.iter().filter(|(by, _)| *by == host).map(|(_, thing)| *thing);
                    union.add(host, &sketch(of_host));
                }
            }
            let estimates = union.estimates();
            let all = sketch(seen.iter().map(|(_, thing)| *thing));
            prop_assert!((estimates.all - count(&all)).abs() < 1e-6);
            for host in 0..5 {
                let rest = sketch(seen.iter().filter(|(by, _)| *by != host).map(|(_, thing)| *thing));
                let (found, expected) = (estimates.without[host], count(&rest));
                prop_assert!((found - expected).abs() < 1e-6, "{host}: {found} {expected}");
            }
        }

        #[test]
        fn a_sketch_is_read_back(things in prop::collection::vec(any::<u64>(), 0..600)) {
            let (sketch, mut bytes) = (sketch(things), Vec::new());
            sketch.write(&mut bytes);
            bytes.push(7);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(Sketch::read(&mut rest), Some(sketch));
            prop_assert_eq!(rest, [7]);
        }

        /// What is read is what would be written: nobody can say the same in two ways, or more than a sketch may hold.
        #[test]
        fn any_bytes_are_a_sketch_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut rest = bytes.as_slice();
            if let Some(sketch) = Sketch::read(&mut rest) {
                let mut written = Vec::new();
                sketch.write(&mut written);
                prop_assert_eq!(&written[..], &bytes[..bytes.len() - rest.len()]);
            }
        }
    }
}
