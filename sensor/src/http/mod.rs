//! HTTP: bytes of both sides of a connection in, exchanges out, whatever version they were in.
//!
//! `engine` is the protocol that the stream room calls. `h1` reads HTTP/1.0 and 1.1 (and what can be said of 0.9), `h2`
//! HTTP/2; both hand version-neutral [`Message`]s, paired as [`Exchange`]s, to the [`Sink`]. `grpc` counts what gRPC
//! carries in bodies, `websocket` what follows an upgrade.
//!
//! Messages that break the grammar are read on as far as there is one reading to follow, each breach a named
//! [`Anomaly`]; which reading is followed where servers disagree is told in `body`. What is missing from the
//! stream is never guessed: see `h1::pairing` for what holds of the exchanges around it.
//!
//! Architecture invariant: no clock is read, nothing is allocated for a usual exchange, and a connection
//! without an exchange under way holds nothing but its [`State`].

mod anomaly;
mod body;
mod config;
mod connection;
mod counters;
mod decode;
mod elsewhere;
mod engine;
mod exchange;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod grpc;
mod h1;
mod h2;
mod header;
mod inflation;
mod message;
mod method;
mod pool;
mod preamble;
mod proxy_protocol;
mod recorded;
mod target;
#[cfg(test)]
mod tests;
mod websocket;

pub use anomaly::{Anomalies, Anomaly};
pub use config::Config;
pub use connection::State;
pub use counters::Counters;
pub use decode::Decoding;
pub use engine::Http;
pub use exchange::{Connection, Exchange, Sink};
pub use grpc::{Grpc, Messages};
pub use h1::unfinished::{Unfinished, UnfinishedPart};
pub use h2::Abuse;
pub use message::{Message, Request, Response};
pub use method::{Method, Version};
pub use proxy_protocol::ProxyHeader;
pub use websocket::{Sent, WebSocket};
