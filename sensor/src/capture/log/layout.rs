//! Formats, as the configurations of servers write them.

use super::field::{Clock, Escape, Field, Unreadable};
use super::{Recorded, json};

/// Maximum length of a format.
const MAX_FORMAT: usize = 4_096;
/// Maximum fields of one.
const MAX_FIELDS: usize = 128;

/// Formats with a name, and what they stand for.
pub const PRESETS: [(&str, &str); 7] = [
    ("common", r#"%h %l %u %t "%r" %>s %b"#),
    ("combined", r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i""#),
    (
        "nginx",
        r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#,
    ),
    ("haproxy", HAPROXY),
    (
        "envoy",
        r#"[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%""#,
    ),
    (
        "caddy",
        "json time=ts client=request.remote_ip port=request.remote_port method=request.method target=request.uri \
         protocol=request.proto host=request.host status=status bytes=size received=bytes_read seconds=duration \
         header:User-Agent=request.headers.User-Agent header:Referer=request.headers.Referer \
         header:X-Forwarded-For=request.headers.X-Forwarded-For",
    ),
    (
        "traefik",
        "json began=StartUTC client=ClientHost port=ClientPort method=RequestMethod target=RequestPath \
         protocol=RequestProtocol host=RequestHost status=DownstreamStatus bytes=DownstreamContentSize \
         received=RequestContentSize nanoseconds=Duration header:User-Agent=request_User-Agent \
         header:Referer=request_Referer",
    ),
];

/// HAProxy's HTTP log format (`option httplog`), behind whatever syslog writes before it.
const HAPROXY: &str = "haproxy";

/// What is wrong with a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// It is neither a name nor a format.
    #[error(
        "`{0}` is neither the name of a log format (common, combined, nginx, haproxy, envoy, caddy, traefik) nor one: \
         expected nginx's `$variables`, Apache's or Envoy's `%directives`, or `json field=path ...`"
    )]
    Unknown(String),
    /// A part is not known.
    #[error(
        "`{0}` is not known; parts that the sensor does not need are ignored only if they are written as the server writes them"
    )]
    Part(String),
    /// Nothing tells where the first of two fields ends.
    #[error("nothing separates `{0}` from the next field, so its end is unknown")]
    Adjacent(String),
    /// It cannot be read without this.
    #[error("the format has no {0}")]
    Lacks(&'static str),
    /// There is too much of it.
    #[error("a format has at most 4,096 characters and 128 fields")]
    TooLong,
}

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(Box<[u8]>),
    Field(Field),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Text {
        pieces: Vec<Piece>,
        escape: Escape,
    },
    /// Behind the process's name that syslog writes.
    Haproxy {
        pieces: Vec<Piece>,
    },
    Json(json::Paths),
}

/// How a log's lines are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout(Form);

impl Layout {
    /// Of a preset's name, or of a format.
    ///
    /// # Errors
    /// If it is neither, or an exchange could not be read with it.
    pub fn new(text: &str) -> Result<Self, LayoutError> {
        let text = text.trim();
        if text.len() > MAX_FORMAT {
            return Err(LayoutError::TooLong);
        }
        if text == HAPROXY {
            return Ok(Self(Form::Haproxy { pieces: haproxy() }));
        }
        let text = PRESETS.iter().find(|(name, _)| *name == text).map_or(text, |(_, format)| format);
        if let Some(fields) = text.strip_prefix("json ") {
            return Ok(Self(Form::Json(json::Paths::new(fields)?)));
        }
        let is_envoy = text.contains("%REQ(") || text.contains("%START_TIME");
        let (pieces, escape) = match (is_envoy, text.contains('%'), text.contains('$')) {
            (true, ..) => (parts(text, envoy)?, Escape::None),
            (false, true, _) => (parts(text, apache)?, Escape::Backslash),
            (false, false, true) => (parts(text, nginx)?, Escape::Backslash),
            (false, false, false) => return Err(LayoutError::Unknown(text.chars().take(64).collect())),
        };
        let pieces = joined(pieces)?;
        check(pieces.iter().filter_map(|piece| match piece {
            Piece::Field(field) => Some(field),
            Piece::Text(_) => None,
        }))?;
        Ok(Self(Form::Text { pieces, escape }))
    }

