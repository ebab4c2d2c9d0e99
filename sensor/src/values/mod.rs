//! What a request or a response carries: one walk over its values.
//!
//! A [`Carrier`] is a message as this room sees it: path, query, headers, body. [`Walk::all`] tells each value in it
//! with its place and the name of its field, decoded once as its place is encoded: percent and plus in queries and
//! forms, escapes in JSON. Values that hold other values (JSON, URLs, forms, base64) are taken apart, up to
//! [`Limits::depth`] times. Bodies are read as their `Content-Type` says, and as they look where that says too little.
//!
//! Architecture invariants: nothing is allocated for a message without values; buffers are kept for the next message;
//! the number of values, their depth and the bytes read are bounded by [`Limits`], and what was left out is told by
//! [`Told::cut`]. Values are secrets: nothing here prints, hashes or keeps one.

mod body;
mod buffers;
mod carrier;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod graphql;
mod json;
mod multipart;
mod nested;
mod pairs;
mod percent;
mod place;
#[cfg(test)]
mod tests;
mod walk;
mod xml;

pub use body::{Shape, parameter};
pub use buffers::Buffers;
pub use carrier::Carrier;
pub use multipart::{Part, parts};
pub use nested::base64;
pub use pairs::name_and_value;
pub use percent::{decode, hex_pair};
pub use place::Place;
pub use walk::{Limits, Told, Value, Walk, Wraps};
pub use xml::{attributes, elements};
