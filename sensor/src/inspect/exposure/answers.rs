//! What answers hold. Texts are read, and of other answers how they begin: a repository's index is no text.

use std::hash::{BuildHasher as _, RandomState};

use super::budget::Allowance;
use super::{Known, Limits, Tell, finding};
use crate::http::{Decoding, Exchange};
use crate::inspect::{FieldName, Finding, Kind, Side, graphql, leak, personal, secret};
use crate::values::Place;

/// Values of one answer that are told apart.
const DISTINCT: usize = 512;
/// Names of fields of one answer.
const FIELDS: usize = 96;
/// What decompression costs, in bytes that are read.
const INFLATION: usize = 4;
/// Addresses of e-mail in one answer from which on they are a finding.
const MAILS: u16 = 20;

/// A field of an answer in JSON.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnswerField {
    /// A hash of its name. The same for as long as the process lives.
    pub hash: u32,
    /// As records show it.
    pub name: FieldName,
    /// Its name says that no client should see it.
    pub is_sensitive: bool,
}

/// What an answer holds, as far as it was kept.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Answer<'a> {
    /// Different values of each kind, in the order of [`Answer::KINDS`].
    pub records: [u16; 5],
    /// The names of its fields, each once.
    pub fields: &'a [AnswerField],
}

impl Answer<'_> {
    /// What is counted: the slugs of findings.
    pub const KINDS: [&'static str; 5] = ["card", "iban", "national-id", "password-hash", "mail"];
}

/// Reads answers.
pub(super) struct Answers {
    allowance: Allowance,
    personal: personal::Scanner,
    leaks: Option<leak::Scanner>,
    hasher: RandomState,
    seen: Vec<(usize, u64)>,
    fields: Vec<AnswerField>,
}

impl Answers {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            allowance: Allowance::new(limits.response_bytes_per_second),
            personal: personal::Scanner::default(),
            leaks: leak::Scanner::new(),
            hasher: RandomState::new(),
            seen: Vec::new(),
            fields: Vec::new(),
        }
    }

    /// What an answer holds; nothing where it is not read.
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

    /// The names of members: what stands in quotes before a colon.
    fn names(&mut self, text: &[u8], tell: &mut Tell<'_>) {
        let mut rest = text;
        while let Some(open) = memchr::memchr(b'"', rest) {
            let inner = rest.get(open.saturating_add(1)..).unwrap_or_default();
            let Some(close) = closing(inner) else { return };
            let name = inner.get(..close).unwrap_or_default();
            rest = inner.get(close.saturating_add(1)..).unwrap_or_default();
            let Some(value) = rest.trim_ascii_start().strip_prefix(b":") else { continue };
            self.name(name, value.trim_ascii_start(), tell);
        }
    }

    fn name(&mut self, name: &[u8], value: &[u8], tell: &mut Tell<'_>) {
        let is_secret = secret::is_secret_name(name);
        let is_password =
            name.eq_ignore_ascii_case(b"password") || name.eq_ignore_ascii_case(b"password_hash");
        if (is_secret || is_password)
            && let Some(inner) = value.strip_prefix(b"\"")
            && let Some(value) = closing(inner).and_then(|close| inner.get(..close))
        {
            if is_secret && secret::is_secret_value(value) {
                tell(key_in_answer("named", "secret-name", name, 60));
            } else if is_password && personal::is_bare_digest(value) {
                self.seen.push((personal::Kind::PasswordHash as usize, self.hasher.hash_one(value)));
            }
        }
        if self.fields.len() >= FIELDS {
            return;
        }
        let hash = u32::try_from(self.hasher.hash_one(name) & u64::from(u32::MAX)).unwrap_or_default();
        if !self.fields.iter().any(|known| known.hash == hash) {
            let is_sensitive = is_secret || is_password || is_sensitive(name);
            self.fields.push(AnswerField { hash, name: FieldName::of(name), is_sensitive });
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

/// Where the quote is that ends a string.
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

/// Whether the name of a field says that it is not for everybody.
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
    let lower = name.to_ascii_lowercase();
    WORDS.iter().any(|word| lower.windows(word.len()).any(|part| part == *word))
}

/// How a body is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Media {
    Text,
    /// Only how it begins.
    Binary,
    Skipped,
}

impl Media {
    fn of(kind: &[u8]) -> Self {
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
