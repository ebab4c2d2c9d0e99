//! Responses that help to guess a schema.

/// Texts before the names of existing fields (graphql-js and libraries modelled on it).
const HINTS: [&[u8]; 2] = [b"Did you mean ", b"did you mean "];
/// Errors that come with such suggestions.
const ABOUT: [&[u8]; 6] = [
    b"Cannot query field",
    b"Unknown argument",
    b"Unknown type",
    b"is not defined by type",
    b"does not exist in",
    b"Field '",
];

/// Whether a response suggests fields, arguments or types similar to those requested.
pub(crate) fn suggests_fields(body: &[u8]) -> bool {
    let has = |needle: &[u8]| memchr::memmem::find(body, needle).is_some();
    HINTS.iter().any(|hint| has(hint)) && ABOUT.iter().any(|about| has(about))
}
