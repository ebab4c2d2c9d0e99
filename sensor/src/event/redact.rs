//! What records show of the text that clients sent.
//!
//! Architecture invariant: nothing is hashed or allocated until somebody writes a record. Detectors see the original
//! text; all output goes through this file.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::identity::{Key, Pseudonyms};
use crate::route::{self, Secret};

/// How paths are recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paths {
    /// Segments that look like secrets are replaced by keyed hashes.
    #[default]
    Redacted,
    /// As sent, except for path parameters.
    Raw,
}

/// Replaces secrets, with the key of an installation.
#[derive(Debug)]
pub struct Redactor {
    paths: Paths,
    pseudonyms: Pseudonyms,
}

impl Redactor {
    /// The redactor of an installation.
    #[must_use]
    pub fn new(paths: Paths, key: &Key) -> Self {
        Self { paths, pseudonyms: Pseudonyms::new(key) }
    }
}

/// `{token:1a2b3c4d5e6f7788}`; without a key, without the hash.
fn placeholder(kind: Secret, text: &str, redactor: Option<&Redactor>) -> String {
    let label = kind.label();
    let parts = || std::iter::once(text.as_bytes());
    redactor.map_or_else(
        || format!("{{{label}}}"),
        |redactor| format!("{{{label}:{:016x}}}", redactor.pseudonyms.of(label, parts())),
    )
}

/// A path without path parameters, its secrets replaced.
pub(super) fn path<'p>(path: &'p str, redactor: Option<&Redactor>) -> Cow<'p, str> {
    let is_raw = redactor.is_some_and(|redactor| redactor.paths == Paths::Raw);
    let mut out: Option<String> = None;
    let mut start = 0_usize;
    let mut before = "";
    for segment in path.split('/') {
        let bare = without_parameters(segment);
        let secret = if is_raw { None } else { route::secret_behind(before.as_bytes(), bare.as_bytes()) };
        before = bare;
        if out.is_none() && (secret.is_some() || bare.len() < segment.len()) {
            out = path.get(..start).map(str::to_owned);
        }
        if let Some(out) = &mut out {
            match secret {
                Some(kind) => out.push_str(&placeholder(kind, bare, redactor)),
                None => out.push_str(bare),
            }
            out.push('/');
        }
        start = start.saturating_add(segment.len()).saturating_add(1);
    }
    match out {
        None => Cow::Borrowed(path),
        Some(mut out) => {
            out.pop();
            Cow::Owned(out)
        }
    }
}

/// The part before `;name=value` (RFC 3986, section 3.3). A bare semicolon, as in `..;`, stays: it is a way to mislead
/// servers.
fn without_parameters(segment: &str) -> &str {
    match segment.split_once(';') {
        Some((bare, rest)) if !rest.is_empty() => bare,
        _ => segment,
    }
}

/// The keyed hash of the identifiers in a path: of the path up to the last segment that its template leaves open, or
/// that looks like an identifier. `None` if there is no such segment.
pub(super) fn object(path: &[u8], route: Option<&str>, redactor: &Redactor) -> Option<u64> {
    let template = route.unwrap_or_default().as_bytes().split(|byte| *byte == b'/');
    let mut template = template.filter(|segment| !segment.is_empty());
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut named = 0_usize;
    for segment in path.split(|byte| *byte == b'/') {
        let bare = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        if bare.is_empty() || bare == b"." {
            continue;
        }
        segments.push(bare);
        if template.next().is_some_and(is_open) || route::identifies(bare) {
            named = segments.len();
        }
    }
    let named = segments.get(..named).filter(|named| !named.is_empty())?;
    Some(redactor.pseudonyms.of("object", named.iter().copied()))
}

/// Whether a segment of a template is a document's number: `{id}.pdf`. Pictures and the like are parts of pages.
pub(crate) fn is_document(segment: &[u8]) -> bool {
    let rest = segment.strip_prefix(b"{id}.").or_else(|| segment.strip_prefix(b"{uuid}."));
    rest.is_some_and(|extension| {
        matches!(
            extension,
            b"pdf"
                | b"json"
                | b"xml"
                | b"csv"
                | b"txt"
                | b"html"
                | b"htm"
                | b"doc"
                | b"docx"
                | b"xls"
                | b"xlsx"
                | b"odt"
                | b"ods"
                | b"ppt"
                | b"pptx"
                | b"rtf"
                | b"zip"
                | b"eml"
                | b"ics"
                | b"vcf"
                | b"sql"
                | b"bak"
        )
    })
}

/// Whether a segment of a template identifies objects. Dates do not; parts of file names belong to assets; paths
/// without a template are unknown.
fn is_open(segment: &[u8]) -> bool {
    is_document(segment)
        || segment.first() == Some(&b'{')
            && segment.last() == Some(&b'}')
            && !matches!(segment, b"{date}" | b"{other}" | b"{...}")
}

