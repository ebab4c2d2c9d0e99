//! Formats, as the configurations of servers write them.

use super::field::{Escape, Field, Unreadable};
use super::syntax::{apache, envoy, haproxy, nginx};
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

/// The field that a format begins with, if it does, and how long its name is.
pub(super) type Next = Result<Option<(Field, usize)>, LayoutError>;

/// Splits a format into texts and fields.
fn parts(format: &str, next: fn(&str) -> Next) -> Result<Vec<Piece>, LayoutError> {
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

/// What follows `haproxy[123]: `, if syslog wrote the line.
fn behind_syslog(line: &[u8]) -> &[u8] {
    let bracket = memchr::memmem::find(line, b"]: ");
    let quote = memchr::memchr(b'"', line).unwrap_or(line.len());
    bracket
        .filter(|place| *place < quote)
        .and_then(|place| line.get(place.saturating_add(3)..))
        .unwrap_or(line)
}