    /// Reads a line, without its end.
    ///
    /// # Errors
    /// If it does not have this format, or lacks what every exchange has.
    pub fn read(&self, line: &[u8], out: &mut Recorded) -> Result<(), Unreadable> {
        out.clear();
        match &self.0 {
            Form::Text { pieces, escape } => read(pieces, *escape, line, out)?,
            Form::Haproxy { pieces } => read(pieces, Escape::Hash, behind_syslog(line), out)?,
            Form::Json(paths) => paths.read(line, out)?,
        }
        out.complete()
    }
}

/// What cannot be missing.
pub(super) fn check<'a>(fields: impl Iterator<Item = &'a Field> + Clone) -> Result<(), LayoutError> {
    let has = |wanted: fn(&Field) -> bool| fields.clone().any(wanted);
    let lacks = [
        (
            has(|field| matches!(field, Field::Client | Field::ClientAndPort | Field::Forwarded)),
            "client address",
        ),
        (has(|field| matches!(field, Field::Time { .. })), "time"),
        (
            has(|field| matches!(field, Field::Request))
                || has(|field| matches!(field, Field::Method)) && has(|field| matches!(field, Field::Target)),
            "request line (or method and target)",
        ),
        (has(|field| matches!(field, Field::Status)), "status"),
    ];
    lacks.into_iter().find(|(has, _)| !has).map_or(Ok(()), |(_, what)| Err(LayoutError::Lacks(what)))
}

/// Splits a format into texts and fields.
fn parts(
    format: &str,
    next: fn(&str) -> Result<Option<(Field, usize)>, LayoutError>,
) -> Result<Vec<Piece>, LayoutError> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        if let Some((field, length)) = next(rest)? {
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text).into_bytes().into()));
            }
            pieces.push(Piece::Field(field));
            rest = rest.get(length..).unwrap_or_default();
        } else {
            // Apache's configuration escapes quotes, and writes a percent sign twice.
            let skipped = usize::from(rest.starts_with("\\\"") || rest.starts_with("%%"));
            let taken = rest.get(skipped..).and_then(|rest| rest.chars().next()).unwrap_or(first);
            text.push(taken);
            rest = rest.get(skipped.saturating_add(taken.len_utf8())..).unwrap_or_default();
        }
        if pieces.len() > MAX_FIELDS.saturating_mul(2) {
            return Err(LayoutError::TooLong);
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text.into_bytes().into()));
    }
    Ok(pieces)
}

/// A path and a query beside each other are a target; of other neighbours nobody knows where the first ends.
fn joined(pieces: Vec<Piece>) -> Result<Vec<Piece>, LayoutError> {
    let mut joined: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match (joined.last_mut(), &piece) {
            (Some(Piece::Field(before)), Piece::Field(Field::Query)) if *before == Field::Target => {}
            (Some(Piece::Field(before)), Piece::Field(_)) => {
                return Err(LayoutError::Adjacent(before.to_string()));
            }
            _ => joined.push(piece),
        }
    }
    Ok(joined)
}

fn read(pieces: &[Piece], escape: Escape, line: &[u8], out: &mut Recorded) -> Result<(), Unreadable> {
    let mut rest = line;
    let mut pieces = pieces.iter().peekable();
    while let Some(piece) = pieces.next() {
        match piece {
            Piece::Text(text) => {
                rest = rest.strip_prefix(&**text).ok_or(Unreadable::Format)?;
            }
            Piece::Field(field) => {
                let end = match pieces.peek() {
                    Some(Piece::Text(text)) => escape.end(rest, text).ok_or(Unreadable::Format)?,
                    _ => rest.len(),
                };
                let (value, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
                field.read(value, escape, out)?;
                rest = after;
            }
        }
    }
    Ok(())
}

/// The name at the start, of letters, digits and underscores.
fn name(text: &str) -> &str {
    let end = text.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    text.get(..end.unwrap_or(text.len())).unwrap_or_default()
}

/// <https://nginx.org/en/docs/varindex.html>
fn nginx(rest: &str) -> Result<Option<(Field, usize)>, LayoutError> {
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
fn apache(rest: &str) -> Result<Option<(Field, usize)>, LayoutError> {
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
fn envoy(rest: &str) -> Result<Option<(Field, usize)>, LayoutError> {
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
fn haproxy() -> Vec<Piece> {
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

/// What follows `haproxy[123]: `, if syslog wrote the line.
fn behind_syslog(line: &[u8]) -> &[u8] {
    let bracket = memchr::memmem::find(line, b"]: ");
    let quote = memchr::memchr(b'"', line).unwrap_or(line.len());
    bracket
        .filter(|place| *place < quote)
        .and_then(|place| line.get(place.saturating_add(3)..))
        .unwrap_or(line)
}
