//! Formats of bodies with credentials: forms, JSON, GraphQL, multipart forms, XML.

use aho_corasick::packed;
use memchr::memmem::{self, Finder};
use zeroize::Zeroizing;

use super::documents::Documents;
use super::fields::{Fields, Part, Role, Unit};
use super::graphql;
use super::json;
use super::lenient;
use super::xml;
pub(super) use crate::values::{Shape, decode};
use crate::values::{name_and_value, parts};

/// Maximum fields read of a form.
/// Servers read a thousand by default, and refuse or drop what is beyond (PHP's `max_input_vars`, Django's
/// `DATA_UPLOAD_MAX_NUMBER_FIELDS`, the parameter limit of Express).
const MAX_FIELDS: usize = 1_024;
/// Maximum parts read of a multipart form; as many as [`parts`] yields.
const MAX_PARTS: usize = 1_024;

impl Shape<'_> {
    /// Reads the fields of a body.
    pub(super) fn read(self, body: &[u8], fields: &mut Fields<'_>) {
        match self {
            Self::Form => form(body, 0, fields),
            Self::Json => read_json(body, fields),
            Self::GraphQl => {
                let text = Zeroizing::new(String::from_utf8_lossy(body).into_owned());
                let mut documents = Documents::default();
                documents.read(&text, 0, fields);
                documents.end(fields);
            }
            Self::Multipart(boundary) => multipart(body, boundary, fields),
            Self::Xml => xml::read(body, fields),
        }
    }
}

/// Finds the bodies that are worth reading: those that may have a password field or a login call.
pub(super) struct Hints {
    names: Option<packed::Searcher>,
    calls: Option<packed::Searcher>,
    escape: Finder<'static>,
}

/// Parts of password field names, without a first letter that may be a capital; at least three letters, which makes the
/// search fastest.
const NAMES: [&str; 29] = [
    "ass",
    "ASS",
    "pwd",
    "Pwd",
    "PWD",
    "psw",
    "Psw",
    "PSW",
    "ennwort",
    "enha",
    "ontrase",
    "otdepasse",
    "erident",
    "achtwoord",
    "osenord",
    "\u{f6}senord",
    "dgangskode",
    "odeord",
    "alasana",
    "aslo",
    "as\u{142}o",
    "eslo",
    "elszo",
    "elsz\u{f3}",
    "arol",
    "\u{430}\u{440}\u{43e}\u{43b}",
    "ifre",
    "ozinka",
    "secretKey",
];

/// Parts of the names of login calls, whose passwords are positional.
const CALLS: [&str; 6] = ["ogin", "ogon", "uthenticate", "ignin", "ignIn", "sign_in"];

impl Hints {
    /// Without SIMD there is no such search, and every body is read.
    pub(super) fn new() -> Self {
        Self {
            names: packed::Searcher::new(NAMES),
            calls: packed::Searcher::new(CALLS),
            escape: Finder::new(b"\\u"),
        }
    }

    /// Names may be escaped, which the server undoes but a search would miss.
    pub(super) fn find(&self, shape: Shape<'_>, body: &[u8]) -> bool {
        let is_escaped = match shape {
            Shape::Form => memchr::memchr(b'%', body).is_some(),
            Shape::Json => self.escape.find(body).is_some(),
            Shape::GraphQl | Shape::Multipart(_) | Shape::Xml => false,
        };
        let is_call = || {
            matches!(shape, Shape::Json | Shape::Xml) && has_position(body) && has(self.calls.as_ref(), body)
        };
        is_escaped || has(self.names.as_ref(), body) || is_call()
    }
}

fn has(names: Option<&packed::Searcher>, body: &[u8]) -> bool {
    names.is_none_or(|names| names.find(body).is_some())
}

/// Whether values may be positional.
fn has_position(body: &[u8]) -> bool {
    let names: [&[u8]; 4] = [b"params", b"\"args\"", b"arguments", b"param>"];
    names.iter().any(|name| memmem::find(body, name).is_some())
}

