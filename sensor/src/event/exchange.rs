//! The record of one exchange.

use std::fmt;
use std::net::IpAddr;

use serde::{Serialize, Serializer};

use super::redact::{self, Redactor};
use super::sent::{Host, MediaType, Object, Path, UserAgent};
use super::{Login, WebSocketEnd};
use crate::clock::Timestamp;
use crate::identity::{FLEET_KEYS, KeyedHash};
use crate::inspect::{Effects, Exposed, Finding};
use crate::{http, identity, tls};

/// Where an exchange was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// On the network, in clear text.
    Wire,
    /// On the network, inside TLS.
    Tls,
    /// In an access log: without bodies, credentials and most headers.
    Log,
}

/// TLS properties of an exchange.
#[derive(Clone, Debug, Serialize)]
pub struct TlsFacts<'a> {
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// The server name that the client requested.
    pub sni: Option<Host<'a>>,
    /// The negotiated protocol: `http/1.1`.
    pub alpn: Option<Protocol>,
    /// The client's fingerprint.
    pub ja4: Option<tls::Ja4>,
    /// Whether some of the connection was read without authentication, because the ends of records were not captured.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unverified: bool,
}

impl<'a> TlsFacts<'a> {
    /// Of a connection.
    #[must_use]
    pub fn new(facts: &'a tls::Facts, unverified: bool, redactor: &'a Redactor) -> Self {
        Self {
            version: facts.version.label(),
            sni: facts.sni.as_deref().map(|name| Host::new(name, redactor)),
            alpn: facts.alpn.as_deref().map(Protocol::of),
            ja4: facts.ja4,
            unverified,
        }
    }
}

/// A protocol inside TLS. Clients may write anything there, so only registered names are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Protocol {
    /// HTTP/1.0.
    #[serde(rename = "http/1.0")]
    Http10,
    /// HTTP/1.1.
    #[serde(rename = "http/1.1")]
    Http11,
    /// HTTP/2.
    #[serde(rename = "h2")]
    Http2,
    /// Another one.
    #[serde(rename = "other")]
    Other,
}

impl Protocol {
    fn of(name: &[u8]) -> Self {
        match name {
            b"http/1.0" => Self::Http10,
            b"http/1.1" => Self::Http11,
            b"h2" => Self::Http2,
            _ => Self::Other,
        }
    }
}

/// A call of gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Grpc {
    /// `grpc-status`; none where none was seen.
    pub grpc_status: Option<u16>,
    /// Messages of the request; none where some may be among missing bytes.
    pub request_messages: Option<u64>,
    /// Messages of the response; likewise.
    pub response_messages: Option<u64>,
    /// Bytes of the request's messages, as they were sent.
    pub request_message_bytes: Option<u64>,
    /// Bytes of the response's messages, as they were sent.
    pub response_message_bytes: Option<u64>,
}

impl Grpc {
    /// Of what the parser found.
    #[must_use]
    pub fn of(found: http::Grpc) -> Self {
        Self {
            grpc_status: found.status,
            request_messages: found.request.map(|messages| messages.count),
            response_messages: found.response.map(|messages| messages.count),
            request_message_bytes: found.request.map(|messages| messages.bytes),
            response_message_bytes: found.response.map(|messages| messages.bytes),
        }
    }
}

