//! HTTP/1.0 and 1.1, and 0.9 as far as possible.
//!
//! `engine` (dispatch by phase) -> `reader` (heads) and `crate::http::body` (bodies) -> `pairing` (which response answers
//! which request).

pub(super) mod chunked;
pub(super) mod engine;
pub(super) mod half;
pub(super) mod head;
pub(super) mod lenient;
mod pairing;
mod reader;
mod start_line;
pub(super) mod unfinished;
