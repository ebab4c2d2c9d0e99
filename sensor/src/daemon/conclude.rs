//! What an explanation comes to.

use ipnet::IpNet;

use crate::clock::Timestamp;
use crate::control::wire::Explanation;
use crate::enforce::{Mode, Origin};

impl Explanation {
    /// Fills in the sentence and the commands.
    pub(super) fn conclude(&mut self, own_scope: IpNet, now: Timestamp) {
        let would = if self.mode == Mode::Enforce { "" } else { "would be " };
        let only = if self.mode == Mode::Enforce { "" } else { " (mode is monitor: nothing is dropped)" };
        if let Some(allow) = &self.allow {
            self.verdict = format!("passes: allowed by {}, which no block or limit overrides", allow.prefix);
            self.undo.push(format!("sensor allow remove {}", allow.prefix));
        } else if let Some(block) = &self.block {
            let until = block.until.map_or("for good".to_owned(), |until| {
                format!("until {until}, {} s from now", until.since(now).as_secs())
            });
            self.verdict = format!("{would}dropped: blocked by {} {until}{only}", block.prefix);
            self.undo.push(format!("sensor block remove {}", block.prefix));
            self.undo.push(format!("sensor allow add {}", self.prefix));
        } else {
            self.verdict =
                format!("passes within the limits of {}; beyond them {would}dropped{only}", self.scope.scope);
            if self.scope.origin == Origin::Detector {
                self.undo.push(format!("sensor limit unset {}", self.scope.scope));
            }
            self.undo.push(format!("sensor limit set {own_scope} --packets off"));
            self.undo.push(format!("sensor allow add {}", self.prefix));
        }
    }
}
