//! Keys and frames, without a terminal and without a daemon.

mod keys;
mod render;

use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::json;

use super::act::Told;
use super::poll::Message;
use super::state::{Effect, State};
use super::view::{Look, Theme};
use super::{Words, history};
use crate::clock::Timestamp;
use crate::control::wire::StatusReport;

/// The time in these tests, in seconds since 1970: 2023-11-14T22:13:20Z.
const NOW: u64 = 1_700_000_000;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_micros(seconds * 1_000_000)
}

fn words() -> Words {
    Words {
        explanation: |_| "explained".to_owned(),
        alert: |_| "explained".to_owned(),
        losses: |status| match status.losses.notices_lost {
            0 => "none".to_owned(),
            count => format!("notices lost: {count}"),
        },
    }
}

fn look(colors: bool) -> Look {
    Look { theme: Theme::new(colors), words: words() }
}

fn status(mode: &str, passed: u64, dropped: u64) -> StatusReport {
    serde_json::from_value(json!({
        "version": "0.1.0", "mode": mode, "uptime_seconds": 3_780, "pinned": true,
        "interfaces": [{
            "interface": "eth0", "xdp_mode": "native", "adopted": false,
            "passed": passed, "dropped": dropped, "would_drop": 0,
        }],
        "clients_tracked": 1_204, "clients_max": 1_000_000, "clients_evicted": 0, "blocks_active": 1,
        "allows_active": 0, "scopes": 1, "kernel_memory_bytes": 0,
        "http": {
            "ports": [80], "exchanges": passed / 2, "failures": passed / 10, "connections": 1, "routes": 1,
            "segments": 1, "segments_lost": 0, "stream_gaps": 0, "lost_bytes": 0, "not_http": 0,
            "anomalies": 0, "refused_instructions": 0, "failures_uncounted": 0,
        },
        "losses": {
            "table_full": 0, "admission_contended": 0, "notices_lost": 0, "notices_suppressed": 0,
            "unparsed": 0, "state_write_errors": 0,
        },
        "pending": [],
    }))
    .unwrap()
}

fn client(prefix: &str, rate: u64, standing: serde_json::Value) -> serde_json::Value {
    json!({
        "client": prefix,
        "rates": { "packets": rate, "bits": rate * 800, "requests": rate / 2, "drops": rate / 4, "failures": 1 },
        "packets": rate, "bytes": rate, "requests": rate, "drops": rate, "failures": 1, "standing": standing,
    })
}

fn clients() -> Message {
    let until = at(NOW + 552);
    let rows = json!([
        client("10.9.0.66/32", 40_000, json!({ "is": "blocked", "by": "10.9.0.0/24", "until": until })),
        client("2001:db8:1234:5678::/64", 300, json!({ "is": "plain" })),
        client("10.9.0.2/32", 20, json!({ "is": "allowed", "by": "10.9.0.2/32" })),
        client("10.9.0.3/32", 10, json!({ "is": "limited", "by": "10.9.0.3/32" })),
    ]);
    Message::Clients(serde_json::from_value(rows).unwrap())
}

fn routes(name: &str) -> Message {
    let counts = |n: u64| json!({ "requests": n, "client_errors": n / 4, "server_errors": n / 500 });
    let row = |method: &str, route: &str, n: u64| {
        json!({
            "method": method, "route": route, "rates": counts(n), "recent": counts(n * 30),
            "p50_us": 1_250, "p99_us": 350_000, "total": counts(n * 90),
        })
    };
    let report = json!({
        "routes": [row("GET", name, 900), row("POST", "/login", 40)], "tracked": 2, "rest": row("", "", 3),
    });
    Message::Routes(serde_json::from_value(report).unwrap())
}

fn alerts(summary: &str) -> Message {
    let alert = |id: &str, about: (&str, &str), severity: &str| {
        let mut alert = json!({
            "id": id, "ts": at(NOW - 60), "detector": "brute-force", "severity": severity, "confidence": 0.9,
            "owasp": "API2:2023", "summary": summary, "evidence": {},
            "window": { "start": at(NOW - 90), "end": at(NOW - 60) }, "action": "would_block",
        });
        alert[about.0] = json!(about.1);
        alert
    };
    let both = json!([
        alert("01K7Z3V5Q8000000000000040G", ("subject", "route /login"), "critical"),
        alert("01K7Z3V5Q8000000000000050G", ("client", "192.0.2.7"), "high"),
    ]);
    Message::Alerts(serde_json::from_value(both).unwrap())
}

fn blocks() -> Message {
    let row = |prefix: &str, until: Option<Timestamp>| json!({ "prefix": prefix, "until": until, "reason": "why", "origin": "command", "since": at(NOW - 9) });
    let rows = json!([row("198.51.100.0/24", None), row("10.9.0.0/24", Some(at(NOW + 552)))]);
    Message::Blocks(serde_json::from_value(rows).unwrap())
}

