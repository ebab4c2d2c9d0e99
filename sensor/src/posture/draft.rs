//! A draft OpenAPI 3.1 document of what was seen. A person completes it: names and types are there, meanings are not.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::fact::Fact;
use super::inventory::Snapshot;
use super::merge::merged;
use super::names::is_json;
use super::report::Ask;
use super::row::{Row, Shapes};
use super::schemas::{parameter, schema};
use super::shape::Shape;
use crate::route::anonymous;

/// Requests from which on a parameter that all of them have is called required.
const ENOUGH: u32 = 5;
/// Servers that are listed.
const SERVERS: usize = 8;

/// A document of all routes that were answered with success, or refused for want of credentials.
#[must_use]
pub fn draft(snapshot: &Snapshot, ask: &Ask<'_>) -> Value {
    let mut rows = merged(&snapshot.rows);
    let is_there = |row: &Row| row.status_count(|status| matches!(status, 200..=399 | 401 | 403)) > 0;
    rows.retain(|row| ask.route.is_none_or(|wanted| row.route.contains(wanted)) && is_there(row));
    rows.retain(|row| !matches!(&*row.method, "other" | "CONNECT" | "OPTIONS"));
    let mut by_path: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for row in &rows {
        by_path.entry(anonymous(&row.route)).or_default().push(row);
    }
    let mut paths = Map::new();
    let (mut schemes, mut names) = (BTreeMap::new(), BTreeSet::new());
    for rows in by_path.values() {
        let Some(first) = rows.first() else { continue };
        let (path, parameters) = named(&first.route);
        let mut item = Map::new();
        for row in methods(rows) {
            let operation = operation(&row, (&path, &parameters), &mut names, &mut schemes);
            item.insert(row.method.to_ascii_lowercase(), operation);
        }
        paths.insert(path, Value::Object(item));
    }
    let description = format!(
        "Drafted by sensor from {} exchanges between {} and {}.",
        snapshot.counters.exchanges, snapshot.since, snapshot.at
    );
    let mut document = json!({
        "openapi": "3.1.0",
        "info": { "title": "Draft from traffic", "version": "0.0.0", "description": description },
        "servers": servers(&rows),
        "paths": paths,
    });
    if !schemes.is_empty()
        && let Some(document) = document.as_object_mut()
    {
        document.insert("components".to_owned(), json!({ "securitySchemes": schemes }));
    }
    document
}

/// One row for each method: identifiers of different forms are one path of the document.
fn methods<'r>(rows: &[&'r Row]) -> Vec<Cow<'r, Row>> {
    let mut methods: BTreeMap<&str, Cow<'r, Row>> = BTreeMap::new();
    for row in rows {
        methods
            .entry(&row.method)
            .and_modify(|known| known.to_mut().merge(row))
            .or_insert_with(|| Cow::Borrowed(*row));
    }
    methods.into_values().collect()
}

/// Where the API is, most frequent first.
fn servers(rows: &[Cow<'_, Row>]) -> Value {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for row in rows {
        let is_tls = row.facts.has(Fact::Tls12) || row.facts.has(Fact::Tls13);
        let scheme = if is_tls { "https" } else { "http" };
        for (host, count) in &row.hosts {
            let known = counts.entry(format!("{scheme}://{host}")).or_default();
            *known = known.saturating_add(u64::from(*count));
        }
    }
    let mut servers: Vec<_> = counts.into_iter().collect();
    servers.sort_by(|(one, few), (other, many)| many.cmp(few).then_with(|| one.cmp(other)));
    let servers: Vec<Value> =
        servers.into_iter().take(SERVERS).map(|(url, _)| json!({ "url": url })).collect();
    if servers.is_empty() { json!([{ "url": "/" }]) } else { Value::Array(servers) }
}

/// The path with a name for each parameter, and the names. Learned templates say of what form a segment is; a
/// document needs what it stands for, which the segment before tells best.
fn named(route: &str) -> (String, Vec<String>) {
    let mut names: Vec<String> = Vec::new();
    let mut before = "";
    let mut segments = Vec::new();
    for segment in route.split('/') {
        let parts = segment.split_once('{').and_then(|(start, rest)| Some((start, rest.split_once('}')?)));
        let Some((start, (label, end))) = parts else {
            before = segment;
            segments.push(segment.to_owned());
            continue;
        };
        let wanted = match label {
            "id" | "uuid" | "hex" | "token" | "param" | "long" => stem(before),
            "..." => "rest".to_owned(),
            label => label.to_owned(),
        };
        let mut name = wanted.clone();
        let mut number = 2_u32;
        while names.contains(&name) {
            name = format!("{wanted}{number}");
            number = number.saturating_add(1);
        }
        segments.push(format!("{start}{{{name}}}{end}"));
        names.push(name);
    }
    (segments.join("/"), names)
}

/// `users` is `userId`.
fn stem(before: &str) -> String {
    let word: String = before.chars().filter(|character| character.is_ascii_alphanumeric()).collect();
    let single = match (word.strip_suffix("ies"), word.strip_suffix('s')) {
        (Some(stem), _) => format!("{stem}y"),
        (None, Some(stem)) if !stem.ends_with('s') => stem.to_owned(),
        _ => word,
    };
    if single.is_empty() { "id".to_owned() } else { format!("{single}Id") }
}

