//! Sources of TCP segments, of the secrets of TLS sessions, and of recorded exchanges.

pub mod datagram;
pub mod file;
mod gzip;
pub mod keylog;
pub mod log;
pub mod ring;
pub mod secret;
mod segment;
mod tcp;

pub use segment::{Direction, Endpoint, Flags, Segment};
pub use tcp::{Integrity, TcpHeader, TcpOptions, Verdict};
