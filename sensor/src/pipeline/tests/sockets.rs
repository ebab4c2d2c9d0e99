//! WebSockets, from segments on the wire to the records of their handshakes and their ends.

use serde_json::{Value, json};

use super::records::Wire;
use crate::capture::Flags;
use crate::clock::Timestamp;

const REQUEST: &str = "GET /rooms/42?token=8f14e45fceea167a5a36 HTTP/1.1\r\nHost: chat.example\r\n\
                       Authorization: Bearer 8f14e45fceea167a5a36dedd4bea2543\r\n\
                       Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

fn records(wire: &Wire) -> Vec<Value> {
    let records = wire.pipeline.observer().0.iter();
    records.map(|record| serde_json::from_str(record).unwrap()).collect()
}

#[test]
fn the_end_of_a_websocket_is_a_record_beside_that_of_its_handshake() {
    let mut wire = Wire::new();
    wire.open();
    wire.exchange(REQUEST, ANSWER);
    let open = |wire: &Wire| {
        let http = wire.pipeline.http();
        http.websockets_opened - http.websockets
    };
    assert_eq!((records(&wire).len(), open(&wire)), (1, 1), "the handshake is told at once");
    wire.send(true, Flags::ACK, b"\x81\x85masksecre\x89\x80mask");
    wire.send(false, Flags::ACK, b"\x82\x03xyz\x8a\x00\x01\x02ab\x80\x01c");
    wire.send(false, Flags(Flags::FIN.0 | Flags::ACK.0), "");
    wire.pipeline.finish(Timestamp::from_unix_micros(wire.now));
    let told = records(&wire);
    let [handshake, end] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((&handshake["status"], handshake.get("websocket")), (&json!(101), None));
    assert_eq!((&end["status"], &end["method"]), (&Value::Null, &Value::Null), "it is no exchange");
    assert_eq!(
        end["websocket"],
        json!({
            "opened": handshake["ts"], "duration_us": 3_000,
            "client_messages": 1, "client_bytes": 5, "client_control_frames": 1,
            "server_messages": 2, "server_bytes": 6, "server_control_frames": 1,
        })
    );
    assert_ne!(end["ts"], handshake["ts"], "it is told when it ends");
    let same = [
        "client",
        "client_port",
        "server",
        "server_port",
        "http_version",
        "host",
        "path",
        "object",
        "route",
        "principal",
        "source",
        "gaps",
        "proven",
    ];
    for key in same {
        assert_eq!(end[key], handshake[key], "{key}");
    }
    assert_eq!((&end["host"], &end["path"]), (&json!("chat.example"), &json!("/rooms/42")));
    assert!(end["principal"].is_string() && end["proven"] == true, "{end}");
    // Readers that know exchanges only find every field that an exchange always has.
    let always = handshake.as_object().unwrap().keys().filter(|key| *key != "findings");
    assert_eq!(always.filter(|key| end.get(key).is_none()).collect::<Vec<_>>(), [""; 0]);
    let text = wire.pipeline.observer().0.join("");
    assert!(!text.contains("8f14e45f") && !text.contains("secre\""), "{text}");
    // It counts as nothing else.
    let snapshot = wire.pipeline.snapshot();
    assert_eq!((snapshot.totals.exchanges, snapshot.http.exchanges, open(&wire)), (1, 1, 0));
    assert_eq!(snapshot.websockets_forgotten, 0);
}

#[test]
fn missing_frames_are_told_and_the_rest_counts() {
    let mut wire = Wire::new();
    wire.open();
    wire.exchange(REQUEST, ANSWER);
    wire.send(false, Flags::ACK, b"\x82\x01a");
    wire.lose(false, 500);
    wire.send(false, Flags::ACK, b"\x82\x01a");
    wire.pipeline.finish(Timestamp::from_unix_micros(wire.now));
    let told = records(&wire);
    let end = told.last().unwrap();
    assert_eq!((&end["gaps"], &end["websocket"]["server_messages"]), (&json!(true), &json!(1)), "{end}");
}

/// Cut, what looks like a secret would no longer do so.
#[test]
fn paths_that_are_too_long_are_left_out() {
    let mut wire = Wire::new();
    wire.open();
    let long = format!("GET /{}", "a/".repeat(600));
    wire.exchange(&REQUEST.replace("GET /rooms/42", &long), ANSWER);
    wire.pipeline.finish(Timestamp::from_unix_micros(wire.now));
    let told = records(&wire);
    assert!(told[0]["path"].is_string());
    assert_eq!((&told[1]["path"], &told[1]["host"]), (&Value::Null, &json!("chat.example")));
}
