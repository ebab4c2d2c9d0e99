//! Sources of TCP segments.

pub mod file;
mod segment;

pub use segment::{Direction, Endpoint, Flags, Segment};
