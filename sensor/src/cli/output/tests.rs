use serde_json::json;

use super::*;

const HOSTILE: &str = "x\n1.2.3.4/32 FORGED\u{1b}[2J\u{9b}m\u{202e}\u{e0041}y";

/// Reasons are whatever a user typed, or an earlier version wrote.
#[test]
fn reasons_forge_no_line_and_steer_no_terminal() {
    let block = json!([{
        "prefix": "192.0.2.1/32", "until": null, "since": "2026-01-01T00:00:00.000000Z", "origin": "command",
        "reason": HOSTILE,
    }]);
    let allow = json!([{
        "prefix": "192.0.2.1/32", "since": "2026-01-01T00:00:00.000000Z", "origin": "command", "reason": HOSTILE,
    }]);
    let shown = [
        blocks(&serde_json::from_value(block).unwrap()),
        allows(&serde_json::from_value(allow).unwrap()),
        explanation::rule("blocked by", "192.0.2.1/32", "command", Some(HOSTILE)),
        exchange_record(&json!({"path": HOSTILE, "host": HOSTILE, "method": HOSTILE, "ts": HOSTILE})),
    ];
    for (text, lines) in shown.iter().zip([2, 2, 1, 1]) {
        assert_eq!(text.lines().count(), lines, "{text}");
        let steers = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202e}' | '\u{e0041}');
        assert!(text.contains("FORGED") && !text.contains(steers), "{text:?}");
    }
}

/// Open incidents are the first thing after the mode.
#[test]
fn status_counts_open_incidents() {
    let report = |open: u64, worst: Option<&str>| -> StatusReport {
        let report = json!({
            "version": "1", "mode": "monitor", "uptime_seconds": 1, "pinned": true, "interfaces": [],
            "clients_tracked": 0, "clients_max": 0, "clients_evicted": 0, "blocks_active": 0, "allows_active": 0,
            "scopes": 0, "kernel_memory_bytes": 0, "pending": [], "incidents_open": open, "incidents_worst": worst,
            "losses": {
                "table_full": 0, "admission_contended": 0, "notices_lost": 0, "notices_suppressed": 0, "unparsed": 0,
                "state_write_errors": 0,
            },
        });
        serde_json::from_value(report).unwrap()
    };
    for (open, worst, expected) in [
        (0, None, "incidents    none open"),
        (4, Some("critical"), "incidents    4 open, worst critical: sensor incidents --open"),
    ] {
        let text = status(&report(open, worst));
        assert_eq!(text.lines().nth(1), Some(expected), "{text}");
    }
}

/// Only what was set is put into words: the rest of the scope did not change.
#[test]
fn words_are_for_the_limits_that_were_set() {
    let rows = json!([{
        "scope": "default", "origin": "command", "limits": { "packets": "50k/s", "requests": "100/min" },
    }]);
    let rows: Vec<LimitRow> = serde_json::from_value(rows).unwrap();
    let set = Limits { requests: Some("100/min".parse().unwrap()), ..Limits::default() };
    let words = limits_in_words(&rows, (Scope::Default, set), Mode::Enforce);
    assert_eq!(words.lines().count(), 1, "{words}");
    assert!(words.contains("requests"), "{words}");
}
