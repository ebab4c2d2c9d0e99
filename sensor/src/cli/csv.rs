//! Records as comma-separated values (RFC 4180), for spreadsheets.

use serde_json::Value;

use crate::printable::printable;

/// A table of records: a header line, then a line for each. Columns come in the order in which they first appear; those of
/// nested records have a dot in their name. A list of values is one cell, separated by spaces; what is deeper is JSON.
///
/// Text that a spreadsheet would take for a formula gets an apostrophe before it: paths and names are whatever clients sent
/// (<https://owasp.org/www-community/attacks/CSV_Injection>).
///
/// # Errors
/// Where a record cannot be written, which memory alone decides.
pub(super) fn table(records: &[Value]) -> Result<String, csv::Error> {
    let rows: Vec<Vec<(String, String)>> = records.iter().map(flat).collect();
    let mut columns: Vec<&str> = Vec::new();
    for (name, _) in rows.iter().flatten() {
        if !columns.contains(&name.as_str()) {
            columns.push(name);
        }
    }
    // When it was comes first, as in a log.
    columns.sort_by_key(|column| *column != "ts");
    let mut writer = csv::Writer::from_writer(Vec::new());
    if !columns.is_empty() {
        writer.write_record(&columns)?;
    }
    for row in &rows {
        let cell = |column: &&str| row.iter().find(|(name, _)| name == column).map_or("", |(_, text)| text);
        writer.write_record(columns.iter().map(cell))?;
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

/// The values of a record by their columns.
fn flat(record: &Value) -> Vec<(String, String)> {
    let mut cells = Vec::new();
    add("", record, &mut cells);
    cells
}

fn add(name: &str, value: &Value, cells: &mut Vec<(String, String)>) {
    let Value::Object(fields) = value else {
        cells.push((if name.is_empty() { "value".to_owned() } else { name.to_owned() }, cell(value)));
        return;
    };
    for (key, field) in fields {
        let column = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
        add(&column, field, cells);
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
        Value::String(text) => harmless(text),
        Value::Array(values) if values.iter().any(|value| value.is_object() || value.is_array()) => {
            harmless(&value.to_string())
        }
        Value::Array(values) => {
            let words: Vec<String> = values.iter().map(plain).collect();
            harmless(&words.join(" "))
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// Safe for a terminal, and no formula.
fn harmless(text: &str) -> String {
    let text = printable(text);
    if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn records_become_lines() {
        let records = [
            json!({"ts": "2026-11-28T10:30:00Z", "path": "/a,b\"c", "status": 200, "tls": {"version": "1.3"}}),
            json!({"ts": "2026-11-28T10:30:01Z", "path": null, "offset": -5, "anomalies": ["bare_lf", "nul_byte"]}),
            json!({"path": "=HYPERLINK(\"x\")\u{1b}[2J", "samples": [{"a": 1}]}),
        ];
        assert_eq!(
            table(&records).unwrap(),
            "ts,path,status,tls.version,anomalies,offset,samples\n\
             2026-11-28T10:30:00Z,\"/a,b\"\"c\",200,1.3,,,\n\
             2026-11-28T10:30:01Z,,,,bare_lf nul_byte,-5,\n\
             ,\"'=HYPERLINK(\"\"x\"\")\\u{1b}[2J\",,,,,\"[{\"\"a\"\":1}]\""
        );
    }

    #[test]
    fn no_records_are_no_lines() {
        assert_eq!(table(&[]).unwrap(), "");
    }
}
