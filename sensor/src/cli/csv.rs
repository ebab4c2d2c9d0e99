//! Records as comma-separated values (RFC 4180), for spreadsheets and scripts. Each list has fixed columns, whatever
//! its content.

use serde_json::Value;

use crate::printable::printable;

/// The kind of list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    Alerts,
    Incidents,
    Audit,
    Exchanges,
    Clients,
    ClientsBy,
    Routes,
    Blocks,
    Allows,
    Limits,
}

impl List {
    /// The columns: each a dotted path of a value in the record, or another name and that path.
    const fn columns(self) -> &'static str {
        match self {
            Self::Alerts => {
                "ts id detector severity confidence owasp client subject summary window.start window.end action until \
                 reason_no_action evidence groups"
            }
            Self::Incidents => {
                "ts=known id state detector severity confidence owasp client subject summary first last over attempts clients \
                 blocked limited unlisted action until reason_no_action step told evidence groups"
            }
            Self::Audit => {
                "ts id what subject cause.by cause.detector cause.user cause.uid cause.pid alert_id until detail"
            }
            Self::Exchanges => {
                "ts client client_port server server_port peer http_version method host path object route query_keys status \
                 request_bytes response_bytes duration_us user_agent content_type principal login cross_site source \
                 tls.version tls.sni tls.alpn tls.ja4 gaps proven anomalies websocket.duration_us \
                 websocket.client_messages websocket.client_bytes websocket.server_messages websocket.server_bytes"
            }
            Self::Clients => {
                "client rates.packets rates.bits rates.requests rates.drops rates.failures packets bytes requests drops \
                 failures standing.is standing.by standing.until incident.id incident.severity names"
            }
            Self::Routes => {
                "method route rates.requests rates.client_errors rates.server_errors recent.requests recent.client_errors \
                 recent.server_errors p50_us p99_us total.requests total.client_errors total.server_errors"
            }
            Self::ClientsBy => {
                "group organization clients rates.packets rates.bits rates.requests rates.drops rates.failures packets \
                 bytes requests drops failures"
            }
            Self::Blocks => "prefix until since origin reason",
            Self::Allows => "prefix since origin reason",
            Self::Limits => {
                "scope origin limits.packets limits.bits limits.connections limits.requests unconfirmed_until"
            }
        }
    }
}

/// A table of records: a header line, then one line each. A list of values is one cell, separated by spaces; so is a
/// nested record, as `name=value`.
///
/// Text that a spreadsheet would evaluate as a formula gets a leading apostrophe: clients choose paths and names
/// (<https://owasp.org/www-community/attacks/CSV_Injection>).
///
/// # Errors
/// If a record cannot be written, which only lack of memory causes.
pub(super) fn table(list: List, records: &[Value]) -> Result<String, csv::Error> {
    let columns: Vec<(&str, &str)> =
        list.columns().split(' ').map(|column| column.split_once('=').unwrap_or((column, column))).collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns.iter().map(|(name, _)| name))?;
    for record in records {
        writer
            .write_record(columns.iter().map(|(_, place)| at(record, place).map(cell).unwrap_or_default()))?;
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

/// The value at a path.
fn at<'a>(record: &'a Value, place: &str) -> Option<&'a Value> {
    place.split('.').try_fold(record, |value, key| value.get(key))
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        // A number may start with a minus; it is no formula.
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(_) | Value::Object(_) | Value::Array(_) => harmless(&plain(value)),
    }
}

/// As words. Lists within a record, such as the exchanges of evidence, are omitted: they do not fit into a cell.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(" "),
        Value::Object(fields) => {
            let is_simple =
                |value: &&Value| !matches!(value, Value::Null | Value::Object(_) | Value::Array(_));
            let words = fields.iter().filter(|(_, value)| is_simple(value));
            words.map(|(name, value)| format!("{name}={}", plain(value))).collect::<Vec<_>>().join(" ")
        }
    }
}

/// Safe for a terminal, and not a formula.
fn harmless(text: &str) -> String {
    let text = printable(text);
    if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use documented::DocumentedFields as _;
    use serde_json::json;

    use super::*;
    use crate::decide::{Alert, Incident};

    const ALL: [List; 9] = [
        List::Alerts,
        List::Incidents,
        List::Audit,
        List::Exchanges,
        List::Clients,
        List::Routes,
        List::Blocks,
        List::Allows,
        List::Limits,
    ];

    #[test]
    fn records_become_lines() {
        let records = [
            json!({"prefix": "192.0.2.7/32", "since": "2026-11-28T10:30:00Z", "until": null, "origin": "command",
                   "reason": "=HYPERLINK(\"x\")\u{1b}[2J", "more": 1}),
            json!({"reason": "a,b\"c", "prefix": "192.0.2.8/32"}),
        ];
        assert_eq!(
            table(List::Blocks, &records).unwrap(),
            "prefix,until,since,origin,reason\n\
             192.0.2.7/32,,2026-11-28T10:30:00Z,command,\"'=HYPERLINK(\"\"x\"\")\\u{1b}[2J\"\n\
             192.0.2.8/32,,,,\"a,b\"\"c\""
        );
    }

    #[test]
    fn what_is_nested_is_words() {
        for (value, expected) in [
            (json!(-5), "-5"),
            (json!(["bare_lf", "nul_byte"]), "bare_lf nul_byte"),
            (json!({"accounts": 44, "ratio": 0.9, "exchanges": [{"a": 1}]}), "accounts=44 ratio=0.9"),
            (json!("-5"), "'-5"),
        ] {
            assert_eq!(cell(&value), expected);
        }
    }

    /// Scripts rely on columns: an empty list has them, too.
    #[test]
    fn an_empty_list_is_its_header() {
        for list in ALL {
            let header = table(list, &[]).unwrap();
            assert!(header.contains(',') && !header.contains(['\n', '=']), "{list:?}: {header}");
        }
        assert!(table(List::Incidents, &[]).unwrap().starts_with("ts,id,"));
    }

    /// Every column is a field of its record, under the name that the record gives it.
    #[test]
    fn columns_are_fields() {
        for (list, fields) in [(List::Alerts, Alert::FIELD_NAMES), (List::Incidents, Incident::FIELD_NAMES)] {
            let fields: Vec<&str> = fields.iter().flat_map(|name| name.split(", ")).collect();
            for column in list.columns().split(' ') {
                let place = column.split_once('=').map_or(column, |(_, place)| place);
                let key = place.split('.').next().unwrap();
                assert!(fields.contains(&key), "{list:?}: {column}");
            }
        }
    }
}
