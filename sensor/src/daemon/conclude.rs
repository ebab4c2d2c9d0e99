//! The conclusion of an explanation.

use ipnet::IpNet;

use crate::control::wire::{Explanation, counted};
use crate::decide::{Incident, State};
use crate::enforce::{Mode, Origin};

impl Explanation {
    /// Adds the sentence and the commands. The caller formats the end of a block. `is_spared`: all of the prefix is what
    /// must never be blocked, and has an allow in the kernel if a block covers it.
    pub(super) fn conclude(&mut self, own_scope: IpNet, is_spared: bool) {
        let enforces = self.mode == Mode::Enforce;
        let would = if enforces { "" } else { "would be " };
        let only = if enforces { "" } else { " (mode is monitor: nothing is dropped)" };
        let prefix = self.prefix;
        if let Some(allow) = &self.allow {
            self.verdict = format!("passes: allowed by {}, which no block or limit overrides", allow.prefix);
            self.undo.push(format!("sensor allow remove {}", allow.prefix));
        } else if let (Some(block), true) = (&self.block, is_spared) {
            self.verdict = format!("passes: it is never blocked, although {} is", block.prefix);
        } else if let Some(block) = &self.block {
            self.verdict = format!("{would}dropped: blocked by {}{only}", block.prefix);
            self.undo.push(format!("sensor block remove {}", block.prefix));
            self.undo.push(format!("sensor allow add {prefix}"));
        } else if let Some(within) = self.within {
            let (clients, blocks) =
                (counted(within.clients, "tracked client"), counted(within.blocks, "block"));
            self.verdict = format!("not blocked as a whole; it contains {clients} and {blocks}");
            self.undo = self.against();
            // Whom a block would hit; or, if none is possible, who is present.
            let look = if self.protected.is_none() {
                format!("block add {prefix} --dry-run")
            } else {
                "clients".into()
            };
            self.undo.push(format!("sensor {look}"));
        } else {
            self.verdict =
                format!("passes up to the limits of {}; beyond them {would}dropped{only}", self.scope.scope);
            self.undo = self.against();
            if self.scope.origin == Origin::Detector {
                self.undo.push(format!("sensor limit unset {}", self.scope.scope));
            }
            if self.worst().is_none() {
                self.undo.push(format!("sensor limit set {own_scope} --packets off"));
                self.undo.push(format!("sensor allow add {prefix}"));
            }
        }
    }

    /// The worst open incident.
    fn worst(&self) -> Option<&Incident> {
        let open = self.incidents.iter().filter(|incident| incident.state == State::Open);
        open.max_by_key(|incident| (incident.severity, incident.id))
    }

    /// Commands that stop the participants of an open incident.
    fn against(&self) -> Vec<String> {
        let Some(worst) = self.worst() else { return Vec::new() };
        if self.mode == Mode::Monitor {
            return vec!["sensor mode enforce".to_owned()];
        }
        let accuses = worst.blocked.saturating_add(worst.limited) > 0;
        let all = (accuses && worst.clients > 1).then(|| format!("sensor block add --incident {}", worst.id));
        let own = self.protected.is_none() && self.within.is_none();
        let own = own.then(|| format!("sensor block add {}", self.prefix));
        all.into_iter().chain(own).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::control::wire::BlockRow;

    fn incident(state: &str, clients: u64) -> Value {
        json!({
            "id": "01K7Z3V5Q8000000000000040G", "detector": "credential-stuffing", "severity": "high",
            "confidence": 0.9, "owasp": "API2:2023", "client": "192.0.2.7", "summary": "s",
            "first": "2026-01-01T00:00:00Z", "known": "2026-01-01T00:00:00Z", "last": "2026-01-01T00:00:00Z",
            "state": state, "attempts": 9, "clients": clients, "blocked": 0, "limited": clients, "alerts": [],
            "action": "limit", "step": "began", "told": "2026-01-01T00:00:00Z", "evidence": {},
        })
    }

    fn concluded(mode: &str, incidents: Value, within: Value) -> Explanation {
        let found = json!({
            "prefix": "192.0.2.7/32", "verdict": "", "mode": mode, "allow": null, "block": null, "protected": null,
            "scope": { "scope": "default", "origin": "configuration", "limits": {} }, "client": null,
            "within": within, "over_limit": [], "undo": [], "incidents": incidents,
        });
        let mut found: Explanation = serde_json::from_value(found).unwrap();
        found.conclude("192.0.2.7/32".parse().unwrap(), false);
        found
    }

    /// Never proposes to allow an attacker or to lift its limits.
    #[test]
    fn what_is_proposed_against_an_open_incident() {
        let (id, none) = ("01K7Z3V5Q8000000000000040G", Value::Null);
        for (mode, incidents, expected) in [
            ("monitor", json!([incident("open", 1)]), vec!["sensor mode enforce".to_owned()]),
            ("enforce", json!([incident("open", 1)]), vec!["sensor block add 192.0.2.7/32".to_owned()]),
            (
                "enforce",
                json!([incident("over", 1), incident("open", 3)]),
                vec![format!("sensor block add --incident {id}"), "sensor block add 192.0.2.7/32".to_owned()],
            ),
            (
                "enforce",
                json!([incident("over", 3)]),
                vec![
                    "sensor limit set 192.0.2.7/32 --packets off".to_owned(),
                    "sensor allow add 192.0.2.7/32".to_owned(),
                ],
            ),
        ] {
            assert_eq!(concluded(mode, incidents, none.clone()).undo, expected, "{mode}");
        }
    }

    #[test]
    fn a_wide_prefix_is_told_by_what_lies_within() {
        let found = concluded("enforce", json!([]), json!({ "clients": 3, "blocks": 1 }));
        assert_eq!(found.verdict, "not blocked as a whole; it contains 3 tracked clients and 1 block");
        assert_eq!(found.undo, ["sensor block add 192.0.2.7/32 --dry-run"]);
        let mut found =
            Explanation { protected: Some("it belongs to this host".into()), undo: Vec::new(), ..found };
        found.conclude("192.0.2.7/32".parse().unwrap(), false);
        assert_eq!(found.undo, ["sensor clients"], "no block is possible");
    }

    /// A blocked country may contain this host's gateway.
    #[test]
    fn what_is_never_blocked_passes_within_a_blocked_group() {
        let block = json!({
            "prefix": "country:XX", "networks": 3, "until": null, "reason": null, "origin": "command",
            "since": "2026-01-01T00:00:00Z",
        });
        let found = concluded("enforce", json!([]), Value::Null);
        let block: BlockRow = serde_json::from_value(block).unwrap();
        for (is_spared, expected) in [
            (true, "passes: it is never blocked, although country:XX is"),
            (false, "dropped: blocked by country:XX"),
        ] {
            let mut found = Explanation { block: Some(block.clone()), undo: Vec::new(), ..found.clone() };
            found.conclude("192.0.2.7/32".parse().unwrap(), is_spared);
            assert_eq!(found.verdict, expected);
        }
    }
}
