//! What responses contain. Texts are scanned; of other responses only the first bytes are checked, as for a repository's
//! index.

use super::budget::Allowance;
use super::{Known, Limits, Tell, finding};
use crate::http::{Decoding, Exchange};
use crate::inspect::{FieldName, Finding, Kind, Side, graphql, leak, personal, secret};
use crate::values::Place;

/// Maximum distinct values counted per response.
const DISTINCT: usize = 512;
/// Maximum names of fields per response.
const FIELDS: usize = 96;
/// The cost of decompression, relative to scanning a byte.
const INFLATION: usize = 4;
/// From this many e-mail addresses on, a response is a finding.
const MAILS: u16 = 20;

/// A field of a JSON response.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnswerField {
    /// A hash of its name, stable within the process.
    pub hash: u32,
    /// Its name as shown in records.
    pub name: FieldName,
    /// Its name suggests that clients should not see it.
    pub is_sensitive: bool,
}

/// What the kept part of a response contains.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Answer<'a> {
    /// Distinct values of each kind, in the order of [`Answer::KINDS`].
    pub records: [u16; 5],
    /// The names of its fields, each once.
    pub fields: &'a [AnswerField],
}

impl Answer<'_> {
    /// The kinds counted, as slugs of findings.
    pub const KINDS: [&'static str; 5] = ["card", "iban", "national-id", "password-hash", "mail"];
}

/// Scans responses.
pub(super) struct Answers {
    allowance: Allowance,
    personal: personal::Scanner,
    leaks: Option<leak::Scanner>,
    hasher: ahash::RandomState,
    seen: Vec<(usize, u64)>,
    fields: Vec<AnswerField>,
    names: Names,
    /// The number of the response, from 1 on.
    answer: u64,
}

