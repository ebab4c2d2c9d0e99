//! The fields of formats, as servers name them.

use super::field::{Clock, Field};
use super::layout::{LayoutError, Next, Piece};

/// The name at the start, of letters, digits and underscores.
fn name(text: &str) -> &str {
    let end = text.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

/// <https://nginx.org/en/docs/varindex.html>
pub(super) fn nginx(rest: &str) -> Next {
    let Some(variable) = rest.strip_prefix('$') else { return Ok(None) };
    let (named, length) = match variable.strip_prefix('{') {
        Some(inner) => (name(inner), name(inner).len().saturating_add(3)),
        None => (name(variable), name(variable).len().saturating_add(1)),
    };
    let ended = |clock| Field::Time { clock, began: false };
    let field = match named {
        "" => return Err(LayoutError::Part(rest.chars().take(16).collect())),
        "remote_addr" | "realip_remote_addr" => Field::Client,
        "remote_port" => Field::ClientPort,
        "server_addr" => Field::Server,
        "server_port" => Field::ServerPort,
        "time_local" => ended(Clock::Common),
        "time_iso8601" => ended(Clock::Iso),
        "msec" => ended(Clock::Seconds),
        "request" => Field::Request,
        "request_method" => Field::Method,
        "request_uri" | "uri" | "document_uri" => Field::Target,
        "is_args" => Field::Ignored,
        "args" | "query_string" => Field::Query,
        "server_protocol" => Field::Protocol,
        "status" => Field::Status,
        "body_bytes_sent" => Field::ResponseBytes,
        "content_length" => Field::RequestBytes,
        "request_time" => Field::Duration(1_000_000_000),
        "host" | "http_host" => Field::Host,
        "content_type" => Field::Header("content-type".into()),
        other => match other.strip_prefix("http_") {
            Some(header) => Field::Header(header.replace('_', "-").into()),
            // There are modules with variables of their own.
            None => Field::Ignored,
        },
    };
    Ok(Some((field, length)))
}

/// <https://httpd.apache.org/docs/2.4/mod/mod_log_config.html>
pub(super) fn apache(rest: &str) -> Next {
    let Some(directive) = rest.strip_prefix('%').filter(|directive| !directive.starts_with('%')) else {
        return Ok(None);
    };
    let part = || LayoutError::Part(rest.chars().take(16).collect());
    // Conditions on the status, and which of two requests is meant after an internal redirect.
    let plain =
        directive.trim_start_matches(|letter: char| matches!(letter, '<' | '>' | '!' | ',' | '0'..='9'));
    let (argument, plain) = match plain.strip_prefix('{') {
        Some(inner) => inner.split_once('}').ok_or_else(part)?,
        None => ("", plain),
    };
    let letters = if plain.starts_with('^') { 3 } else { 1 };
    let letter = plain.get(..letters).ok_or_else(part)?;
    let length = rest.len().saturating_sub(plain.len()).saturating_add(letters);
    let field = match (letter, argument) {
        ("h" | "a", _) => Field::Client,
        ("A", _) => Field::Server,
        ("p", "remote") => Field::ClientPort,
        ("p", _) => Field::ServerPort,
        ("t", format) => {
            let (began, format) = match format.strip_prefix("end:") {
                Some(format) => (false, format),
                None => (true, format.strip_prefix("begin:").unwrap_or(format)),
            };
            let clock = match format {
                "" => Clock::Bracketed,
                "sec" => Clock::Seconds,
                "msec" => Clock::Milliseconds,
                "usec" => Clock::Microseconds,
                "%d/%b/%Y:%H:%M:%S %z" => Clock::Common,
                "%Y-%m-%dT%H:%M:%S%z" | "%FT%T%z" => Clock::Iso,
                _ => return Err(part()),
            };
            Field::Time { clock, began }
        }
        ("r", _) => Field::Request,
        ("m", _) => Field::Method,
        ("U", _) => Field::Target,
        ("q", _) => Field::Query,
        ("H", _) => Field::Protocol,
        ("s", _) => Field::Status,
        ("b" | "B", _) => Field::ResponseBytes,
        ("D", _) | ("T", "us") => Field::Duration(1_000),
        ("T", "ms") => Field::Duration(1_000_000),
        ("T", _) => Field::Duration(1_000_000_000),
        ("v" | "V", _) => Field::Host,
        ("i", "Host" | "host") => Field::Host,
        ("i", header) if !header.is_empty() => Field::Header(header.to_ascii_lowercase().into()),
        (
            "C" | "e" | "f" | "I" | "k" | "l" | "L" | "n" | "o" | "O" | "P" | "R" | "S" | "u" | "X" | "x"
            | "c",
            _,
        )
        | ("^FB" | "^ti" | "^to", _) => Field::Ignored,
        _ => return Err(part()),
    };
    Ok(Some((field, length)))
}

/// <https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage>
pub(super) fn envoy(rest: &str) -> Next {
    let Some(inner) = rest.strip_prefix('%') else { return Ok(None) };
    let part = || LayoutError::Part(rest.chars().take(32).collect());
    let (operator, _) = inner.split_once('%').ok_or_else(part)?;
    let length = operator.len().saturating_add(2);
    let name = operator.split(['(', ':']).next().unwrap_or_default();
    let argument = operator.split_once('(').map(|(_, rest)| rest.split(')').next().unwrap_or_default());
    let field = match (name, argument) {
        ("DOWNSTREAM_REMOTE_ADDRESS" | "DOWNSTREAM_DIRECT_REMOTE_ADDRESS", _) => Field::ClientAndPort,
        ("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" | "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT", _) => {
            Field::Client
        }
        ("DOWNSTREAM_LOCAL_ADDRESS", _) => Field::Ignored,
        ("START_TIME", None | Some("")) => Field::Time { clock: Clock::Iso, began: true },
        ("REQ", Some(header)) => {
            // The second name is taken where the first header is missing.
            let names = header.to_ascii_lowercase();
            match names.rsplit('?').next().unwrap_or_default() {
                ":method" => Field::Method,
                ":path" => Field::Target,
                ":authority" => Field::Host,
                // Envoy's default format has no other address of the client.
                "x-forwarded-for" => Field::Forwarded,
                other => Field::Header(other.into()),
            }
        }
        ("PROTOCOL", _) => Field::Protocol,
        ("RESPONSE_CODE", _) => Field::Status,
        ("BYTES_SENT", _) => Field::ResponseBytes,
        ("BYTES_RECEIVED", _) => Field::RequestBytes,
        ("DURATION", _) => Field::Duration(1_000_000),
        _ if name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_' || byte.is_ascii_digit()) => {
            Field::Ignored
        }
        _ => return Err(part()),
    };
    Ok(Some((field, length)))
}

/// `%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r`
/// (HAProxy's configuration manual, section 8.2.3). What was captured of headers may be missing, so the request line is
/// found by its quotation mark.
pub(super) fn haproxy() -> Vec<Piece> {
    let text = |text: &str| Piece::Text(text.as_bytes().into());
    let mut pieces = vec![
        Piece::Field(Field::ClientAndPort),
        text(" ["),
        Piece::Field(Field::Time { clock: Clock::Haproxy, began: true }),
        text("] "),
        Piece::Field(Field::Ignored),
        text(" "),
        Piece::Field(Field::Ignored),
        text(" "),
        Piece::Field(Field::LastOfTimers),
        text(" "),
        Piece::Field(Field::Status),
        text(" "),
        // Head and body together.
        Piece::Field(Field::Ignored),
        text(" "),
        Piece::Field(Field::Ignored),
        text(" \""),
        Piece::Field(Field::Request),
    ];
    pieces.push(text("\""));
    pieces
}
