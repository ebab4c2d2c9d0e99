//! HTTP/1.0 and 1.1 (and what can be said of 0.9).
//!
//! `engine` (what a call means in which phase) -> `reader` (heads) and `crate::http::body` (bodies) -> `pairing`
//! (which response answers which request).

pub(super) mod chunked;
pub(super) mod engine;
pub(super) mod half;
mod head;
pub(super) mod lenient;
mod pairing;
mod reader;
mod start_line;
pub(super) mod unfinished;
