//! Records of exchanges, and of the ends of WebSockets.

use serde_json::Value;

use super::{printable, seconds};
use crate::control::wire::counted;
use crate::event::Exchange;
use crate::tui::Latency;

/// One exchange on one line.
pub(in crate::cli) fn exchange(exchange: &Exchange<'_>) -> String {
    serde_json::to_value(exchange).map(|record| exchange_record(&record)).unwrap_or_default()
}

/// As [`exchange`], of its record.
pub(in crate::cli) fn exchange_record(record: &Value) -> String {
    let text = |key: &str| match record.get(key) {
        Some(Value::String(text)) => printable(text),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => "-".to_owned(),
    };
    let at = record.get("ts").cloned().and_then(|at| serde_json::from_value(at).ok());
    let at = at.map_or_else(|| text("ts"), seconds);
    let place = format!("{}{}", text("host"), text("path"));
    if let Some(socket) = record.get("websocket").filter(|socket| socket.is_object()) {
        return format!("{at} {} WebSocket {place} closed {}", text("client"), end_of_socket(socket));
    }
    let duration = Latency(record.get("duration_us").and_then(Value::as_u64));
    let mut line = format!(
        "{at} {} {} {place} {} {} bytes {duration}",
        text("client"),
        text("method"),
        text("status"),
        text("response_bytes")
    );
    let findings = record.get("anomalies").and_then(Value::as_array).into_iter().flatten();
    let findings: Vec<&str> = findings.filter_map(Value::as_str).collect();
    if !findings.is_empty() {
        line.push_str(&format!(" [{}]", findings.join(" ")));
    }
    line
}

/// What was sent in a WebSocket, and for how long it was open.
fn end_of_socket(socket: &Value) -> String {
    let number = |key: &str| socket.get(key).and_then(Value::as_u64);
    let of = |side: &str| {
        let [messages, bytes] = ["messages", "bytes"].map(|what| number(&format!("{side}_{what}")));
        format!("{} ({})", counted(messages.unwrap_or(0), "message"), counted(bytes.unwrap_or(0), "byte"))
    };
    let (client, server, duration) = (of("client"), of("server"), Latency(number("duration_us")));
    format!("after {duration}: {client} from the client, {server} from the server")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_exchange_and_the_end_of_a_websocket_are_a_line_each() {
        let mut record = json!({
            "ts": "2023-11-14T22:13:20.000000Z", "client": "192.0.2.7", "method": "GET", "host": "a.example",
            "path": "/chat", "status": 101, "response_bytes": 0, "duration_us": 1_500, "anomalies": ["bare_lf"],
        });
        let line = exchange_record(&record);
        assert!(line.ends_with(" 192.0.2.7 GET a.example/chat 101 0 bytes 1.5 ms [bare_lf]"), "{line}");
        record["websocket"] = json!({
            "duration_us": 61_000_000, "client_messages": 1, "client_bytes": 12, "server_messages": 40,
            "server_bytes": 9_000,
        });
        let line = exchange_record(&record);
        let expected = " 192.0.2.7 WebSocket a.example/chat closed after 61 s: 1 message (12 bytes) from the client, \
                        40 messages (9000 bytes) from the server";
        assert!(line.ends_with(expected), "{line}");
        record["websocket"] = json!(null);
        assert!(exchange_record(&record).contains(" GET "), "it is an exchange");
    }
}
