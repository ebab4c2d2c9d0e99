//! The report: routes as people read them, what is wrong, and what has changed.

use serde::{Deserialize, Serialize};

use super::changes::changes;
use super::document::Documented;
use super::fact::{Fact, Times};
use super::findings::{Finding, judge};
use super::inventory::{Counters, Snapshot};
use super::merge::merged;
use super::names;
use super::row::Row;
use crate::clock::Timestamp;

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Ask<'a> {
    /// Only routes that contain this text.
    pub route: Option<&'a str>,
    /// From when on changes are told.
    pub since: Option<Timestamp>,
    /// The document that is configured.
    pub documented: Option<&'a Documented>,
}

/// Shares of a route's exchanges, in exchanges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteReport {
    /// The template.
    pub route: String,
    /// The method, or `other`.
    pub method: String,
    /// Exchanges.
    pub requests: u64,
    /// First one.
    pub first_seen: Timestamp,
    /// Last one.
    pub last_seen: Timestamp,
    /// Hosts that were asked for, most frequent first.
    pub hosts: Vec<String>,
    /// Ports of the server.
    pub ports: Vec<u16>,
    /// Estimated number of clients, to 9 percent.
    pub clients: u64,
    /// Exchanges by status.
    pub statuses: Vec<(u16, u32)>,
    /// With a status of 400 or more.
    pub errors: u64,
    /// Exchanges with credentials.
    pub with_credentials: u64,
    /// Kinds of credentials, with exchanges.
    pub credentials: Vec<(String, u32)>,
    /// Exchanges that were refused with 401 or 403.
    pub refused: u64,
    /// Answered with 2xx without credentials.
    pub unauthenticated: u64,
    /// Attempts to log in.
    pub logins: u64,
    /// Kinds of data in requests, as names of fields and findings tell.
    pub data_in: Vec<String>,
    /// Kinds of data in answers.
    pub data_out: Vec<String>,
    /// Media types of requests.
    pub request_types: Vec<String>,
    /// Media types of answers.
    pub response_types: Vec<String>,
    /// Names of the query's parameters.
    pub parameters: Vec<String>,
    /// Names of cookies that answers set.
    pub cookies: Vec<String>,
    /// Whether a document describes it; none where none is configured.
    pub documented: Option<bool>,
    /// Whether the document, or an answer, calls it deprecated.
    pub deprecated: bool,
    /// `clear`, `1.2`, `1.3`, `proxy`: how it is reached, with exchanges.
    pub transport: Vec<(String, u32)>,
    /// Whether limits of rates are told, or were reached.
    pub rate_limited: bool,
    /// Whether a part of a list can be asked for.
    pub paged: bool,
    /// Body bytes of requests.
    pub bytes_in: u64,
    /// Body bytes of answers.
    pub bytes_out: u64,
}

/// Something that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// `new-route`, `gone`, `new-credentials`, `new-finding` and their like.
    pub what: String,
    /// When it was first seen, or last.
    pub at: Timestamp,
    /// The method.
    pub method: String,
    /// The route.
    pub route: String,
    /// One sentence.
    pub says: String,
}

/// `sensor posture`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// When it was written.
    pub at: Timestamp,
    /// When the inventory began.
    pub since: Timestamp,
    /// From when on changes are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes_since: Option<Timestamp>,
    /// Whether an OpenAPI document is configured.
    pub has_document: bool,
    /// Exchanges noted.
    pub exchanges: u64,
    /// Exchanges that found no place.
    pub no_room: u64,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
    /// What changed, the latest first.
    pub changes: Vec<Change>,
    /// The routes, by template and method.
    pub routes: Vec<RouteReport>,
}

/// Judges a snapshot.
#[must_use]
pub fn report(snapshot: &Snapshot, ask: &Ask<'_>) -> Report {
    let mut rows = merged(&snapshot.rows);
    rows.retain(|row| ask.route.is_none_or(|wanted| row.route.contains(wanted)));
    rows.sort_by(|one, other| (&one.route, &one.method).cmp(&(&other.route, &other.method)));
    let Counters { exchanges, no_room, .. } = snapshot.counters;
    let findings = judge(&rows, ask);
    Report {
        at: snapshot.at,
        since: snapshot.since,
        changes_since: ask.since,
        has_document: ask.documented.is_some(),
        exchanges,
        no_room,
        changes: ask.since.map(|since| changes(&rows, &findings, since, snapshot)).unwrap_or_default(),
        findings,
        routes: rows.iter().map(|row| route(row, ask.documented)).collect(),
    }
}

