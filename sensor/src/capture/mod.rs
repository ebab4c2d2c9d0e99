//! Sources of TCP segments, and of the secrets of TLS sessions.

pub mod datagram;
pub mod file;
pub mod keylog;
pub mod ring;
pub mod secret;
mod segment;
mod tcp;

pub use segment::{Direction, Endpoint, Flags, Segment};
pub use tcp::{Integrity, TcpHeader, TcpOptions, Verdict};
