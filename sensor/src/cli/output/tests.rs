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
        rule("blocked by", "192.0.2.1/32", "command", Some(HOSTILE)),
        exchange_record(&json!({"path": HOSTILE, "host": HOSTILE, "method": HOSTILE, "ts": HOSTILE})),
    ];
    for (text, lines) in shown.iter().zip([2, 2, 1, 1]) {
        assert_eq!(text.lines().count(), lines, "{text}");
        let steers = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202e}' | '\u{e0041}');
        assert!(text.contains("FORGED") && !text.contains(steers), "{text:?}");
    }
}
