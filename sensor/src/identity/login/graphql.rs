//! GraphQL documents: which operation, and the strings that stand in its text.

use zeroize::Zeroizing;

use super::fields::Fields;
use super::place::{Purpose, purpose};
use super::words::Words;

/// Names and strings of a document that are looked at.
const MAX_TOKENS: usize = 512;

/// Depth of braces at which the fields of the operation stand.
const OPERATION_DEPTH: usize = 1;

/// Whether a text may be a GraphQL document.
pub(super) fn is_document(text: &str) -> bool {
    text.contains('{')
}

/// Reads a document. Of its operations one that makes accounts or sets passwords counts before one that logs in.
pub(super) fn read(text: &str, depth: u8, fields: &mut Fields<'_>) {
    let mut found = None;
    let mut braces = 0_usize;
    let mut name = "";
    let mut rest = text;
    for _ in 0..MAX_TOKENS {
        let Some((token, after)) = next(rest) else { break };
        rest = after;
        match token {
            Token::Name(word) => {
                name = word;
                if braces <= OPERATION_DEPTH && !after.trim_ascii_start().starts_with(':') {
                    let said = Words::of(word.as_bytes()).and_then(|words| purpose(&words));
                    found = stronger(found, said);
                }
            }
            Token::Text(quoted) => {
                if let Some(role) = fields.role(name.as_bytes()) {
                    let text = unquoted(quoted);
                    fields.put(role, name.as_bytes(), text.as_bytes(), depth);
                }
            }
            Token::Mark('{') => braces = braces.saturating_add(1),
            Token::Mark('}') => braces = braces.saturating_sub(1),
            // Variables: `$password` is not the name of an operation.
            Token::Mark('$') => rest = next(rest).map_or(rest, |(_, after)| after),
            Token::Mark(_) => {}
        }
    }
    if let Some(purpose) = found {
        fields.put_operation(purpose);
    }
}

/// The one that counts of what two names say.
fn stronger(one: Option<Purpose>, other: Option<Purpose>) -> Option<Purpose> {
    if other == Some(Purpose::Account) { other } else { one.or(other) }
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
    if first != '"' {
        return Some((Token::Mark(first), rest));
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
