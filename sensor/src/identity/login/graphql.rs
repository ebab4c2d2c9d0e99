//! GraphQL documents: operations, and the strings and variables in their arguments.

use std::mem;

use zeroize::Zeroizing;

use super::documents::Pending;
use super::fields::{Fields, Part, Role, Unit};
use super::place::{Purpose, purpose};
use super::places::hash;
use super::words::Words;

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
        name: "",
        is_alias: false,
        open: None,
    };
    let mut rest = text;
    for _ in 0..MAX_TOKENS {
        let Some((token, after)) = next(rest) else { break };
        rest = after;
        match token {
            Token::Name(word) => reader.name(word, after),
            Token::Text(quoted) => reader.text(quoted),
            Token::Mark('$') => {
                // A variable: `$password` is not the name of an operation.
                if let Some((Token::Name(variable), after)) = next(rest) {
                    reader.variable(variable);
                    rest = after;
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
    name: &'t str,
    /// Whether the last name was an alias, so that the next one is its field's.
    is_alias: bool,
    open: Option<Open>,
}

impl<'t> Reader<'_, '_, 't> {
    fn name(&mut self, word: &'t str, after: &str) {
        self.name = word;
        if self.braces > OPERATION_DEPTH {
            return;
        }
        let is_followed = after.trim_ascii_start().starts_with(':');
        if self.braces == OPERATION_DEPTH && self.parens == 0 {
            if !self.is_alias {
                self.close();
                let outer = self.fields.open();
                self.open = Some(Open { outer, field: hash(word.as_bytes()), variables: Vec::new() });
            }
            self.is_alias = is_followed;
        }
        if !is_followed && let Some(said) = Words::of(word.as_bytes()).and_then(|words| purpose(&words)) {
            self.say(said);
        }
    }

    /// Of what names say, that an account is made or a password is set counts before that one logs in.
    fn say(&mut self, said: Purpose) {
        if said == Purpose::Account || self.fields.unit.has_no_operation() {
            self.fields.put_operation(said);
        }
    }

    fn text(&mut self, quoted: &str) {
        if let Some(role) = self.fields.role(self.name.as_bytes()) {
            let text = unquoted(quoted);
            self.fields.put(role, self.name.as_bytes(), text.as_bytes(), self.depth);
        }
    }

    fn variable(&mut self, variable: &str) {
        let Some(open) = self.open.as_mut().filter(|_| self.parens > 0) else { return };
        if let Some(role) = self.fields.role(self.name.as_bytes())
            && (role.is_user() || role.is_secret())
            && open.variables.len() < 4
        {
            open.variables.push((hash(variable.as_bytes()), role));
        }
    }

    const fn mark(&mut self, mark: char) {
        match mark {
            '{' => self.braces = self.braces.saturating_add(1),
            '}' => self.braces = self.braces.saturating_sub(1),
            '(' => self.parens = self.parens.saturating_add(1),
            ')' => self.parens = self.parens.saturating_sub(1),
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

enum Token<'t> {
    Name(&'t str),
    /// With its quotes.
    Text(&'t str),
    Mark(char),
}

fn next(text: &str) -> Option<(Token<'_>, &str)> {
    let text = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
    let first = text.chars().next()?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if is_name(first) {
        let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
        let (name, rest) = text.split_at_checked(end)?;
        return Some((Token::Name(name), rest));
    }
    let rest = text.get(first.len_utf8()..)?;
    if first == '#' {
        // A comment, up to the end of its line.
        let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
        return Some((Token::Mark('#'), rest.get(end..)?));
    }
    if first != '"' {
        return Some((Token::Mark(first), rest));
    }
    if let Some(block) = rest.strip_prefix("\"\"") {
        let end = block.find("\"\"\"")?;
        let (quoted, rest) = block.split_at_checked(end)?;
        return Some((Token::Text(quoted), rest.get(3..)?));
    }
    let mut is_escaped = false;
    let end = rest.find(|c| {
        let ends = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends
    })?;
    let (quoted, rest) = text.split_at_checked(end.checked_add(2)?)?;
    Some((Token::Text(quoted), rest))
}

/// The escapes of GraphQL (section 2.9.4 of its specification of October 2021) are those of JSON.
fn unquoted(quoted: &str) -> Zeroizing<String> {
    let text = if quoted.contains('\\') { serde_json::from_str(quoted).ok() } else { None };
    Zeroizing::new(text.unwrap_or_else(|| quoted.trim_matches('"').to_owned()))
}