/// A request and its response, as far as they were seen. Fields are absent as JSON `null` where they were not.
#[derive(Clone, Debug, Serialize)]
pub struct Exchange<'a> {
    /// When the first byte of the request was seen; of the response, where that came without a request.
    pub ts: Timestamp,
    /// The client: behind trusted proxies, the address that they report.
    pub client: IpAddr,
    /// Port of the peer on the wire.
    pub client_port: u16,
    /// The server's address.
    pub server: IpAddr,
    /// The server's port.
    pub server_port: u16,
    /// The systemd unit or container that served it, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<&'a str>,
    /// The address on the wire, if it differs from `client`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
    /// Whether that peer named the client as its own peer, with no other proxy between.
    #[serde(skip)]
    pub named_by_peer: bool,
    /// `1.0`, `1.1` or `2`.
    pub http_version: &'static str,
    /// A registered method, or `other`. None where the request had no line that could be told apart; then nothing else
    /// that the client wrote is told, either.
    pub method: Option<&'static str>,
    /// Host and port.
    pub host: Option<Host<'a>>,
    /// The path, without query, fragment and path parameters; in records, segments that look like secrets are keyed
    /// hashes.
    pub path: Option<Path<'a>>,
    /// The keyed hash of the identifiers in the path.
    pub object: Object<'a>,
    /// The path's template.
    pub route: Option<&'a str>,
    /// Names of the query's parameters, in order, without values.
    pub query_keys: QueryKeys<'a>,
    /// Status of the response.
    pub status: Option<u16>,
    /// What gRPC tells, where it is a call of gRPC.
    #[serde(flatten)]
    pub grpc: Option<Grpc>,
    /// Body bytes of the request on the wire, chunk headers included.
    pub request_bytes: Option<u64>,
    /// Body bytes of the response on the wire, chunk headers included.
    pub response_bytes: Option<u64>,
    /// From the first byte of the request to the first byte of the response, in microseconds.
    pub duration_us: Option<u64>,
    /// User-Agent; in records, without what looks like a secret.
    pub user_agent: Option<UserAgent<'a>>,
    /// Content-Type of the request, without parameters.
    pub content_type: Option<MediaType<'a>>,
    /// The identity behind the credentials, hashed with the installation's key.
    #[serde(serialize_with = "as_text")]
    pub principal: Option<KeyedHash>,
    /// The same, hashed with each key of the fleet; 0 on a host that shares no limits.
    #[serde(skip)]
    pub fleet_principal: [u64; FLEET_KEYS],
    /// The login attempt, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<Login>,
    /// Further attempts in the same request; records have the total, as `attempts`.
    #[serde(rename = "attempts", skip_serializing_if = "Further::is_empty")]
    pub further: Further<'a>,
    /// Whether it claims that another site's page made a browser send it, and a browser might have.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cross_site: bool,
    /// Where it was seen.
    pub source: Source,
    /// Properties of the TLS connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFacts<'a>>,
    /// If this is the end of a WebSocket and no exchange: it has neither method nor status, and no detector sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub websocket: Option<WebSocketEnd>,
    /// Whether it was already recorded, as the exchange between a proxy on this host and the application; then it is
    /// not counted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub seen_twice: bool,
    /// Whether bytes were missing.
    pub gaps: bool,
    /// Whether the client was shown to receive what the server sends. If not, anybody may have sent this in its name,
    /// and it accuses nobody.
    pub proven: bool,
    /// What the parsers found strange.
    pub anomalies: Findings,
    /// What inspection recognised in it.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub findings: &'a [Finding],
    /// What the answer shows of an attack that was recognised.
    #[serde(skip_serializing_if = "Effects::is_empty")]
    pub effects: Effects,
    /// What it gives away, for detectors.
    #[serde(skip)]
    pub exposed: Exposed<'a>,
    /// When its last byte was seen; what comes of it is measured from here.
    #[serde(skip)]
    pub seen: Timestamp,
}

impl Exchange<'_> {
    /// The status as it is meant: of gRPC, which answers 200 to what fails, the one of HTTP that its own stands for.
    #[must_use]
    pub const fn outcome(&self) -> Option<u16> {
        match (self.status, self.grpc) {
            (Some(200), Some(Grpc { grpc_status: Some(status), .. })) => {
                Some(http::Grpc::http_status(status))
            }
            (status, _) => status,
        }
    }
}

/// Attempts to log in of one request besides the first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Further<'a> {
    /// Those that were parsed individually.
    pub read: &'a [Login],
    /// The number of others.
    pub uncounted: u32,
}

