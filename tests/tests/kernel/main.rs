//! The programs in the kernel, against models and against the kernel itself.

mod answers;
mod batches;
mod cookies;
mod datagrams;
mod fixtures;
mod hammer;
mod insertion;
mod mirror;
mod model;
mod overlaps;
