//! HTTP/1.0 and 1.1 (and what can be said of 0.9): bytes of both sides of a connection in, exchanges out.
//!
//! Data flows `engine` (what a call means in which phase) -> `reader` (heads) and `body` (bodies) -> `pairing`
//! (which response answers which request) -> [`Sink`].
//!
//! Messages that break the grammar are read on as far as there is one reading to follow, each breach a named
//! [`Anomaly`]; which reading is followed where servers disagree is told in `body`. What is missing from the
//! stream is never guessed: see `pairing` for what holds of the exchanges around it.
//!
//! Architecture invariant: no clock is read, nothing is allocated for a usual exchange, and a connection
//! without an exchange under way holds nothing but its [`State`].

mod anomaly;
mod body;
mod chunked;
mod config;
mod connection;
mod counters;
mod decode;
mod engine;
mod exchange;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod head;
mod header;
mod inflation;
mod lenient;
mod message;
mod pairing;
mod pool;
mod preamble;
mod proxy_protocol;
mod reader;
mod start_line;
mod target;
#[cfg(test)]
mod tests;
mod unfinished;

pub use anomaly::{Anomalies, Anomaly};
pub use config::Config;
pub use connection::State;
pub use counters::Counters;
pub use decode::Decoding;
pub use engine::Http;
pub use exchange::{Connection, Exchange, Sink};
pub use message::{Message, Request, Response};
pub use proxy_protocol::ProxyHeader;
pub use start_line::{Method, Version};
pub use unfinished::{Unfinished, UnfinishedPart};
