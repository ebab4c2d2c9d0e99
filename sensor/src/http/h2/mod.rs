//! HTTP/2 (RFC 9113): with prior knowledge, agreed on in TLS (ALPN), or by `Upgrade: h2c`.
//!
//! `reader` (frames) -> `flow` (what they mean) -> `heads` (header blocks, by `hpack` and `fields`), `bodies` (DATA),
//! `control` (the rest) -> `ending` (exchanges told).
//!
//! A stream is an exchange. It is told when the server has ended it or either side has reset it; what the client sends
//! after that is passed over. Flow control is not followed: it decides when bytes are sent, not what they mean. Pushed
//! responses are decoded, since the table needs them, and told to nobody.
//!
//! Behind missing bytes frames are found again by what they look like. The tables of HPACK are not known from there on:
//! see [`hpack`]. Fields that are hidden are null, the exchange says so ([`Anomaly::HiddenFields`]) and is marked `gaps`.
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
