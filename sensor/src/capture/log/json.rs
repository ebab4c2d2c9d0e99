//! Lines of JSON, by the names of their fields.

use serde_json::Value;

use super::Recorded;
use super::field::{Clock, Escape, Field, Unreadable};
use super::layout::{LayoutError, check};

/// Where fields are: names from the outermost object inwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Paths(Vec<(Field, Vec<String>)>);

impl Paths {
    /// Of `field=path field=path`, in which a path is `name` or `outer.inner`.
    pub(super) fn new(text: &str) -> Result<Self, LayoutError> {
        let mut paths = Vec::new();
        for part in text.split_whitespace() {
            let wrong = || LayoutError::Part(part.to_owned());
            let (name, path) = part.split_once('=').filter(|(_, path)| !path.is_empty()).ok_or_else(wrong)?;
            let field = field(name).ok_or_else(wrong)?;
            paths.push((field, path.split('.').map(ToOwned::to_owned).collect()));
        }
        check(paths.iter().map(|(field, _)| field))?;
        Ok(Self(paths))
    }

    pub(super) fn read(&self, line: &[u8], out: &mut Recorded) -> Result<(), Unreadable> {
        let value: Value = serde_json::from_slice(line).ok().ok_or(Unreadable::Format)?;
        for (field, path) in &self.0 {
            let Some(found) = find(&value, path) else { continue };
            // Of the values of a repeated header, the last.
            let found = found.as_array().map_or(Some(found), |values| values.last());
            match found {
                Some(Value::String(text)) => field.read(text.as_bytes(), Escape::None, out)?,
                Some(Value::Number(number)) => {
                    field.read(plain(number).as_bytes(), Escape::None, out)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Without an exponent.
fn plain(number: &serde_json::Number) -> String {
    let text = number.to_string();
    match number.as_f64() {
        Some(value) if text.contains(['e', 'E']) => format!("{value:.9}"),
        _ => text,
    }
}

/// The value at a path. A name may contain dots itself: `http.request.method` is also looked for as one name.
fn find<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let inner =
        value.get(first).and_then(|inner| if rest.is_empty() { Some(inner) } else { find(inner, rest) });
    inner.or_else(|| value.get(path.join(".")))
}

fn field(name: &str) -> Option<Field> {
    Some(match name {
        "time" => Field::Time { clock: Clock::Either, began: false },
        "began" => Field::Time { clock: Clock::Either, began: true },
        "client" => Field::ClientAndPort,
        "port" => Field::ClientPort,
        "server" => Field::Server,
        "server_port" => Field::ServerPort,
        "request" => Field::Request,
        "method" => Field::Method,
        "target" => Field::Target,
        "query" => Field::Query,
        "protocol" => Field::Protocol,
        "status" => Field::Status,
        "bytes" => Field::ResponseBytes,
        "received" => Field::RequestBytes,
        "seconds" => Field::Duration(1_000_000_000),
        "milliseconds" => Field::Duration(1_000_000),
        "microseconds" => Field::Duration(1_000),
        "nanoseconds" => Field::Duration(1),
        "host" => Field::Host,
        _ => Field::Header(name.strip_prefix("header:")?.to_ascii_lowercase().into()),
    })
}
