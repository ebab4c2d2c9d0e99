//! The file that stores the policy set by commands: `commands.json` in the state directory.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::file::{Reading, StateFile};
use crate::clock::Timestamp;
use crate::enforce::{GroupRules, Layer, Limits, Scope};

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

/// The last version that this program understands. Files without one have the first.
const VERSION: u32 = 2;
/// The version of files with rules for groups, which earlier programs would drop without a word.
const WITH_GROUPS: u32 = 2;
const FIRST: u32 = 1;

impl Default for Saved {
    fn default() -> Self {
        Self { version: FIRST, commands: Layer::default(), pending: Vec::new() }
    }
}

impl Saved {
    /// What is to be kept, in the lowest version that says all of it.
    #[must_use]
    pub fn new(commands: Layer, pending: Vec<Pending>) -> Self {
        let has_limits = commands.limits.keys().any(|scope| matches!(scope, Scope::Group(_)));
        let version = if has_limits || !commands.groups.is_empty() { WITH_GROUPS } else { FIRST };
        Self { version, commands, pending }
    }

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
        let version = map.get("version").map_or(Some(u64::from(FIRST)), Value::as_u64);
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
            "groups" => read_groups(value, &mut layer.groups, lost),
            _ => lost.push(named()),
        }
    }
}

fn read_groups(rules: Value, groups: &mut GroupRules, lost: &mut Vec<String>) {
    let Value::Object(parts) = rules else { return lost.push("`commands.groups`".to_owned()) };
    for (name, value) in parts {
        match name.as_str() {
            "allows" => groups.allows = take_each("groups", value, lost),
            "blocks" => groups.blocks = take_each("groups", value, lost),
            _ => lost.push(format!("`commands.groups.{name}`")),
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

    #[test]
    fn rules_for_groups_raise_the_version() {
        let now = Timestamp::from_unix_micros(1_700_000_000_123_456);
        let plain = Saved::new(Layer::default(), Vec::new());
        assert_eq!(plain.version, 1);
        assert!(!serde_json::to_string(&plain).unwrap().contains("groups"), "earlier programs read it");
        let rule = BlockRule { until: None, reason: None, origin: Origin::Command, since: now };
        let mut blocks = Layer::default();
        blocks.groups.blocks.insert("country:XX".parse().unwrap(), rule);
        let mut limits = Layer::default();
        limits.limits.insert("asn:64500".parse().unwrap(), Limits::default());
        for layer in [blocks, limits] {
            let saved = Saved::new(layer, Vec::new());
            assert_eq!(saved.version, 2);
            let text = serde_json::to_string(&saved).unwrap();
            assert_eq!(Saved::read(text.as_bytes()), Reading::Whole(saved.clone()));
            // From a later version, with something that this one does not know.
            let later = text.replace("\"version\":2", "\"version\":3,\"more\":1");
            let Reading::Part(read, lost) = Saved::read(later.as_bytes()) else { panic!("{later}") };
            assert_eq!(read.commands, saved.commands);
            assert!(lost.contains("`more`"), "{lost}");
        }
    }
}
