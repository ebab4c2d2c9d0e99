//! TLS, decrypted alongside the server: bytes of both sides of a connection in, their contents out.
//!
//! ```text
//! stream -> Tls         a connection whose first byte is no TLS record's is handed on as it is
//!            |
//!            v
//!        handshake      hellos: random values, transcript hash, facts; bytes after them wait for the secret
//!            |  <------ secrets   from key logs and from the servers' libraries, by random value or transcript hash
//!            v
//!          flow         records, decryption, holes and the way back from them
//!            |
//!            v
//!       Application     the same calls as of the stream, with what was inside
//! ```
//!
//! The keys of the handshake itself are not needed: a record that opens under the first application key ends it,
//! however much of the certificates was left out.
//!
//! Architecture invariant: no clock, no input or output. Decrypted data is never kept here, and secrets only as far as
//! the connection still needs them. An idle connection holds no record and no expanded key.

mod cache;
mod config;
mod counters;
mod cursor;
mod early;
mod engine;
mod facts;
mod flow;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod handshake;
mod hello;
mod holes;
mod ja4;
mod keys;
mod record;
mod schedule;
mod secrets;
mod session;
mod suite;
#[cfg(test)]
mod tests;
mod waiting;

pub use config::Config;
pub use counters::{Counters, Outcome, PortCounts};
pub use engine::{Application, State, Tls};
pub use facts::{Facts, TlsVersion};
pub use ja4::Ja4;
