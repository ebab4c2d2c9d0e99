//! The file that stores the policy set by commands: `commands.json` in the state directory.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::file::{Reading, StateFile};
use crate::clock::Timestamp;
use crate::enforce::{Layer, Limits, Scope};

/// A change of limits that is undone unless it is confirmed in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Whose limits.
    pub scope: Scope,
    /// The previous setting by commands, if any.
    pub previous: Option<Limits>,
    /// When the change is undone.
    pub deadline: Timestamp,
}

/// The content of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Saved {
    /// Raised whenever an older program would misunderstand the content.
    pub version: u32,
    /// The policy set by commands.
    pub commands: Layer,
    /// Changes awaiting confirmation.
    pub pending: Vec<Pending>,
}

/// The version that this program writes. Files without one have the first.
const VERSION: u32 = 1;

impl Default for Saved {
    fn default() -> Self {
        Self { version: VERSION, commands: Layer::default(), pending: Vec::new() }
    }
}

impl Saved {
    /// Parses a file's content. If a newer version, or somebody with an editor, wrote it, every rule that is understood
    /// is used: a block in force is worth more than one unknown rule.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Reading<Self> {
        let value: Value = match serde_json::from_slice(bytes) {
            Ok(value) => value,
            Err(error) => return Reading::Nothing(error.to_string()),
        };
        // A list would pass for an object without any keys.
        let Value::Object(mut map) = value else {
            return Reading::Nothing("it is not a JSON object".to_owned());
        };
        let version = map.get("version").map_or(Some(u64::from(VERSION)), Value::as_u64);
        let is_known = version.is_some_and(|version| version <= u64::from(VERSION));
        if is_known && let Ok(saved) = serde_json::from_slice(bytes) {
            return Reading::Whole(saved);
        }
        let mut lost = Vec::new();
        let mut saved = Self::default();
        if let Some(commands) = map.remove("commands") {
            read_layer(commands, &mut saved.commands, &mut lost);
        }
        let pending = map.remove("pending").map_or(Ok(Vec::new()), serde_json::from_value::<Vec<Value>>);
        for (place, one) in pending.unwrap_or_default().into_iter().enumerate() {
            saved.pending.extend(take(one, || format!("pending change {place}"), &mut lost));
        }
        map.remove("version");
        lost.extend(map.keys().map(|key| format!("`{key}`")));
        let version = version.map_or_else(|| "unknown".to_owned(), |version| version.to_string());
        let lost = if lost.is_empty() { "some content".to_owned() } else { first_of(&lost) };
        Reading::Part(
            saved,
            format!(
                "this program (version {VERSION}) does not understand {lost} in this file of version {version}"
            ),
        )
    }
}

/// Named in full; beyond that, their number is given.
const NAMED: usize = 8;

fn first_of(lost: &[String]) -> String {
    let named = lost.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match lost.len().checked_sub(NAMED) {
        Some(more) if more > 0 => format!("{named} and {more} more"),
        _ => named,
    }
}

fn read_layer(commands: Value, layer: &mut Layer, lost: &mut Vec<String>) {
    let Value::Object(parts) = commands else { return lost.push("`commands`".to_owned()) };
    for (name, value) in parts {
        let named = || format!("`commands.{name}`");
        match name.as_str() {
            "mode" => layer.mode = take(value, named, lost).flatten(),
            "limits" => layer.limits = take_each(&name, value, lost),
            "allows" => layer.allows = take_each(&name, value, lost),
            "blocks" => layer.blocks = take_each(&name, value, lost),
            _ => lost.push(named()),
        }
    }
}

/// The entries of a map that are understood.
fn take_each<K: DeserializeOwned + Ord, V: DeserializeOwned>(
    part: &str,
    value: Value,
    lost: &mut Vec<String>,
) -> BTreeMap<K, V> {
    let Value::Object(entries) = value else {
        lost.push(format!("`commands.{part}`"));
        return BTreeMap::new();
    };
    let entry = |(key, value): (String, Value)| {
        let named = || format!("{part} of {key}");
        let read = take::<K>(Value::String(key.clone()), named, lost)?;
        take::<V>(value, named, lost).map(|value| (read, value))
    };
    entries.into_iter().filter_map(entry).collect()
}

fn take<T: DeserializeOwned>(
    value: Value,
    named: impl FnOnce() -> String,
    lost: &mut Vec<String>,
) -> Option<T> {
    let taken = serde_json::from_value(value).ok();
    if taken.is_none() {
        lost.push(named());
    }
    taken
}

/// The file of what commands said.
pub type CommandStore = StateFile<Saved>;

/// Its name.
pub const COMMANDS: &str = "commands.json";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enforce::{BlockRule, Mode, Origin};

    #[test]
    fn what_is_saved_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = CommandStore::open(&directory.path().join("new"), COMMANDS).unwrap();
        let now = Timestamp::from_unix_micros(1_700_000_000_123_456);
        assert_eq!(store.recall_with(now, Saved::read), (Saved::default(), None));
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
        assert_eq!(store.recall_with(now, Saved::read), (saved, None));
    }
}
