//! GraphQL documents of requests: in the member `query` of a JSON object or of a batch, as `application/graphql`, or in a query
//! parameter.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Tell, finding};
use crate::http::Request;
use crate::inspect::Kind;
use crate::inspect::graphql::{Measures, Unread, measure};
use crate::values::{Place, decode};

/// Maximum tokens read per document. Those of ordinary clients have some hundred.
const MAX_TOKENS: u32 = 20_000;
/// Maximum requests read per batch; the rest are counted.
const MAX_BATCH: usize = 64;

/// What a GraphQL request asks for: for a batch the sums, and the maximum depth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Requests in it.
    pub batch: u32,
    /// Tokens.
    pub tokens: u32,
    /// Depth of nested fields.
    pub depth: u32,
    /// Fields, including those of fragments.
    pub fields: u64,
    /// Aliases, including those of fragments.
    pub aliases: u64,
    /// Directives.
    pub directives: u32,
    /// Fields, multiplied by the requested sizes of lists.
    pub cost: u64,
    /// A fragment spreads itself.
    pub has_cycle: bool,
    /// It queries the schema.
    pub introspects: bool,
    /// It exceeds the bounds of the reader.
    pub is_beyond: bool,
}

/// One request in GraphQL over HTTP.
#[derive(Deserialize)]
struct One<'a> {
    #[serde(borrow)]
    query: Option<&'a RawValue>,
    #[serde(borrow)]
    variables: Option<&'a RawValue>,
}

/// The documents of a request.
pub(super) fn read(
    request: Request<'_>,
    query: Option<&[u8]>,
    body: &[u8],
    tell: &mut Tell<'_>,
) -> Option<Document> {
    if body.is_empty() && query.is_none() {
        return None;
    }
    let mut document = Document::default();
    let first = body.trim_ascii_start().first().copied();
    let kind = request.content_type().unwrap_or_default();
    if kind.starts_with(b"application/graphql") && !matches!(first, Some(b'[')) && !is_json(body) {
        document.add(std::str::from_utf8(body).ok()?, &|_| None);
    } else if matches!(first, Some(b'{' | b'[')) && memchr::memmem::find(body, b"\"query\"").is_some() {
        document.json(body);
    } else if body.is_empty()
        && let Some(query) = query.filter(|query| memchr::memmem::find(query, b"query=").is_some())
    {
        document.parameter(query);
    }
    if document.batch == 0 {
        return None;
    }
    document.say(tell);
    Some(document)
}

fn is_json(body: &[u8]) -> bool {
    matches!(body.trim_ascii_start(), [b'{', rest @ ..] if rest.trim_ascii_start().starts_with(b"\""))
}

impl Document {
    fn json(&mut self, body: &[u8]) {
        // Serde would read a list as an object without names.
        let is_one = body.trim_ascii_start().starts_with(b"{");
        if is_one && let Ok(one) = serde_json::from_slice::<One<'_>>(body) {
            self.one(&one);
        } else if !is_one && let Ok(all) = serde_json::from_slice::<Vec<One<'_>>>(body) {
            all.iter().take(MAX_BATCH).for_each(|one| self.one(one));
            let more = u32::try_from(all.len().saturating_sub(MAX_BATCH)).unwrap_or(u32::MAX);
            if self.batch > 0 {
                self.batch = self.batch.saturating_add(more);
            }
        }
    }

    fn one(&mut self, one: &One<'_>) {
        let Some(query) = one.query.map(RawValue::get).filter(|query| query.starts_with('"')) else { return };
        let Ok(text) = serde_json::from_str::<Cow<'_, str>>(query) else { return };
        if !is_document(&text) {
            return;
        }
        // Most documents have no variables for the size of a list.
        let raw = one.variables.map(RawValue::get).unwrap_or_default();
        let numbers: BTreeMap<Cow<'_, str>, &RawValue> = match text.contains('$') && raw.len() < 4_096 {
            true => serde_json::from_str(raw).unwrap_or_default(),
            false => BTreeMap::new(),
        };
        self.add(&text, &|name| numbers.get(name)?.get().parse().ok());
    }

    fn parameter(&mut self, query: &[u8]) {
        for pair in query.split(|byte| *byte == b'&').take(16) {
            if let Some(value) = pair.strip_prefix(b"query=") {
                let mut room = Vec::new();
                if let Ok(text) = std::str::from_utf8(decode(value, &mut room))
                    && is_document(text)
                {
                    self.add(text, &|_| None);
                }
            }
        }
    }

    fn add(&mut self, text: &str, variables: &dyn Fn(&str) -> Option<u64>) {
        let Measures {
            tokens, depth, fields, aliases, directives, cost, has_cycle, introspects, unread, ..
        } = measure(text, variables, MAX_TOKENS);
        if matches!(unread, Some(Unread::Syntax | Unread::TypeSystem)) {
            return;
        }
        self.batch = self.batch.saturating_add(1);
        self.tokens = self.tokens.saturating_add(tokens);
        self.depth = self.depth.max(depth);
        self.fields = self.fields.saturating_add(fields);
        self.aliases = self.aliases.saturating_add(aliases);
        self.directives = self.directives.saturating_add(directives);
        self.cost = self.cost.saturating_add(cost);
        self.has_cycle |= has_cycle;
        self.introspects |= introspects;
        self.is_beyond |= unread == Some(Unread::Bounds);
    }

    /// Reports what is wrong with it, whoever sends it.
    fn say(&self, tell: &mut Tell<'_>) {
        let mut say = |rule, sure| tell(finding(Kind::Graphql, "document", rule, Place::Graphql, b"", sure));
        if self.has_cycle {
            say("cycle", 100);
        }
        if self.is_beyond {
            say("beyond-bounds", 95);
        }
        if self.introspects {
            say("introspection", 100);
        }
    }
}

/// Whether a text may be a document: other APIs also have members of that name.
fn is_document(text: &str) -> bool {
    let text = text.trim_start();
    let starts = ["{", "query", "mutation", "subscription", "fragment", "#"];
    text.contains('{') && starts.iter().any(|start| text.starts_with(start))
}
