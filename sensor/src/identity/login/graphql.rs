//! GraphQL documents: operations, and the strings and variables in their arguments.

use std::mem;

use zeroize::Zeroizing;

use super::documents::Pending;
use super::fields::{Fields, Part, Role, Unit};
use super::place::{Purpose, purpose};
use super::places::hash;
use super::words::Words;
use crate::values::{GraphqlText, GraphqlToken as Token, graphql_tokens};

/// Maximum tokens read of a document: more than the kept part of a body has.
const MAX_TOKENS: usize = 16_384;

/// Depth of braces of an operation's fields.
const OPERATION_DEPTH: usize = 1;

/// Maximum fields whose values are in variables.
const MAX_PENDING: usize = 256;

/// Whether a text may be a GraphQL document.
pub(super) fn is_document(text: &str) -> bool {
    text.contains('{')
}

/// Reads a document, at a depth and in an element of a batch. Each field of its operations may be an attempt, also the
/// same field under several aliases.
pub(super) fn read(
    text: &str,
    (depth, element): (u8, u16),
    fields: &mut Fields<'_>,
    pending: &mut Vec<Pending>,
) {
    let mut reader = Reader {
        depth,
        element,
        fields,
        pending,
        braces: 0,
        parens: 0,
        name: b"",
        is_alias: false,
        open: None,
    };
    let mut tokens = graphql_tokens(text.as_bytes());
    for _ in 0..MAX_TOKENS {
        let Some(token) = tokens.next() else { break };
        match token {
            Token::Name(word) => reader.name(word, tokens.is_before(b':')),
            Token::Text(text) if text.is_closed => reader.text(&text),
            // The rest was not kept.
            Token::Text(_) => break,
            Token::Mark(b'$') => {
                // A variable: `$password` is not the name of an operation.
                let mut after = tokens;
                if let Some(Token::Name(variable)) = after.next() {
                    reader.variable(variable);
                    tokens = after;
                }
            }
            Token::Mark(mark) => reader.mark(mark),
        }
    }
    reader.close();
}

/// A field of the operation that is being read.
struct Open {
    outer: Unit,
    field: u64,
    variables: Vec<(u64, Role)>,
}

struct Reader<'r, 'f, 't> {
    depth: u8,
    element: u16,
    fields: &'r mut Fields<'f>,
    pending: &'r mut Vec<Pending>,
    braces: usize,
    parens: usize,
    /// The last name: that of an argument, where its value follows.
    name: &'t [u8],
    /// Whether the last name was an alias, so that the next one is its field's.
    is_alias: bool,
    open: Option<Open>,
}

impl<'t> Reader<'_, '_, 't> {
    fn name(&mut self, word: &'t [u8], is_followed: bool) {
        self.name = word;
        if self.braces > OPERATION_DEPTH {
            return;
        }
        if self.braces == OPERATION_DEPTH && self.parens == 0 {
            if !self.is_alias {
                self.close();
                let outer = self.fields.open();
                self.open = Some(Open { outer, field: hash(word), variables: Vec::new() });
            }
            self.is_alias = is_followed;
        }
        if !is_followed && let Some(said) = Words::of(word).and_then(|words| purpose(&words)) {
            self.say(said);
        }
    }

    /// Of what names say, that an account is made or a password is set counts before that one logs in.
    fn say(&mut self, said: Purpose) {
        if said == Purpose::Account || self.fields.unit.has_no_operation() {
            self.fields.put_operation(said);
        }
    }

    fn text(&mut self, text: &GraphqlText<'_>) {
        if let Some(role) = self.fields.role(self.name) {
            self.fields.put(role, self.name, unquoted(text).as_bytes(), self.depth);
        }
    }

    fn variable(&mut self, variable: &[u8]) {
        let Some(open) = self.open.as_mut().filter(|_| self.parens > 0) else { return };
        if let Some(role) = self.fields.role(self.name)
            && (role.is_user() || role.is_secret())
            && open.variables.len() < 4
        {
            open.variables.push((hash(variable), role));
        }
    }

    const fn mark(&mut self, mark: u8) {
        match mark {
            b'{' => self.braces = self.braces.saturating_add(1),
            b'}' => self.braces = self.braces.saturating_sub(1),
            b'(' => self.parens = self.parens.saturating_add(1),
            b')' => self.parens = self.parens.saturating_sub(1),
            _ => {}
        }
    }

    /// Ends the field that is being read.
    fn close(&mut self) {
        let Some(Open { outer, field, variables }) = self.open.take() else { return };
        let has_secret = variables.iter().any(|(_, role)| role.is_secret());
        if has_secret && !self.fields.unit.has_secret() && self.pending.len() < MAX_PENDING {
            let unit = mem::replace(&mut self.fields.unit, outer);
            self.fields.put_purpose_of(unit);
            self.pending.push(Pending { unit, field, variables });
        } else {
            self.fields.close(outer, Part { element: self.element, field: Some(field) });
        }
    }
}

/// The escapes of GraphQL (section 2.9.4 of its specification of October 2021) are those of JSON.
fn unquoted(text: &GraphqlText<'_>) -> Zeroizing<String> {
    let plain = || String::from_utf8_lossy(text.inner).into_owned();
    if text.is_block || !text.inner.contains(&b'\\') {
        return Zeroizing::new(plain());
    }
    let quoted = Zeroizing::new([&b"\""[..], text.inner, b"\""].concat());
    Zeroizing::new(serde_json::from_slice(&quoted).unwrap_or_else(|_| plain()))
}