/// The kinds of credentials with their facts.
pub(super) const CREDENTIALS: [(Fact, &str); 5] = [
    (Fact::Jwt, "jwt"),
    (Fact::ApiKey, "api_key"),
    (Fact::Basic, "basic"),
    (Fact::Bearer, "bearer"),
    (Fact::Session, "session"),
];

fn route(row: &Row, documented: Option<&Documented>) -> RouteReport {
    let facts = &row.facts;
    let count = |fact| u64::from(facts.of(fact).count);
    let counts = |list: &[(Fact, &str)]| -> Vec<(String, u32)> {
        let all = list.iter().map(|(fact, label)| ((*label).to_owned(), facts.of(*fact).count));
        all.filter(|(_, count)| *count > 0).collect()
    };
    let operation = documented.map(|documented| documented.find(&row.route, &row.method));
    let credentials = counts(&CREDENTIALS);
    let shapes = &row.shapes;
    RouteReport {
        route: row.route.to_string(),
        method: row.method.to_string(),
        requests: row.total,
        first_seen: row.first.timestamp(),
        last_seen: row.last.timestamp(),
        hosts: by_count(&row.hosts),
        ports: row.ports.iter().map(|(port, _)| *port).collect(),
        clients: row.clients.count().min(row.total),
        statuses: sorted(&row.statuses),
        errors: row.status_count(|status| status >= 400),
        with_credentials: credentials
            .iter()
            .fold(0, |sum: u64, (_, count)| sum.saturating_add(u64::from(*count))),
        credentials,
        refused: row.status_count(|status| matches!(status, 401 | 403)),
        unauthenticated: count(Fact::AnonymousOk),
        logins: count(Fact::Login),
        data_in: data(row, false),
        data_out: data(row, true),
        request_types: by_count(&row.request_media),
        response_types: by_count(&row.response_media),
        parameters: shapes.query.members.iter().map(|(name, _)| name.to_string()).collect(),
        cookies: row.cookies.iter().map(|cookie| cookie.name.to_string()).collect(),
        documented: operation.as_ref().map(Option::is_some),
        deprecated: facts.has(Fact::Deprecated)
            || operation.flatten().is_some_and(|operation| operation.deprecated),
        transport: counts(&[
            (Fact::Clear, "clear"),
            (Fact::Inside, "proxy"),
            (Fact::Tls12, "1.2"),
            (Fact::Tls13, "1.3"),
        ]),
        rate_limited: is_limited(row),
        paged: is_paged(row),
        bytes_in: row.bytes_in,
        bytes_out: row.bytes_out,
    }
}

/// Whether limits of rates are told, or were reached.
pub(super) fn is_limited(row: &Row) -> bool {
    row.facts.has(Fact::RateHeaders) || row.facts.has(Fact::TooMany)
}

/// Whether a part of a list can be asked for.
pub(super) fn is_paged(row: &Row) -> bool {
    let facts = &row.facts;
    facts.has(Fact::Paged) || facts.has(Fact::LinkNext) || facts.has(Fact::ListNext)
}

/// Kinds of data: from the names of fields, and from what inspection found.
pub(super) fn data(row: &Row, is_response: bool) -> Vec<String> {
    let shapes = &row.shapes;
    let shapes =
        if is_response { vec![&shapes.answer] } else { vec![&shapes.query, &shapes.json, &shapes.form] };
    let mut kinds: Vec<String> = names::kinds(&shapes).into_iter().map(str::to_owned).collect();
    for found in row.found.iter().filter(|found| found.is_response == is_response) {
        let is_data = matches!(&*found.kind, "data-exposure" | "key-exposure");
        if is_data
            && !super::findings::is_leak(&found.class)
            && &*found.class != "cleartext"
            && !kinds.iter().any(|kind| **kind == *found.class)
        {
            kinds.push(found.class.to_string());
        }
    }
    kinds
}

fn by_count(list: &[(Box<str>, u32)]) -> Vec<String> {
    let mut list: Vec<_> = list.iter().collect();
    list.sort_by(|(one, few), (other, many)| many.cmp(few).then_with(|| one.cmp(other)));
    list.into_iter().map(|(text, _)| text.to_string()).collect()
}

fn sorted(list: &[(u16, u32)]) -> Vec<(u16, u32)> {
    let mut list = list.to_vec();
    list.sort_unstable();
    list
}

/// The earliest and the latest of some times.
pub(super) fn span(all: &[Times]) -> Times {
    let mut span = Times::default();
    all.iter().for_each(|times| span.merge(times));
    span
}