/// `application/x-www-form-urlencoded`, or a query.
pub(super) fn form(text: &[u8], depth: u8, fields: &mut Fields<'_>) {
    let mut decoded_name = Zeroizing::new(Vec::new());
    let mut decoded = Zeroizing::new(Vec::new());
    let mut rows = Rows::default();
    for pair in text.split(|byte| *byte == b'&').take(MAX_FIELDS) {
        let (name, value) = name_and_value(pair);
        let name = decode(name.trim_ascii(), &mut decoded_name);
        let role = fields.role(name);
        if role.is_none() && is_inner(name, value) {
            inner(name, decode(value.trim_ascii_start(), &mut decoded), depth, fields);
            continue;
        }
        if role.is_none() && !fields.wants_button() {
            continue;
        }
        let value = decode(value, &mut decoded);
        fields.note_button(name, value);
        let Some(role) = role else { continue };
        match rows.of(name, role) {
            Some(row) => {
                std::mem::swap(row, &mut fields.unit);
                fields.put(role, name, value, depth);
                std::mem::swap(row, &mut fields.unit);
            }
            None => fields.put(role, name, value, depth),
        }
    }
    if memchr::memchr_iter(b'&', text).nth(MAX_FIELDS.saturating_sub(1)).is_some() {
        fields.note_rest();
    }
    for row in rows.units {
        let outer = std::mem::replace(&mut fields.unit, row);
        fields.close(outer, Part::default());
    }
}

/// Whether a field may contain a document: JSON in a form field, or GraphQL by GET.
fn is_inner(name: &[u8], value: &[u8]) -> bool {
    let value = value.trim_ascii_start();
    value.starts_with(b"{") || value.starts_with(b"%7B") || value.starts_with(b"%7b") || name == b"query"
}

/// Reads a document in a field.
fn inner(name: &[u8], value: &[u8], depth: u8, fields: &mut Fields<'_>) {
    if value.trim_ascii_start().starts_with(b"{") && name != b"query" {
        // JSON in a query belongs to a search.
        if depth == 0 {
            read_json(value, fields);
        }
        return;
    }
    let text = Zeroizing::new(String::from_utf8_lossy(value).into_owned());
    if graphql::is_document(&text) {
        let mut documents = Documents::default();
        documents.read(&text, depth, fields);
        documents.end(fields);
    }
}

/// The rows of a form with arrays, such as `login[1][user]`, or repeated `user[]` and `password[]`.
#[derive(Default)]
struct Rows {
    units: Vec<Unit>,
    users: usize,
    secrets: usize,
}

/// Maximum rows of a form read separately; the rest count as one.
const MAX_ROWS: usize = 128;

impl Rows {
    /// The row that a name belongs to, if it is part of an array.
    fn of(&mut self, name: &[u8], role: Role) -> Option<&mut Unit> {
        let open = memchr::memchr(b'[', name)?;
        let number = if name.ends_with(b"[]") {
            let count = if role.is_user() { &mut self.users } else { &mut self.secrets };
            let number = *count;
            *count = count.saturating_add(usize::from(role.is_user() || role.is_secret()));
            number
        } else {
            let mut indices = name.get(open..)?.split(|byte| matches!(byte, b'[' | b']'));
            let digits = |part: &&[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
            let index = std::str::from_utf8(indices.find(digits)?).ok()?;
            index.parse().unwrap_or(usize::MAX)
        };
        let number = number.min(MAX_ROWS.saturating_sub(1));
        if self.units.len() <= number {
            self.units.resize(number.saturating_add(1), Unit::default());
        }
        self.units.get_mut(number)
    }
}

/// Decodes percent-encoding; invalid UTF-8 is read as lenient servers do.
fn read_json(body: &[u8], fields: &mut Fields<'_>) {
    let lossy =
        std::str::from_utf8(body).err().map(|_| Zeroizing::new(String::from_utf8_lossy(body).into_owned()));
    let body = lossy.as_ref().map_or(body, |text| text.as_bytes());
    let strict = lenient::strict(body);
    let body = strict.as_ref().map_or(body, |text| text.as_slice());
    let mut documents = Documents::default();
    json::walk(body, &mut |key, value, depth| documents.visit(key, value, depth, fields));
    documents.end(fields);
}

/// `multipart/form-data` (RFC 7578); files are skipped.
fn multipart(body: &[u8], boundary: &[u8], fields: &mut Fields<'_>) {
    if memmem::find_iter(body, boundary).nth(MAX_PARTS).is_some() {
        fields.note_rest();
    }
    for part in parts(body, boundary).filter(|part| part.file_name().is_none()) {
        let Some(name) = part.name() else { continue };
        if let Some(role) = fields.role(name) {
            fields.put(role, name, part.content, 0);
        } else if part.content.trim_ascii_start().starts_with(b"{") {
            // The operations of GraphQL with files, among others.
            read_json(part.content, fields);
        }
    }
}