/// Longest host (RFC 1035, section 2.3.4, and a port), and longest `User-Agent` shown.
const HOST: usize = 261;
const AGENT: usize = 512;

/// Host and port: no user information, and no label that looks like a secret. `None` if it contains a byte that no host
/// has: then it may be anything.
pub(super) fn host<'h>(host: &'h str, redactor: Option<&Redactor>) -> Option<Cow<'h, str>> {
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let end = if host.starts_with('[') {
        host.find(']')?.saturating_add(1)
    } else {
        host.find(':').unwrap_or(host.len())
    };
    let (name, port) = host.split_at_checked(end)?;
    let is_port = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|digits| digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit()));
    if !is_port || host.len() > HOST {
        return None;
    }
    if let Some(address) = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        let is_address = address.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte));
        return is_address.then_some(Cow::Borrowed(host));
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
        return None;
    }
    if name.split('.').all(|label| route::secret(label.as_bytes()).is_none()) {
        return Some(Cow::Borrowed(host));
    }
    let labels: Vec<Cow<'_, str>> = name.split('.').map(|label| part(label, redactor)).collect();
    Some(Cow::Owned(format!("{}{port}", labels.join("."))))
}

fn part<'t>(text: &'t str, redactor: Option<&Redactor>) -> Cow<'t, str> {
    match route::secret(text.as_bytes()) {
        None => Cow::Borrowed(text),
        Some(kind) => Cow::Owned(placeholder(kind, text, redactor)),
    }
}

/// A User-Agent, its first 512 bytes, without what looks like a secret and without values: of `token=...` only the name
/// is kept.
pub(super) fn agent(agent: &str) -> Cow<'_, str> {
    let shown = agent.get(..agent.floor_char_boundary(AGENT)).unwrap_or_default();
    let is_end =
        |c: char| c.is_whitespace() || matches!(c, '/' | ';' | ',' | '(' | ')' | '[' | ']' | '<' | '>' | '"');
    let hides = |piece: &str| piece.contains('=') || route::secret(piece.as_bytes()).is_some();
    if !shown.split(is_end).any(hides) {
        return Cow::Borrowed(shown);
    }
    let mut out = String::with_capacity(shown.len());
    for piece in shown.split_inclusive(is_end) {
        let end = piece.chars().next_back().filter(|c| is_end(*c));
        let text = end.and_then(|end| piece.strip_suffix(end)).unwrap_or(piece);
        match text.split_once('=') {
            Some((name, _)) if route::secret(name.as_bytes()).is_none() => {
                let _written = write!(out, "{name}={{token}}");
            }
            Some(_) => out.push_str("{token}"),
            None => out.push_str(&part(text, None)),
        }
        out.extend(end);
    }
    Cow::Owned(out)
}

/// Longest media type (RFC 6838, section 4.2, allows 127 characters for each half).
const MEDIA_TYPE: usize = 128;

/// A media type without its parameters, since the sender chooses the boundary. `None` if it is not a media type.
pub(super) fn media_type(value: &str) -> Option<&str> {
    let essence = value.split(';').next().unwrap_or_default().trim_ascii();
    let (kind, subtype) = essence.split_once('/')?;
    let is_name = |text: &str| {
        let is_char = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+*".contains(&byte);
        !text.is_empty() && text.bytes().all(is_char)
    };
    let is_type = essence.len() <= MEDIA_TYPE && is_name(kind) && is_name(subtype);
    let is_plain = || subtype.split('.').chain([kind]).all(|part| route::secret(part.as_bytes()).is_none());
    (is_type && is_plain()).then_some(essence)
}

/// Maximum length of a parameter name, and maximum digits in it.
const NAME: usize = 40;
const NAME_DIGITS: usize = 4;

/// The recorded form of a query parameter: its name, if it looks like one. A part without a value may itself be a
/// value, and so may a name that contains an escaped `=`.
pub(super) fn query_key(part: &str) -> &str {
    let Some((name, value)) = part.split_once('=') else { return "{bare}" };
    // Brackets are escaped more often than not.
    let plain = if name.contains('%') {
        Cow::Owned(name.replace("%5B", "[").replace("%5D", "]").replace("%5b", "[").replace("%5d", "]"))
    } else {
        Cow::Borrowed(name)
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[]$:".contains(&byte);
    let count = |wanted: fn(&u8) -> bool| plain.bytes().filter(wanted).count();
    let digits = count(u8::is_ascii_digit);
    let looks = !name.is_empty()
        && name.len() <= NAME
        && digits <= NAME_DIGITS
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && plain.bytes().all(is_name)
        && plain
            .split(['[', ']', '.', '-', '_', ':'])
            .chain([&*plain])
            .all(|part| route::secret(part.as_bytes()).is_none());
    // Base64 padding is not a value.
    let is_padding = value.is_empty() || value == "=";
    if looks && !(is_padding && (digits > 1 || count(u8::is_ascii_uppercase) > 2)) { name } else { "{other}" }
}

#[cfg(test)]
mod tests;
