//! The tokens of GraphQL documents, read leniently, and the texts in their arguments.

use super::place::Place;
use super::walk::{Value, Walk};

/// Whether a member of JSON, or a field of a form, holds a GraphQL document.
pub(super) fn is_document_of(name: &[u8], text: &[u8]) -> bool {
    (name == b"query" || name.ends_with(b".query")) && text.contains(&b'{') && text.contains(&b'}')
}

/// Visits the strings of a document, each with the name of its argument, and the whole text if it has bytes that
/// GraphQL does not allow outside strings: otherwise braces would hide an attack on a field of that name.
pub(super) fn walk(walk: &mut Walk<'_>, value: Value<'_>) {
    let (mut last, mut argument): (&[u8], &[u8]) = (b"", b"");
    let mut is_document = true;
    for token in tokens(value.text) {
        match token {
            Token::Name(word) => (last, argument) = (word, b""),
            Token::Mark(b':') => argument = last,
            Token::Mark(mark) => {
                is_document &= is_of_document(&mark);
                (last, argument) = (b"", b"");
            }
            Token::Text(text) => {
                let mut buffer = walk.buffers().take();
                unescape(text.inner, &mut buffer);
                let value = Value { place: Place::Graphql, name: argument, text: &buffer, ..value };
                walk.value(Value { is_scalar: false, is_name: false, ..value }, 1);
                walk.buffers().give(buffer);
                (last, argument) = (b"", b"");
            }
        }
    }
    if !is_document {
        walk.tell(value);
    }
}

/// A token of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'t> {
    /// A name or a number.
    Name(&'t [u8]),
    /// A string.
    Text(Text<'t>),
    /// Anything else; of a comment and of non-ASCII text the first byte.
    Mark(u8),
}

/// A string or block string (section 2.9.4 of the specification of October 2021).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text<'t> {
    /// What is between its quotes; to the end of the document if it is not closed.
    pub inner: &'t [u8],
    /// Whether it ends.
    pub is_closed: bool,
    /// Whether it has three quotes, and no escapes.
    pub is_block: bool,
}

/// The tokens of a document, whatever it is.
pub fn tokens(text: &[u8]) -> Tokens<'_> {
    Tokens { rest: text }
}

/// Reads tokens.
#[derive(Clone, Copy, Debug)]
pub struct Tokens<'t> {
    rest: &'t [u8],
}

impl Tokens<'_> {
    /// Whether the next token is this mark.
    #[must_use]
    pub fn is_before(&self, mark: u8) -> bool {
        self.rest.trim_ascii_start().first() == Some(&mark)
    }
}

impl<'t> Iterator for Tokens<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        let is_blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == b',';
        let blank = self.rest.iter().take_while(|byte| is_blank(byte)).count();
        let rest = self.rest.get(blank..)?;
        let first = *rest.first()?;
        let run = |holds: fn(&u8) -> bool| rest.iter().take_while(|byte| holds(byte)).count();
        let (token, length) = match first {
            b'"' => text(rest),
            b'#' => (Token::Mark(first), run(|byte| !matches!(byte, b'\n' | b'\r'))),
            0x80.. => (Token::Mark(first), run(|byte| !byte.is_ascii())),
            _ if is_of_name(&first) => {
                let length = run(is_of_name);
                (Token::Name(rest.get(..length).unwrap_or_default()), length)
            }
            _ => (Token::Mark(first), 1),
        };
        self.rest = rest.get(length..).unwrap_or_default();
        Some(token)
    }
}

const fn is_of_name(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte == b'_'
}

/// Whether a byte is allowed outside strings (section 2.1 of the specification), except in comments.
const fn is_of_document(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric()
        || byte.is_ascii_whitespace()
        || matches!(
            byte,
            b'_' | b'{'
                | b'}'
                | b'('
                | b')'
                | b'['
                | b']'
                | b':'
                | b'!'
                | b'$'
                | b'@'
                | b','
                | b'.'
                | b'='
                | b'|'
                | b'&'
                | b'-'
        )
}

/// The string that begins a text, and its length with quotes.
fn text(text: &[u8]) -> (Token<'_>, usize) {
    if let Some(block) = text.strip_prefix(b"\"\"\"") {
        let end = memchr::memmem::find(block, b"\"\"\"");
        let inner = block.get(..end.unwrap_or(block.len())).unwrap_or_default();
        let text = Text { inner, is_closed: end.is_some(), is_block: true };
        return (Token::Text(text), inner.len().saturating_add(6));
    }
    let rest = text.get(1..).unwrap_or_default();
    let mut is_escaped = false;
    let end = rest.iter().position(|byte| {
        let ends = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        ends
    });
    let inner = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
    let text = Text { inner, is_closed: end.is_some(), is_block: false };
    (Token::Text(text), inner.len().saturating_add(2))
}

/// Resolves quotes, slashes, backslashes and line feeds; the normal form resolves other escapes.
fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = match after {
            [byte @ (b'"' | b'\\' | b'/'), after @ ..] if *first == b'\\' => (*byte, after),
            [b'n', after @ ..] if *first == b'\\' => (b'\n', after),
            _ => (*first, after),
        };
        out.push(byte);
        rest = after;
    }
}
