//! The values of a line's fields.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use super::{Recorded, Time};
use crate::capture::keylog::hex_pair;
use crate::clock::Timestamp;

/// Why a line cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Its parts are not those of the format.
    #[error("it does not have the configured format")]
    Format,
    /// A value is not what its field holds.
    #[error("its {0} cannot be read")]
    Value(&'static str),
    /// It lacks what every exchange has.
    #[error("it lacks {0}")]
    Missing(&'static str),
    /// It is longer than any server writes.
    #[error("it is longer than 64 KiB")]
    TooLong,
}

/// How a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// `10/Oct/2000:13:55:36 -0700`
    Common,
    /// The same in brackets.
    Bracketed,
    /// RFC 3339.
    Iso,
    /// Seconds since 1970, with a fraction.
    Seconds,
    Milliseconds,
    Microseconds,
    /// `06/Feb/2009:12:14:14.655`, in the host's time zone.
    Haproxy,
    /// A number of seconds since 1970, or RFC 3339.
    Either,
}

/// How bytes are written that a log cannot hold as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escape {
    None,
    /// `\x22`, `\"`, `\n`: nginx and Apache.
    Backslash,
    /// `#22`: HAProxy.
    Hash,
}

impl Escape {
    /// Where the text after a value begins.
    pub(super) fn end(self, rest: &[u8], text: &[u8]) -> Option<usize> {
        let mut from = 0_usize;
        loop {
            let at = from.saturating_add(memchr::memmem::find(rest.get(from..)?, text)?);
            let before = rest.get(..at).unwrap_or_default();
            let backslashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
            if self != Self::Backslash || text.first() != Some(&b'"') || backslashes.is_multiple_of(2) {
                return Some(at);
            }
            from = at.saturating_add(1);
        }
    }

    /// Appends the value as it was.
    fn undo(self, value: &[u8], out: &mut Vec<u8>) {
        let mut rest = value;
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            let (byte, taken) = match (self, first, after) {
                (Self::Backslash, b'\\', [b'x', high, low, ..]) => {
                    hex_pair(*high, *low).map_or((*first, 0), |byte| (byte, 3))
                }
                (Self::Backslash, b'\\', [letter, ..]) => match letter {
                    b'n' => (b'\n', 1),
                    b't' => (b'\t', 1),
                    b'r' => (b'\r', 1),
                    b'"' | b'\\' => (*letter, 1),
                    _ => (*first, 0),
                },
                (Self::Hash, b'#', [high, low, ..]) => {
                    hex_pair(*high, *low).map_or((*first, 0), |byte| (byte, 2))
                }
                _ => (*first, 0),
            };
            out.push(byte);
            rest = rest.get(taken..).unwrap_or_default();
        }
    }
}

/// What a part of a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Client,
    ClientAndPort,
    ClientPort,
    /// X-Forwarded-For, where nothing else names the client: its last address.
    Forwarded,
    Server,
    ServerPort,
    /// Whether it is when the request began; otherwise it is when the line was written.
    Time {
        clock: Clock,
        began: bool,
    },
    Request,
    Method,
    Target,
    Query,
    Protocol,
    Status,
    ResponseBytes,
    RequestBytes,
    /// In units of so many nanoseconds.
    Duration(u32),
    /// `10/0/30/69/109`: milliseconds, of which the last are the whole.
    LastOfTimers,
    Host,
    Header(Box<str>),
    Ignored,
}

impl fmt::Display for Field {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Client | Self::ClientAndPort => "client",
            Self::ClientPort => "client port",
            Self::Forwarded => "X-Forwarded-For",
            Self::Server => "server",
            Self::ServerPort => "server port",
            Self::Time { .. } => "time",
            Self::Request => "request",
            Self::Method => "method",
            Self::Target => "target",
            Self::Query => "query",
            Self::Protocol => "protocol",
            Self::Status => "status",
            Self::ResponseBytes => "bytes",
            Self::RequestBytes => "bytes received",
            Self::Duration(_) | Self::LastOfTimers => "duration",
            Self::Host => "host",
            Self::Header(name) => name,
            Self::Ignored => "an ignored field",
        })
    }
}

