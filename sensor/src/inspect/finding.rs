//! A finding: what was recognised, where, by which rule, with what confidence; never the value.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::route;
use crate::values::Place;

/// The kind of a finding; a label of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A value that is meant to be executed by what reads it: SQL, a shell, a browser, a template engine.
    Injection,
    /// A token that is forged, unsafe, or misused.
    TokenMisuse,
    /// A key or credential that others can read.
    KeyExposure,
    /// A response that contains what it should not.
    DataExposure,
    /// A GraphQL document that asks for more than clients need.
    Graphql,
    /// What the OpenAPI document that is configured does not allow.
    Schema,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::Injection,
        Self::TokenMisuse,
        Self::KeyExposure,
        Self::DataExposure,
        Self::Graphql,
        Self::Schema,
    ];

    /// The word in records and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Injection => "injection",
            Self::TokenMisuse => "token-misuse",
            Self::KeyExposure => "key-exposure",
            Self::DataExposure => "data-exposure",
            Self::Graphql => "graphql",
            Self::Schema => "schema",
        }
    }
}

/// The message it was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The request.
    Request,
    /// The response.
    Response,
}

/// The confidence of a rule, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Confidence(u8);

impl Confidence {
    /// From a percentage, at most 100.
    #[must_use]
    pub const fn percent(percent: u8) -> Self {
        Self(if percent > 100 { 100 } else { percent })
    }

    /// As a share.
    #[must_use]
    #[expect(clippy::float_arithmetic, reason = "a percentage, for people and programs that compare")]
    pub fn share(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

impl Serialize for Confidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.share())
    }
}

/// Longest name kept.
const NAME: usize = 40;

/// The name of a field as shown in records. Implausible names become `{other}`, since clients can send anything there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldName {
    bytes: [u8; NAME],
    length: u8,
}

impl FieldName {
    /// The name of a field; empty if it has none.
    #[must_use]
    pub fn of(name: &[u8]) -> Self {
        let shown = if name.is_empty() || is_shown(name) { name } else { b"{other}" };
        let mut bytes = [0; NAME];
        bytes.iter_mut().zip(shown).for_each(|(place, byte)| *place = *byte);
        Self { bytes, length: u8::try_from(shown.len()).unwrap_or(0) }
    }

    /// The name; empty if there is none.
    #[must_use]
    pub fn text(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// Maximum digits in a name that is shown: `address2`, not a number.
const DIGITS: usize = 4;

fn is_shown(name: &[u8]) -> bool {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.[]$:".contains(byte);
    let digits = name.iter().filter(|byte| byte.is_ascii_digit()).count();
    let mut parts = name.split(|byte| b"[].-_:".contains(byte)).chain([name]);
    name.len() <= NAME
        && digits <= DIGITS
        && !name.first().is_some_and(u8::is_ascii_digit)
        && name.iter().all(is_name)
        && parts.all(|part| route::secret(part).is_none())
}

impl fmt::Debug for FieldName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().fmt(out)
    }
}

impl Serialize for FieldName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.text())
    }
}

/// Something recognised in an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Its kind.
    pub kind: Kind,
    /// Its class within the kind, such as `sqli`; a stable slug.
    pub class: &'static str,
    /// The message it is in.
    pub side: Side,
    /// Where in the message.
    pub place: Place,
    /// The field; empty if the place has no names.
    pub name: FieldName,
    /// The rule that matched; a stable slug.
    pub rule: &'static str,
    /// The confidence of that rule.
    pub confidence: Confidence,
    /// A hash of the place and the field's name as sent, to distinguish fields whose names are not shown. For injection it is
    /// keyed, and stable across restarts.
    #[serde(skip)]
    pub field: u64,
}

impl Finding {
    /// Whether it was found in the headers of a request.
    #[must_use]
    pub const fn is_in_headers(&self) -> bool {
        matches!(self.side, Side::Request)
            && matches!(self.place, Place::Header | Place::Cookie | Place::Referer)
    }
}