fn operation(
    row: &Row,
    (path, names): (&str, &[String]),
    known: &mut BTreeSet<String>,
    schemes: &mut BTreeMap<&'static str, Value>,
) -> Value {
    let mut operation = Map::new();
    operation.insert("operationId".to_owned(), json!(operation_id(&row.method, path, known)));
    if row.facts.has(Fact::Deprecated) {
        operation.insert("deprecated".to_owned(), json!(true));
    }
    let parameters = parameters(&row.shapes, names);
    if !parameters.is_empty() {
        operation.insert("parameters".to_owned(), Value::Array(parameters));
    }
    if let Some(body) = body(row) {
        operation.insert("requestBody".to_owned(), body);
    }
    operation.insert("responses".to_owned(), responses(row));
    let security = security(row, schemes);
    if !security.is_empty() {
        operation.insert("security".to_owned(), Value::Array(security));
    }
    Value::Object(operation)
}

/// `getUsersUserIdOrders`
fn operation_id(method: &str, path: &str, known: &mut BTreeSet<String>) -> String {
    let mut name = method.to_ascii_lowercase();
    for word in
        path.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
    {
        let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
        name.push_str(&first.to_ascii_uppercase());
        name.push_str(rest);
    }
    let mut unique = name.clone();
    let mut number = 2_u32;
    while !known.insert(unique.clone()) {
        unique = format!("{name}{number}");
        number = number.saturating_add(1);
    }
    unique
}

fn parameters(shapes: &Shapes, names: &[String]) -> Vec<Value> {
    let nothing = Shape::default();
    let in_path = names.iter().enumerate().map(|(place, name)| {
        let shape = shapes.path.get(place).unwrap_or(&nothing);
        let schema = if shape.is_empty() { json!({ "type": "string" }) } else { schema(shape) };
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    });
    let mut query: Vec<_> = shapes.query.members.iter().collect();
    query.sort_by(|one, other| one.0.cmp(&other.0));
    let in_query = query.into_iter().map(|(name, shape)| {
        let mut told = json!({ "name": name, "in": "query", "schema": parameter(shape) });
        if shapes.requests >= ENOUGH
            && shape.seen >= shapes.requests
            && let Some(told) = told.as_object_mut()
        {
            told.insert("required".to_owned(), json!(true));
        }
        told
    });
    in_path.chain(in_query).collect()
}

fn body(row: &Row) -> Option<Value> {
    let shapes = &row.shapes;
    let mut content = Map::new();
    for (media, _) in &row.request_media {
        let shape = if is_json(media.as_bytes()) { &shapes.json } else { &shapes.form };
        let is_form = matches!(&**media, "application/x-www-form-urlencoded" | "multipart/form-data");
        let schema = if is_json(media.as_bytes()) || is_form { schema(shape) } else { json!({}) };
        content.insert(media.to_string(), json!({ "schema": schema }));
    }
    (!content.is_empty()).then(|| json!({ "content": content, "required": true }))
}

fn responses(row: &Row) -> Value {
    let mut statuses: Vec<u16> = row.statuses.iter().map(|(status, _)| *status).collect();
    statuses.retain(|status| (100..600).contains(status));
    statuses.sort_unstable();
    let mut responses = Map::new();
    for status in statuses {
        let (media, shape) = match status {
            204 | 205 | 300..=399 => (&[][..], &row.shapes.answer),
            200..=299 => (row.response_media.as_slice(), &row.shapes.answer),
            _ => (row.error_media.as_slice(), &row.shapes.error),
        };
        let content: Map<String, Value> = media
            .iter()
            .map(|(media, _)| {
                let schema = if is_json(media.as_bytes()) { schema(shape) } else { json!({}) };
                (media.to_string(), json!({ "schema": schema }))
            })
            .collect();
        let mut response = json!({ "description": reason(status) });
        if !content.is_empty()
            && let Some(response) = response.as_object_mut()
        {
            response.insert("content".to_owned(), Value::Object(content));
        }
        responses.insert(status.to_string(), response);
    }
    Value::Object(responses)
}

/// The phrases of RFC 9110, section 15, of the statuses that APIs answer with most.
const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Other",
    }
}

/// The kinds of credentials that were accepted.
fn security(row: &Row, schemes: &mut BTreeMap<&'static str, Value>) -> Vec<Value> {
    let mut security = Vec::new();
    if !row.facts.has(Fact::CredentialsOk) {
        return security;
    }
    let cookie = row.cookies.iter().find(|cookie| cookie.flaws & super::heads::flaw::SESSION != 0);
    let cookie = cookie.map_or("session", |cookie| &cookie.name);
    let all = [
        (Fact::Jwt, "jwt", json!({ "type": "http", "scheme": "bearer", "bearerFormat": "JWT" })),
        (Fact::Bearer, "bearer", json!({ "type": "http", "scheme": "bearer" })),
        (Fact::Basic, "basic", json!({ "type": "http", "scheme": "basic" })),
        (
            Fact::ApiKey,
            "apiKey",
            json!({ "type": "apiKey", "in": "header", "name": "X-API-Key", "description": "the name is not recorded" }),
        ),
        (Fact::Session, "session", json!({ "type": "apiKey", "in": "cookie", "name": cookie })),
    ];
    for (fact, name, scheme) in all {
        if row.facts.has(fact) {
            schemes.entry(name).or_insert(scheme);
            security.push(json!({ name: [] }));
        }
    }
    if row.facts.has(Fact::AnonymousOk) && !security.is_empty() {
        security.push(json!({}));
    }
    security
}