impl Answers {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            allowance: Allowance::new(limits.response_bytes_per_second),
            personal: personal::Scanner::default(),
            leaks: leak::Scanner::new(),
            hasher: ahash::RandomState::new(),
            seen: Vec::new(),
            fields: Vec::new(),
            names: Names::new(),
            answer: 0,
        }
    }

    /// What a response contains; none if it is not scanned.
    pub(super) fn read(
        &mut self,
        exchange: &Exchange<'_>,
        (known, is_graphql): (&Known<'_>, bool),
        (limits, secrets): (&Limits, Option<&secret::Scanner>),
        room: &mut Vec<u8>,
        tell: &mut Tell<'_>,
    ) -> Option<Answer<'_>> {
        let response = exchange.response.filter(|_| limits.responses)?;
        let body = response.message().body();
        if body.is_empty() || matches!(response.status(), 301..=399) {
            return None;
        }
        let kind = Media::of(response.message().content_type().unwrap_or_default());
        if kind == Media::Skipped || !self.allowance.admits(known.route, exchange.ended()) {
            return None;
        }
        let is_coded = response.message().content_encoding().is_some();
        let (text, decoding) =
            if is_coded { exchange.decode_spare_response(room) } else { (body, Decoding::Whole) };
        if decoding == Decoding::Unsupported {
            return None;
        }
        self.allowance.charge(text.len().saturating_mul(if is_coded { INFLATION } else { 1 }));
        self.seen.clear();
        self.fields.clear();
        let is_given = matches!(response.status(), 200..=299);
        if is_given && let Some(leak::Given(rule)) = leak::given(text) {
            tell(data("file", rule, b"", 95));
        }
        if kind == Media::Text {
            self.text(text, (limits, secrets), tell);
            if is_graphql && graphql::suggests_fields(text) {
                tell(Finding {
                    side: Side::Response,
                    ..finding(Kind::Graphql, "schema", "suggestions", Place::Body, b"", 90)
                });
            }
        }
        let mut answer = Answer { fields: &self.fields, ..Answer::default() };
        for (kind, _) in &self.seen {
            if let Some(count) = answer.records.get_mut(*kind) {
                *count = count.saturating_add(1);
            }
        }
        self.say(&answer, tell);
        Some(answer)
    }

    fn text(
        &mut self,
        text: &[u8],
        (limits, secrets): (&Limits, Option<&secret::Scanner>),
        tell: &mut Tell<'_>,
    ) {
        if let Some(leaks) = &self.leaks {
            leaks.scan(text, |found| tell(data(leak_class(found.leak), found.rule, b"", 80)));
        }
        if let Some(secrets) = secrets {
            secrets.scan(text, |hit| {
                let key = text.get(hit.at..).unwrap_or_default();
                let sure = if hit.is_checked { 99 } else { 85 };
                if !limits.is_public(hit.class, key) {
                    let name = personal::field_before(text, hit.at);
                    tell(key_in_answer(key_class(hit.class), hit.form, name, sure));
                }
            });
        }
        let Self { personal, seen, hasher, .. } = self;
        personal.scan(text, |item| {
            let value = text.get(item.at..item.at.saturating_add(item.length)).unwrap_or_default();
            let entry = (item.kind as usize, hasher.hash_one(value));
            if seen.len() < DISTINCT && !seen.contains(&entry) {
                seen.push(entry);
            }
        });
        if matches!(text.trim_ascii_start().first(), Some(b'{' | b'[')) {
            self.names(text, tell);
        }
    }

    /// The names of members: strings before a colon.
    fn names(&mut self, text: &[u8], tell: &mut Tell<'_>) {
        self.answer = self.answer.wrapping_add(1);
        let (mut open, mut next) = (None, 0_usize);
        // One search for all quotes: strings are short.
        for at in memchr::memchr2_iter(b'"', b'\\', text) {
            if at < next {
                continue;
            }
            if text.get(at) == Some(&b'\\') {
                next = at.saturating_add(2);
                continue;
            }
            let Some(start) = open.take() else {
                open = Some(at.saturating_add(1));
                continue;
            };
            let rest = text.get(at.saturating_add(1)..).unwrap_or_default();
            if let Some(value) = rest.trim_ascii_start().strip_prefix(b":") {
                self.name(text.get(start..at).unwrap_or_default(), value.trim_ascii_start(), tell);
            }
        }
    }

    fn name(&mut self, name: &[u8], value: &[u8], tell: &mut Tell<'_>) {
        let Self { names, hasher, answer, .. } = self;
        let hash = hasher.hash_one(name);
        let Some(named) = names.look(name, hash) else { return };
        let is_first = named.answer != *answer;
        named.answer = *answer;
        let named = *named;
        if (named.is_secret || named.is_password)
            && let Some(inner) = value.strip_prefix(b"\"")
            && let Some(value) = closing(inner).and_then(|close| inner.get(..close))
        {
            if named.is_secret && secret::is_secret_value(value) {
                tell(key_in_answer("named", "secret-name", name, 60));
            } else if named.is_password && personal::is_bare_digest(value) {
                self.seen.push((personal::Kind::PasswordHash as usize, self.hasher.hash_one(value)));
            }
        }
        let field = named.field;
        if is_first && self.fields.len() < FIELDS && !self.fields.iter().any(|known| known.hash == field.hash)
        {
            self.fields.push(field);
        }
    }

    fn say(&self, answer: &Answer<'_>, tell: &mut Tell<'_>) {
        for (class, count) in Answer::KINDS.into_iter().zip(answer.records) {
            if count >= if class == "mail" { MAILS } else { 1 } {
                tell(data(class, class, b"", 90));
            }
        }
    }
}

/// What the name of a member says about its value.
#[derive(Clone, Copy)]
struct Named {
    hash: u64,
    /// The last response with it.
    answer: u64,
    field: AnswerField,
    is_secret: bool,
    is_password: bool,
}

impl Named {
    fn of(name: &[u8], hash: u64) -> Self {
        let is_secret = secret::is_secret_name(name);
        let is_password =
            name.eq_ignore_ascii_case(b"password") || name.eq_ignore_ascii_case(b"password_hash");
        let field = AnswerField {
            hash: u32::try_from(hash & u64::from(u32::MAX)).unwrap_or_default(),
            name: FieldName::of(name),
            is_sensitive: is_secret || is_password || is_sensitive(name),
        };
        Self { hash, answer: 0, field, is_secret, is_password }
    }
}