impl<'a> From<(&'a [Login], u32)> for Further<'a> {
    fn from((read, uncounted): (&'a [Login], u32)) -> Self {
        Self { read, uncounted }
    }
}

impl Further<'_> {
    const fn is_empty(&self) -> bool {
        self.read.is_empty() && self.uncounted == 0
    }
}

impl Serialize for Further<'_> {
    /// The total number of attempts, including the first.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let read = u64::try_from(self.read.len()).unwrap_or(u64::MAX);
        serializer.serialize_u64(read.saturating_add(u64::from(self.uncounted)).saturating_add(1))
    }
}

fn as_text<S: Serializer>(hash: &Option<KeyedHash>, serializer: S) -> Result<S::Ok, S::Error> {
    match hash {
        Some(hash) => serializer.collect_str(hash),
        None => serializer.serialize_none(),
    }
}

/// Anomalies of the HTTP parser and of client identification; in JSON, a list of their slugs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Of the messages.
    pub http: http::Anomalies,
    /// Of the client's address and credentials.
    pub identity: identity::Anomalies,
}

impl Findings {
    /// Their slugs.
    pub fn labels(&self) -> impl Iterator<Item = &'static str> {
        self.http.iter().map(http::Anomaly::label).chain(self.identity.iter().map(identity::Anomaly::label))
    }
}

impl Serialize for Findings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.labels())
    }
}

/// Maximum parameters whose names are recorded.
const MAX_KEYS: usize = 32;

/// The names of a query's parameters, parsed on demand.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct QueryKeys<'a>(&'a [u8]);

impl<'a> QueryKeys<'a> {
    /// Of a query without its question mark.
    #[must_use]
    pub const fn of(query: &'a [u8]) -> Self {
        Self(query)
    }

    /// The first 32. A part that does not look like a name is `{other}`, and one without a value `{bare}`.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let parts = self.0.split(|byte| matches!(byte, b'&' | b';')).filter(|part| !part.is_empty());
        parts.take(MAX_KEYS).map(|part| redact::query_key(str::from_utf8(part).unwrap_or("=")))
    }
}

impl<'a> QueryKeys<'a> {
    /// Name and value of the first parameter that names an object: `id`, `order_id`, `orderId`.
    #[must_use]
    pub(crate) fn identifier(self) -> Option<(&'a [u8], &'a [u8])> {
        self.pairs().find(|(name, value)| !value.is_empty() && is_identifier(name))
    }

    /// The same parameter with another value, the last of them, if it comes twice and is not written as a list: the server
    /// and what checks before it may each take another one (CWE-235).
    #[must_use]
    pub(crate) fn identifier_again(self) -> Option<(&'a [u8], &'a [u8])> {
        let (first, value) = self.identifier()?;
        self.pairs().filter(|(name, other)| *name == first && *other != value && !other.is_empty()).last()
    }

    fn pairs(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.0.split(|byte| *byte == b'&').take(MAX_KEYS).map(crate::values::name_and_value)
    }
}

/// Whether a parameter names an object, which may be hidden by percent-encoding.
fn is_identifier(name: &[u8]) -> bool {
    if memchr::memchr(b'%', name).is_some() {
        let mut decoded = Vec::new();
        let name = crate::values::decode(name, &mut decoded);
        return memchr::memchr(b'%', name).is_none() && is_identifier(name);
    }
    let ends = |end: &[u8]| name.len() > end.len() && name.ends_with(end);
    let is = |whole: &[u8]| name.eq_ignore_ascii_case(whole);
    is(b"id") || is(b"uuid") || is(b"guid") || ends(b"_id") || ends(b"-id") || ends(b"Id") || ends(b"_uuid")
}

impl fmt::Debug for QueryKeys<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.iter()).finish()
    }
}

impl Serialize for QueryKeys<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}
