//! The file that keeps what commands said: `commands.json` in the state directory.

use serde::{Deserialize, Serialize};

use super::file::StateFile;
use crate::clock::Timestamp;
use crate::enforce::{Layer, Limits, Scope};

/// A change of limits that is undone unless it is confirmed in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Whose limits.
    pub scope: Scope,
    /// What commands had set before, if anything.
    pub previous: Option<Limits>,
    /// When the change is undone.
    pub deadline: Timestamp,
}

/// Everything that is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Saved {
    /// What commands said.
    pub commands: Layer,
    /// Changes that wait for confirmation.
    pub pending: Vec<Pending>,
}

/// The file of what commands said.
pub type CommandStore = StateFile<Saved>;

/// Its name.
pub const COMMANDS: &str = "commands.json";

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::enforce::{BlockRule, Mode, Origin};

    #[test]
    fn what_is_saved_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let store = CommandStore::open(&directory.path().join("new"), COMMANDS).unwrap();
        assert_eq!(store.load().unwrap(), Saved::default());
        let now = Timestamp::from_unix_micros(1_700_000_000_123_456);
        let limits = Limits { packets: Some("5/s".parse().unwrap()), ..Limits::default() };
        let mut saved = Saved::default();
        saved.commands.mode = Some(Mode::Enforce);
        saved.commands.limits.insert(Scope::Default, limits);
        saved.commands.limits.insert("10.0.0.0/8".parse().unwrap(), Limits::default());
        let rule =
            BlockRule { until: Some(now), reason: Some("x".into()), origin: Origin::Command, since: now };
        saved.commands.blocks.insert("2001:db8::/32".parse().unwrap(), rule);
        saved.pending.push(Pending { scope: Scope::Default, previous: Some(limits), deadline: now });
        store.save(&saved).unwrap();
        assert_eq!(store.load().unwrap(), saved);
    }

    #[test]
    fn a_broken_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let store = CommandStore::open(directory.path(), COMMANDS).unwrap();
        fs::write(directory.path().join("commands.json"), "{").unwrap();
        assert!(store.load().unwrap_err().to_string().contains("commands.json"));
    }
}
