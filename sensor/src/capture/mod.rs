//! Sources of TCP segments.

pub mod datagram;
pub mod file;
pub mod ring;
mod segment;
mod tcp;

pub use segment::{Direction, Endpoint, Flags, Segment};
pub use tcp::{Integrity, TcpHeader, TcpOptions, Verdict};
