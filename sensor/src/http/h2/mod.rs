//! HTTP/2 (RFC 9113): with prior knowledge, by ALPN in TLS, or by `Upgrade: h2c`.
//!
//! `reader` (frames) -> `flow` (what they mean) -> `heads` (header blocks, by `hpack` and `fields`), `bodies` (DATA),
//! `control` (the rest) -> `ending` (exchanges emitted).
//!
//! A stream is an exchange, emitted when the server has ended it or either side has reset it; anything the client sends
//! after that is skipped. Flow control is not followed: it affects when bytes are sent, not what they mean. Pushed
//! responses are decoded to keep the table in step, and dropped.
//!
//! After missing bytes, the next frame is found by its appearance. From there on HPACK's table is incomplete: see
//! [`hpack`]. Hidden fields are null; the exchange has [`Anomaly::HiddenFields`] and is marked `gaps`.
//!
//! [`Anomaly::HiddenFields`]: super::Anomaly::HiddenFields

mod abuse;
mod bodies;
mod conn;
mod control;
mod ending;
mod fields;
mod flow;
pub(super) mod frame;
mod heads;
mod hpack;
mod reader;
mod streams;
#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "fuzzing"))]
pub(super) use hpack::fuzz as fuzz_hpack;

pub use abuse::Abuse;
pub(super) use conn::Conn;
pub(super) use flow::Flow;