/// Names remembered, direct-mapped. An API has some hundred.
const NAMES: usize = 1 << 10;

/// Names that were classified before: the responses of a route repeat theirs.
struct Names(Box<[Option<Named>]>);

impl Names {
    fn new() -> Self {
        Self(vec![None; NAMES].into_boxed_slice())
    }

    fn look(&mut self, name: &[u8], hash: u64) -> Option<&mut Named> {
        let at = usize::try_from(hash >> 32).unwrap_or_default() & (NAMES - 1);
        let place = self.0.get_mut(at)?;
        if place.is_none_or(|known| known.hash != hash) {
            *place = Some(Named::of(name, hash));
        }
        place.as_mut()
    }
}

/// The position of the quote that ends a string.
fn closing(text: &[u8]) -> Option<usize> {
    let mut from = 0_usize;
    loop {
        let at = memchr::memchr2(b'"', b'\\', text.get(from..)?)?.saturating_add(from);
        match text.get(at) {
            Some(b'"') => return Some(at),
            _ => from = at.saturating_add(2),
        }
    }
}

/// Whether the name of a field suggests sensitive content.
fn is_sensitive(name: &[u8]) -> bool {
    const WORDS: [&[u8]; 18] = [
        b"password",
        b"passwd",
        b"secret",
        b"ssn",
        b"hash",
        b"salt",
        b"private",
        b"salary",
        b"iban",
        b"birth",
        b"tax_id",
        b"card_number",
        b"cvv",
        b"cvc",
        b"otp",
        b"mfa",
        b"is_admin",
        b"isadmin",
    ];
    WORDS.iter().any(|word| name.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word)))
}

/// How a body is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Media {
    Text,
    /// Only the first bytes.
    Binary,
    Skipped,
}

impl Media {
    fn of(kind: &[u8]) -> Self {
        // The usual case first.
        if kind.get(..16).is_some_and(|start| start.eq_ignore_ascii_case(b"application/json")) {
            return Self::Text;
        }
        let is = |start: &[u8]| kind.get(..start.len()).is_some_and(|part| part.eq_ignore_ascii_case(start));
        let has = |part: &[u8]| memchr::memmem::find(kind, part).is_some();
        if is(b"image/")
            || is(b"video/")
            || is(b"audio/")
            || is(b"font/")
            || is(b"text/css")
            || has(b"javascript")
        {
            Self::Skipped
        } else if kind.is_empty()
            || is(b"text/")
            || has(b"json")
            || has(b"xml")
            || has(b"yaml")
            || has(b"urlencoded")
        {
            Self::Text
        } else {
            Self::Binary
        }
    }
}

fn data(class: &'static str, rule: &'static str, name: &[u8], sure: u8) -> Finding {
    Finding { side: Side::Response, ..finding(Kind::DataExposure, class, rule, Place::Body, name, sure) }
}

fn key_in_answer(class: &'static str, rule: &'static str, name: &[u8], sure: u8) -> Finding {
    Finding { side: Side::Response, ..finding(Kind::KeyExposure, class, rule, Place::Body, name, sure) }
}

const fn leak_class(leak: leak::Leak) -> &'static str {
    match leak {
        leak::Leak::StackTrace => "stack-trace",
        leak::Leak::DatabaseError => "database-error",
        leak::Leak::DirectoryListing => "directory-listing",
        leak::Leak::Diagnostics => "diagnostics",
    }
}

const fn key_class(class: secret::Class) -> &'static str {
    match class {
        secret::Class::CloudKey => "cloud-key",
        secret::Class::CodeToken => "code-token",
        secret::Class::PaymentKey => "payment-key",
        secret::Class::ChatToken => "chat-token",
        secret::Class::PrivateKey => "private-key",
        secret::Class::Connection => "connection",
        secret::Class::Public => "public",
    }
}
