//! Answers that help to guess a schema.

/// What servers say before the names of fields that exist (graphql-js and libraries that follow it).
const HINTS: [&[u8]; 2] = [b"Did you mean ", b"did you mean "];
/// What they say it about.
const ABOUT: [&[u8]; 6] = [
    b"Cannot query field",
    b"Unknown argument",
    b"Unknown type",
    b"is not defined by type",
    b"does not exist in",
    b"Field '",
];

/// Whether an answer names fields, arguments or types that are like those that were asked for.
pub(crate) fn suggests_fields(body: &[u8]) -> bool {
    let has = |needle: &[u8]| memchr::memmem::find(body, needle).is_some();
    HINTS.iter().any(|hint| has(hint)) && ABOUT.iter().any(|about| has(about))
}
