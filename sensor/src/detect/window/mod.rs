//! Bounded memory of recent events: the building blocks of detectors.
//!
//! None of them reads a clock, and none depends on the seed of a hash table: the same events give the same numbers.
//! Hash tables have a seed per process, so that nobody can choose addresses that fall into one bucket; nothing reads
//! them in hash order. Sketches use hashes with fixed seeds, so that replays are reproducible. They count keyed hashes,
//! which no outsider can choose, or addresses, where choosing colliding ones only lowers the count.

mod counter;
mod cusum;
mod distinct;
mod majority;
mod ratio;
mod slots;
mod steady;
mod table;

pub(crate) use counter::Counter;
pub(crate) use cusum::{Cusum, Hypotheses};
pub(crate) use distinct::{Distinct, Spread, hash_of};
pub(crate) use majority::Majority;
pub(crate) use ratio::Ratio;
pub(crate) use slots::Span;
pub(crate) use steady::{Moment, Steady};
pub(crate) use table::{Table, Walk};
