//! Bounded memory of what happened lately: the parts that detectors are made of.
//!
//! None of them reads a clock, and none depends on the seed of a hash table: the same events give the same numbers.
//! Hash tables are seeded for each process, so that nobody can choose addresses that fall into one bucket; nothing
//! reads them in the order of their hashes. Sketches use hashes with fixed seeds, for the sake of replays. What they
//! count is told apart by keyed hashes, which nobody outside can choose, or by addresses, of which choosing ones that
//! collide makes fewer.

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
pub(crate) use table::Table;
