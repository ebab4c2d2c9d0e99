//! The walk.

use super::buffers::Buffers;
use super::carrier::Carrier;
use super::pairs::{self, name_and_value};
use super::place::Place;
use super::{body, graphql, nested, percent};

/// The encodings that a value was unpacked from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wraps {
    /// JSON inside a value.
    pub json: bool,
    /// The query or the fragment of a URL.
    pub url: bool,
    /// A form inside a value.
    pub form: bool,
    /// Base64.
    pub base64: bool,
}

/// A value. Its text is decoded once, according to its place.
#[derive(Clone, Copy)]
pub struct Value<'v> {
    /// Where it is.
    pub place: Place,
    /// The name of its field, decoded; in JSON the path of the member (`user.tags[]`). Empty if it has none.
    pub name: &'v [u8],
    /// The text.
    pub text: &'v [u8],
    /// Whether the text is the name of a field. Only unusual names are visited.
    pub is_name: bool,
    /// Whether it is a number, `true`, `false` or `null` of JSON.
    pub is_scalar: bool,
    /// What it was unpacked from.
    pub wraps: Wraps,
}

/// Bounds of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum values visited.
    pub values: usize,
    /// Maximum levels of values within values.
    pub depth: u8,
    /// Maximum bytes read, including decoded ones.
    pub bytes: usize,
}

impl Default for Limits {
    /// About as many fields as servers accept in a form (PHP's `max_input_vars` is 1,000), and more bytes than are kept
    /// of a message.
    fn default() -> Self {
        Self { values: 1_024, depth: 4, bytes: 256 << 10 }
    }
}

/// The result of a walk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Values visited.
    pub values: usize,
    /// Whether it stopped at a limit.
    pub cut: bool,
}

/// Receives the values of a walk; a closure will do.
pub trait Visit {
    /// A value.
    fn value(&mut self, value: &Value<'_>);

    /// Whether to skip a header or a path, because the same one was walked before without a result.
    fn is_known(&mut self, _whole: &Value<'_>) -> bool {
        false
    }

    /// All values of the last header or path that was not skipped have been visited; `is_cut` if the walk stopped at a limit.
    fn walked(&mut self, _is_cut: bool) {}
}

impl<F: FnMut(&Value<'_>)> Visit for F {
    fn value(&mut self, value: &Value<'_>) {
        self(value);
    }
}

/// A walk over one message.
pub struct Walk<'w> {
    buffers: &'w mut Buffers,
    visit: &'w mut dyn Visit,
    pub(super) limits: Limits,
    bytes: usize,
    told: Told,
}

/// Whether a header belongs to the protocol or the browser and does not reach application logic.
fn is_passed_over(name: &[u8]) -> bool {
    // By length first, to rule out most headers quickly.
    match name.len() {
        2 => is(name, b"te"),
        3 => is(name, b"dnt"),
        4 => is(name, b"date"),
        10 => is(name, b"connection") || is(name, b"keep-alive"),
        14 => is(name, b"content-length") || name.get(..10).is_some_and(|start| is(start, b"sec-fetch-")),
        16 => is(name, b"content-encoding"),
        17 => is(name, b"if-modified-since") || is(name, b"transfer-encoding"),
        19 => is(name, b"if-unmodified-since"),
        25 => is(name, b"upgrade-insecure-requests"),
        _ => false,
    }
}

impl<'w> Walk<'w> {
    /// Starts a walk that passes each value to `visit`.
    pub fn new(buffers: &'w mut Buffers, limits: Limits, visit: &'w mut dyn Visit) -> Self {
        Self { buffers, visit, limits, bytes: 0, told: Told::default() }
    }

