//! Sources of TCP segments.

pub mod datagram;
pub mod file;
pub mod ring;
mod segment;

pub use segment::{Direction, Endpoint, Flags, Segment};
