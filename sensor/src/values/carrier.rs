//! A message as a carrier of values.

/// The parts of a message that carry values. `H` yields names and values of headers, as sent.
#[derive(Clone, Copy)]
pub struct Carrier<'a, H> {
    /// The path as sent; empty for a response.
    pub path: &'a [u8],
    /// The query as sent, without its question mark.
    pub query: &'a [u8],
    /// The headers.
    pub headers: H,
    /// The `Content-Type` of the body.
    pub content_type: Option<&'a [u8]>,
    /// The body, decompressed.
    pub body: &'a [u8],
}