/// A state that has heard of everything.
fn filled(mode: &str) -> State {
    let mut state = State::new(at(NOW));
    for (second, passed, dropped) in [(1, 0, 0), (2, 1_000, 50), (3, 13_300, 60)] {
        let report = Box::new(status(mode, passed, dropped));
        state.message(Message::Status(Duration::from_secs(second), report));
    }
    for message in [clients(), routes("/api/users/{id}"), alerts("31 failed logins"), blocks()] {
        state.message(message);
    }
    state
}

fn press(state: &mut State, code: KeyCode) -> Option<Effect> {
    state.key(KeyEvent::new(code, KeyModifiers::NONE))
}

/// Types words: a key's name, or letters. Returns what the last key asked for.
fn typed(state: &mut State, keys: &str) -> Option<Effect> {
    let mut last = None;
    for word in keys.split(' ') {
        let code = match word {
            "Enter" => KeyCode::Enter,
            "Esc" => KeyCode::Esc,
            "Tab" => KeyCode::Tab,
            "BackTab" => KeyCode::BackTab,
            "Down" => KeyCode::Down,
            "Up" => KeyCode::Up,
            "Space" => KeyCode::Char(' '),
            "End" => KeyCode::End,
            "Clear" => {
                last = state.key(KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
                continue;
            }
            letters => {
                for letter in letters.chars() {
                    last = press(state, KeyCode::Char(letter));
                }
                continue;
            }
        };
        last = press(state, code);
    }
    last
}

#[test]
fn rates_come_from_totals() {
    let mut history = history::History::default();
    let second = Duration::from_secs;
    history.note(second(1), &status("enforce", 100, 0));
    assert_eq!(history.now().passed, 0, "one total is no rate");
    history.note(second(3), &status("enforce", 300, 50));
    let now = history.now();
    assert_eq!((now.passed, now.dropped, now.exchanges, now.failures), (100, 25, 50, 10));
    history.note_gap();
    history.note(second(9), &status("enforce", 900, 50));
    history.note(second(10), &status("enforce", 60, 0));
    assert_eq!(history.now().passed, 60, "a daemon that was started anew counts from nothing");
    let passed: Vec<Option<u64>> =
        history.last(5).into_iter().map(|rates| rates.map(|rates| rates.passed)).collect();
    assert_eq!(passed, [None, None, Some(100), None, Some(60)]);
    (0..2_000).for_each(|_| history.note_gap());
    assert_eq!(history.last(10_000).len(), 10_000);
}

#[test]
fn a_daemon_that_goes_is_told_and_forgotten_when_it_comes() {
    let mut state = filled("enforce");
    assert_eq!(state.absence(), None);
    state.tick(at(NOW + 3));
    assert_eq!(state.absence(), None, "a slow answer is none that is missing");
    state.tick(at(NOW + 60));
    assert_eq!(state.absence().map(|(silent, _)| silent.as_secs()), Some(60));
    state.message(Message::Failed(super::poll::Part::Status, "no daemon answers on /x".to_owned()));
    assert_eq!(state.absence().map(|(_, why)| why), Some("no daemon answers on /x"));
    state.message(Message::Status(Duration::from_secs(9), Box::new(status("enforce", 1, 1))));
    assert_eq!(state.absence(), None);
    state.tick(at(NOW - 3_600));
    assert_eq!(state.absence(), None, "a clock that is set back is no silence");
}

#[test]
fn pausing_keeps_the_lists_and_no_alert_is_missed() {
    let mut state = filled("enforce");
    typed(&mut state, "p");
    state.message(Message::Clients(Vec::new()));
    state.message(alerts("more"));
    assert_eq!((state.clients.len(), state.alerts.len()), (4, 2));
    // As they stand now: what is done about one may have changed.
    assert!(state.alerts.iter().all(|alert| alert.summary == "more"));
    typed(&mut state, "p");
    state.message(Message::Clients(Vec::new()));
    assert_eq!(state.clients.len(), 0);
}

#[test]
fn an_answer_waits_for_what_is_open() {
    let mut state = filled("enforce");
    typed(&mut state, "b Enter");
    let asked = state.dialog.clone();
    state.message(Message::Told(Told::Explained(Ok("because".to_owned()))));
    assert_eq!(state.dialog, asked);
    assert!(matches!(typed(&mut state, "y"), Some(Effect::Ask(_))));
    assert!(matches!(state.dialog, Some(super::dialog::Dialog::Text { .. })));
    typed(&mut state, "Esc");
    assert_eq!(state.dialog, None);
}