    /// Walks over a message: path, query, headers, body.
    pub fn all<'a, H: Iterator<Item = (&'a [u8], &'a [u8])>>(mut self, carrier: Carrier<'a, H>) -> Told {
        if !carrier.path.is_empty() {
            self.path(carrier.path);
        }
        if !carrier.query.is_empty() {
            self.pairs(carrier.query, b'&', Place::Query, Wraps::default(), 0);
        }
        for (name, value) in carrier.headers {
            self.header(name, value);
        }
        if !carrier.body.is_empty() {
            body::walk(&mut self, carrier.content_type, carrier.body);
        }
        self.told
    }

    /// Walks over one value that is already decoded.
    pub fn one(mut self, value: &Value<'_>) -> Told {
        self.value(*value, 0);
        self.told
    }

    /// Notes that something was left out.
    pub(super) const fn cut(&mut self) {
        self.told.cut = true;
    }

    pub(super) const fn is_over(&self) -> bool {
        self.told.values >= self.limits.values || self.bytes >= self.limits.bytes
    }

    pub(super) const fn buffers(&mut self) -> &mut Buffers {
        self.buffers
    }

    /// Visits a value, or its contents if it can be unpacked.
    pub(super) fn value(&mut self, value: Value<'_>, depth: u8) {
        if value.text.is_empty() {
            return;
        }
        if depth < self.limits.depth && !value.is_scalar && nested::take_apart(self, value, depth) {
            return;
        }
        self.tell(value);
    }

    /// Visits a value as it is.
    pub(super) fn tell(&mut self, value: Value<'_>) {
        if self.is_over() {
            self.told.cut = true;
            return;
        }
        self.told.values = self.told.values.saturating_add(1);
        self.bytes = self.bytes.saturating_add(value.text.len());
        self.visit.value(&value);
    }

    /// The path as a whole, then segments that are base64.
    fn path(&mut self, path: &[u8]) {
        let value = Value {
            place: Place::Path,
            name: b"",
            text: path,
            is_name: false,
            is_scalar: false,
            wraps: Wraps::default(),
        };
        if self.visit.is_known(&value) {
            return;
        }
        self.tell(value);
        if path.len() >= nested::SHORTEST_SEGMENT {
            self.segments(value);
        }
        self.visit.walked(self.told.cut);
    }

    /// Segments of a path that are base64.
    fn segments(&mut self, path: Value<'_>) {
        let is_long = |segment: &&[u8]| segment.len() >= nested::SHORTEST_SEGMENT;
        for segment in pairs::split(path.text, b'/').filter(is_long) {
            let _is_base64 = nested::base64_value(self, Value { text: segment, ..path }, 0);
        }
    }

    /// A query, a form, cookies.
    pub(super) fn pairs(&mut self, text: &[u8], separator: u8, place: Place, wraps: Wraps, depth: u8) {
        for pair in pairs::split(text, separator) {
            if self.is_over() {
                self.told.cut = true;
                return;
            }
            self.pair(pair, place, wraps, depth);
        }
    }

    fn pair(&mut self, pair: &[u8], place: Place, wraps: Wraps, depth: u8) {
        let is_cookie = place == Place::Cookie;
        let (name, text) = name_and_value(if is_cookie { pair.trim_ascii() } else { pair });
        let has_value = name.len() < pair.len();
        let mut names = None;
        let name = if is_cookie { name } else { self.decoded(name, &mut names) };
        let mut texts = None;
        let text = if is_cookie { text } else { self.decoded(text, &mut texts) };
        let value = Value { place, name, text, is_name: false, is_scalar: false, wraps };
        if has_value {
            self.name(value);
            if graphql::is_document_of(name, text) {
                graphql::walk(self, value);
            } else {
                self.value(value, depth);
            }
        } else {
            self.value(Value { name: b"", text: name, ..value }, depth);
        }
        names.into_iter().chain(texts).for_each(|buffer| self.buffers.give(buffer));
    }

    /// Decodes percent and plus, using a buffer only if there are any.
    fn decoded<'a>(&mut self, text: &'a [u8], room: &'a mut Option<zeroize::Zeroizing<Vec<u8>>>) -> &'a [u8] {
        if memchr::memchr2(b'%', b'+', text).is_none() {
            return text;
        }
        self.bytes = self.bytes.saturating_add(text.len());
        let room = room.insert(self.buffers.take());
        percent::decode_into(text, room);
        room
    }

    /// Visits the name of a field if it is unusual.
    pub(super) fn name(&mut self, value: Value<'_>) {
        let is_ordinary = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let name = value.name;
        if !name.iter().all(is_ordinary) || memchr::memmem::find(name, b"__").is_some() {
            self.tell(Value { name: b"", text: name, is_name: true, is_scalar: false, ..value });
        }
    }

    fn header(&mut self, name: &[u8], text: &[u8]) {
        if text.is_empty() || is_passed_over(name) {
            return;
        }
        let place = match name.len() {
            6 if is(name, b"cookie") => Place::Cookie,
            6 if is(name, b"origin") => Place::Referer,
            7 if is(name, b"referer") => Place::Referer,
            _ => Place::Header,
        };
        let value = Value { place, name, text, is_name: false, is_scalar: false, wraps: Wraps::default() };
        if self.visit.is_known(&value) {
            return;
        }
        if place == Place::Cookie {
            self.pairs(text, b';', Place::Cookie, Wraps::default(), 0);
        } else if place == Place::Referer {
            self.referer(value);
        } else {
            self.value(value, 0);
        }
        self.visit.walked(self.told.cut);
    }

    /// Path and query of a referring page; its host is not a value.
    fn referer(&mut self, value: Value<'_>) {
        let text = value.text;
        let after_scheme = memchr::memmem::find(text.get(..12).unwrap_or(text), b"://");
        let rest = after_scheme.and_then(|at| text.get(at.saturating_add(3)..)).map_or(text, |rest| {
            let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
            rest.get(end..).unwrap_or_default()
        });
        let (base, query, fragment) = nested::url_parts(rest);
        self.value(Value { place: Place::Referer, text: base, ..value }, self.limits.depth);
        self.pairs(query, b'&', Place::Referer, Wraps::default(), 0);
        self.value(Value { place: Place::Referer, text: fragment, ..value }, 0);
    }
}

/// Compares the name of a header with one in lower case.
fn is(name: &[u8], wanted: &[u8]) -> bool {
    name.len() == wanted.len() && name.eq_ignore_ascii_case(wanted)
}