impl Field {
    /// Takes a value from a line.
    pub(super) fn read(&self, value: &[u8], escape: Escape, out: &mut Recorded) -> Result<(), Unreadable> {
        if matches!(value, b"-" | b"") {
            return Ok(());
        }
        let text = || str::from_utf8(value).unwrap_or_default();
        match self {
            Self::Client => {
                out.client = Some(address(text()).ok_or(Unreadable::Value("client's address"))?.0);
            }
            Self::ClientAndPort => {
                let (address, port) = address(text()).ok_or(Unreadable::Value("client's address"))?;
                (out.client, out.client_port) = (Some(address), port);
            }
            Self::Forwarded => {
                let last = text().rsplit(',').next().unwrap_or_default();
                out.client = out.client.or(address(last.trim()).map(|(address, _)| address));
            }
            Self::ClientPort => out.client_port = text().parse().unwrap_or_default(),
            Self::Server => out.server = address(text()).map(|(address, _)| address),
            Self::ServerPort => out.server_port = text().parse().unwrap_or_default(),
            Self::Time { clock, began } => {
                let time = clock.read(text()).ok_or(Unreadable::Value("time"))?;
                out.time = Some(if *began { Time::Began(time) } else { Time::Ended(time) });
            }
            Self::Request => request(value, escape, out),
            Self::Method => first(value, escape, &mut out.method),
            Self::Target => first(value, escape, &mut out.path),
            Self::Query => first(value, escape, &mut out.query),
            Self::Protocol => out.version = version(value),
            Self::Status => out.status = status(text())?,
            Self::ResponseBytes => out.response_bytes = text().parse().ok(),
            Self::RequestBytes => out.request_bytes = text().parse().ok(),
            Self::Duration(unit) => out.duration = duration(text(), *unit),
            Self::LastOfTimers => {
                out.duration = text()
                    .rsplit('/')
                    .next()
                    .and_then(|last| duration(last.trim_start_matches('+'), 1_000_000));
            }
            Self::Host => first(value, escape, &mut out.host),
            Self::Header(name) => {
                let mut plain = Vec::with_capacity(value.len());
                escape.undo(value, &mut plain);
                out.header(name.as_bytes(), &plain);
            }
            Self::Ignored => {}
        }
        Ok(())
    }
}

/// A format may hold the same thing twice (`$host` and `$http_host`, `$request_uri` and `$uri`): the first value counts.
fn first(value: &[u8], escape: Escape, out: &mut Vec<u8>) {
    if out.is_empty() {
        escape.undo(value, out);
    }
}

/// `GET /path HTTP/1.1`, of which the version is set apart.
fn request(value: &[u8], escape: Escape, out: &mut Recorded) {
    if !out.line.is_empty() {
        return;
    }
    let (line, protocol) = match memchr::memmem::rfind(value, b" HTTP/") {
        Some(place) => (value.get(..place), value.get(place.saturating_add(1)..)),
        None => (Some(value), None),
    };
    escape.undo(line.unwrap_or_default(), &mut out.line);
    out.version = protocol.and_then(version);
}

/// `HTTP/1.1`, `HTTP/2`, `HTTP/2.0`.
fn version(text: &[u8]) -> Option<(u8, u8)> {
    let number = str::from_utf8(text.strip_prefix(b"HTTP/")?).ok()?;
    let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// None where there was no response: 0, or HAProxy's -1. nginx's 000 is the same.
fn status(text: &str) -> Result<Option<u16>, Unreadable> {
    let status: i32 = text.parse().ok().ok_or(Unreadable::Value("status"))?;
    Ok(u16::try_from(status).ok().filter(|status| *status > 0))
}

/// An address with or without a port.
fn address(text: &str) -> Option<(IpAddr, u16)> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Some((address.to_canonical(), 0));
    }
    if let Ok(socket) = text.parse::<std::net::SocketAddr>() {
        return Some((socket.ip().to_canonical(), socket.port()));
    }
    // HAProxy writes IPv6 without brackets.
    let (address, port) = text.rsplit_once(':')?;
    Some((address.parse::<IpAddr>().ok()?.to_canonical(), port.parse().ok()?))
}

/// A number of units, with or without a fraction, in nanoseconds.
fn nanoseconds(text: &str, unit: u32) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: u64 = whole.parse().ok()?;
    let mut nanoseconds = whole.checked_mul(unit.into())?;
    let mut step = u64::from(unit);
    for digit in fraction.bytes() {
        step = step.checked_div(10)?;
        let digit = u64::from(char::from(digit).to_digit(10)?);
        nanoseconds = nanoseconds.checked_add(step.checked_mul(digit)?)?;
    }
    Some(nanoseconds)
}

fn duration(text: &str, unit: u32) -> Option<Duration> {
    nanoseconds(text, unit).map(Duration::from_nanos)
}

impl Clock {
    fn read(self, text: &str) -> Option<Timestamp> {
        let since = |unit| nanoseconds(text, unit).map(Timestamp::from_unix_nanos);
        match self {
            Self::Common => common(text),
            Self::Bracketed => common(text.strip_prefix('[')?.strip_suffix(']')?),
            Self::Iso => of(text.parse().ok()?),
            Self::Seconds => since(1_000_000_000),
            Self::Milliseconds => since(1_000_000),
            Self::Microseconds => since(1_000),
            Self::Haproxy => {
                let broken = strtime::parse("%d/%b/%Y:%H:%M:%S%.f", text).ok()?;
                let civil: DateTime = broken.to_datetime().ok()?;
                of(TimeZone::system().to_ambiguous_zoned_datetime(civil).compatible().ok()?.timestamp())
            }
            Self::Either => since(1_000_000_000).or_else(|| of(text.parse().ok()?)),
        }
    }
}

fn common(text: &str) -> Option<Timestamp> {
    of(strtime::parse("%d/%b/%Y:%H:%M:%S %z", text).ok()?.to_timestamp().ok()?)
}

fn of(time: jiff::Timestamp) -> Option<Timestamp> {
    u64::try_from(time.as_nanosecond()).ok().map(Timestamp::from_unix_nanos)
}
