//! The values that a request or response carries, visited in one walk.
//!
//! A [`Carrier`] is a message as this room sees it: path, query, headers, body. [`Walk::all`] visits each value with its
//! place and the name of its field, decoded once according to its place: percent and plus in queries and forms, escapes
//! in JSON. Values that contain other values (JSON, URLs, forms, base64) are unpacked, up to [`Limits::depth`] times.
//! Bodies are parsed according to their `Content-Type`, or their first bytes if that is inconclusive.
//!
//! Architecture invariants: a message without values causes no allocation; buffers are reused for the next message; the
//! number of values, their depth and the bytes read are bounded by [`Limits`], and [`Told::cut`] shows that something
//! was left out. Values are secrets: nothing here prints, hashes or keeps one.

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
pub use graphql::{
    Text as GraphqlText, Token as GraphqlToken, Tokens as GraphqlTokens, tokens as graphql_tokens,
};
pub use multipart::{Part, parts};
pub use nested::base64;
pub use pairs::name_and_value;
pub use percent::{decode, hex_pair};
pub use place::Place;
pub use walk::{Limits, Told, Value, Visit, Walk, Wraps};
pub use xml::{attributes, elements};
