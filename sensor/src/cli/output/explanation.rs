//! Why a client passes, or does not.

use super::{limits, printable, seconds};
use crate::cli::moment::until;
use crate::cli::{alerts, fleet, incidents};
use crate::clock::{self, Timestamp};
use crate::control::wire::{BlockRow, Explanation, Site};

pub(in crate::cli) fn explanation(found: &Explanation) -> String {
    as_of(found, clock::now())
}

fn as_of(found: &Explanation, now: Timestamp) -> String {
    let mut lines = vec![format!("{}: {}{}", found.prefix, found.verdict, ends(found, now))];
    if let Some(allow) = &found.allow {
        let prefix = allow.prefix.to_string();
        lines.push(rule("allowed by", &prefix, allow.origin.label(), allow.reason.as_deref()));
    }
    if let Some(block) = &found.block {
        let prefix = block.prefix.to_string();
        lines.push(rule("blocked by", &prefix, block.origin.label(), block.reason.as_deref()));
    }
    lines.extend(found.except.iter().map(|except| format!("except on {}", printable(except))));
    if let Some(protected) = &found.protected {
        lines.push(format!("never blocked: {}", printable(&protected.to_string())));
    }
    lines.push(format!("limits of {}:", found.scope.scope));
    lines.extend(limits(&vec![found.scope.clone()]).lines().map(|line| format!("  {line}")));
    lines.extend(found.site.map(together));
    match &found.client {
        _ if found.within.is_some() => {}
        Some(client) => {
            lines.push(format!(
                "since admission: {} packets, {} bytes, {} requests, {} dropped (in monitor mode: over a limit)",
                client.packets, client.bytes, client.requests, client.drops
            ));
            lines.push(address(client.proven).to_owned());
            if !client.units.is_empty() {
                lines.push(format!("answered by {}", printable(&client.units.join(", "))));
            }
        }
        None => lines.push("not in the client table: idle, or seen at most once".to_owned()),
    }
    for (at, limit) in &found.over_limit {
        lines.push(format!("over limit at {}: {limit}", seconds(*at)));
    }
    lines.extend(found.fleet.iter().map(fleet::line));
    lines.extend(found.incidents.iter().map(|incident| format!("incident: {}", incidents::line(incident))));
    lines.extend(alerts::past(&found.alerts, &found.audit));
    if !found.undo.is_empty() {
        lines.push(format!("to change this: {}", found.undo.join("; or ")));
    }
    lines.join("\n")
}

fn together(Site { network, times }: Site) -> String {
    let family = if network.addr().is_ipv4() { 4 } else { 6 };
    format!(
        "all clients of {network} with these limits together: {times} times as much (limits.ipv{family}_site_times)"
    )
}

const fn address(is_proven: bool) -> &'static str {
    if is_proven {
        "address proven by a TCP handshake"
    } else {
        "address not proven: its place in the client table is for seconds, and goes to a proven client when the table \
         is full"
    }
}

/// When the block that decides ends.
fn ends(found: &Explanation, now: Timestamp) -> String {
    match &found.block {
        Some(BlockRow { until: Some(at), .. }) if found.allow.is_none() => format!(", {}", until(*at, now)),
        Some(BlockRow { until: None, .. }) if found.allow.is_none() => ", permanently".to_owned(),
        Some(_) | None => String::new(),
    }
}

pub(super) fn rule(what: &str, prefix: &str, origin: &str, reason: Option<&str>) -> String {
    let reason = reason.map(|reason| format!(": {}", printable(reason))).unwrap_or_default();
    format!("{what} {prefix} ({origin}{reason})")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn explained(until: &Value) -> String {
        let found = json!({
            "prefix": "192.0.2.7/32", "verdict": "dropped: blocked by 192.0.2.7/32", "mode": "enforce", "allow": null,
            "block": {
                "prefix": "192.0.2.7/32", "until": until, "reason": null, "origin": "detector",
                "since": "2026-11-29T12:58:49.814780Z",
            },
            "protected": null, "scope": { "scope": "default", "origin": "configuration", "limits": {} },
            "client": null, "over_limit": [], "undo": [],
        });
        let now = serde_json::from_value(json!("2026-11-29T12:58:54.900000Z")).unwrap();
        as_of(&serde_json::from_value(found).unwrap(), now)
    }

    #[test]
    fn what_a_site_may_use_is_told_with_its_key() {
        for (network, times, expected) in [
            (
                "2001:db8:1::/48",
                256,
                "all clients of 2001:db8:1::/48 with these limits together: 256 times as much (limits.ipv6_site_times)",
            ),
            (
                "192.0.2.0/24",
                2,
                "all clients of 192.0.2.0/24 with these limits together: 2 times as much (limits.ipv4_site_times)",
            ),
        ] {
            assert_eq!(together(Site { network: network.parse().unwrap(), times }), expected);
        }
    }

    #[test]
    fn the_end_of_a_block_is_a_time_and_how_far_off_it_is() {
        for (at, expected) in [
            (
                json!("2026-11-29T13:08:49.814780Z"),
                "dropped: blocked by 192.0.2.7/32, until 13:08:49Z, in 9m54s",
            ),
            (
                json!("2026-12-01T12:58:54.900000Z"),
                "dropped: blocked by 192.0.2.7/32, until 2026-12-01T12:58:54Z, in 2days",
            ),
            (Value::Null, "dropped: blocked by 192.0.2.7/32, permanently"),
        ] {
            let text = explained(&at);
            assert_eq!(text.lines().next(), Some(format!("192.0.2.7/32: {expected}").as_str()), "{text}");
        }
    }
}
