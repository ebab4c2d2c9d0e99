//! Describes the configuration: its keys, and whether a reload applies a change.

use std::path::Path;

use super::config::Config;
use crate::config::{Description, Document, Knob, Table};
use crate::detect::Preset;

/// A key, described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// As its reader asks for it.
    pub knob: Knob,
    /// Whether a change requires a restart; else a reload suffices.
    pub restart: bool,
    /// Whether it can be set without its table's other keys; if not, those without a default are required.
    pub alone: bool,
}

/// Every table with its keys, in reading order.
#[must_use]
pub fn reference() -> Vec<(Table, Vec<Described>)> {
    let description = Config::described(&Document::default()).1;
    let tables = description.by_table();
    tables.into_iter().map(|(table, knobs)| (table, described(&knobs))).collect()
}

/// The defaults that presets change: the dotted key, with the values in the order of [`Preset::ALL`].
#[must_use]
pub fn presets() -> Vec<(String, Vec<String>)> {
    let descriptions = Preset::ALL.map(|(name, _)| {
        let text = format!("[detect]\npreset = \"{name}\"\n");
        Config::described(&document(&text)).1
    });
    let [first, ..] = &descriptions;
    let values = |knob: &Knob| {
        let same = |description: &Description| {
            let found = description.knobs.iter().find(|other| other.path() == knob.path());
            found.and_then(|knob| knob.default.clone()).unwrap_or_default()
        };
        (knob.path(), descriptions.iter().map(same).collect::<Vec<_>>())
    };
    let differs =
        |(_, values): &(String, Vec<String>)| values.windows(2).any(|pair| pair.first() != pair.last());
    first.knobs.iter().map(values).filter(differs).collect()
}

/// A text that this file makes; what cannot be read shows in what is missing.
fn document(text: &str) -> Document {
    let mut document = Document::default();
    document.add(Path::new("made up"), text).ok();
    document
}

/// Tries each key with another value. A key that has no effect by itself, since it names a missing file, is treated
/// like the others of its table.
pub(super) fn described(knobs: &[&Knob]) -> Vec<Described> {
    let tried: Vec<Option<bool>> = knobs.iter().map(|knob| takes_restart(knobs, knob)).collect();
    let usual = tried.iter().copied().flatten().next().unwrap_or(true);
    knobs
        .iter()
        .zip(tried)
        .map(|(knob, tried)| Described {
            knob: (*knob).clone(),
            restart: tried.unwrap_or(usual),
            alone: stands_alone(knob),
        })
        .collect()
}

fn header_of(knob: &Knob) -> String {
    if knob.table.is_empty() { String::new() } else { format!("[{}]\n", knob.table) }
}

fn stands_alone(knob: &Knob) -> bool {
    let Some(default) = &knob.default else { return true };
    Config::check(&document(&format!("{}{} = {default}\n", header_of(knob), knob.key))).is_ok()
}

fn takes_restart(table: &[&Knob], knob: &Knob) -> Option<bool> {
    // Some keys have an effect only if others are set.
    let others = table.iter().filter(|other| other.default.is_none() && other.key != knob.key);
    let others: String = others.map(|other| format!("{} = {}\n", other.key, other.example)).collect();
    let header = header_of(knob);
    let of = |text: &str| Config::described(&document(text)).0;
    let before = of(&format!("{header}{others}"));
    let after = of(&format!("{header}{others}{} = {}\n", knob.key, knob.example));
    (before != after).then(|| before.reloaded(&after) != after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restart_of(path: &str) -> bool {
        let all = reference();
        let mut keys = all.iter().flat_map(|(_, keys)| keys);
        keys.find(|key| key.knob.path() == path).unwrap_or_else(|| panic!("no {path}")).restart
    }

    #[test]
    fn every_key_says_what_it_means() {
        for (table, keys) in reference() {
            assert!(table.name == "limits.\"203.0.113.0/24\"" || !table.help.is_empty(), "{}", table.name);
            for Described { knob, .. } in keys {
                let path = knob.path();
                assert!(knob.help.len() > 10 && knob.help.ends_with('.'), "{path}: {:?}", knob.help);
                assert!(!knob.help.contains("[`"), "{path}: a link that only rustdoc follows");
                assert_ne!(Some(&knob.example), knob.default.as_ref(), "{path}: the example is the default");
            }
        }
    }

    #[test]
    fn every_example_can_stand_there() {
        for (_, keys) in reference() {
            for Described { knob, .. } in keys {
                let header =
                    if knob.table.is_empty() { String::new() } else { format!("[{}]\n", knob.table) };
                let text = format!("{header}{} = {}\n", knob.key, knob.example);
                let mut document = Document::default();
                document.add(Path::new("x"), &text).unwrap();
                let problems = Config::check(&document).err().unwrap_or_default();
                // Missing files, and keys that require another key.
                let is_excused =
                    |message: &str| message.contains(" needs ") || message.contains("is missing");
                for problem in problems {
                    let file = matches!(knob.key, "ca_file" | "openapi" | "leaked_passwords");
                    assert!(file || is_excused(&problem.message), "{text}: {problem}");
                }
            }
        }
    }

    #[test]
    fn restarts_are_told_as_reloads_do() {
        for (path, restart) in [
            ("mode", false),
            ("interfaces", true),
            ("limits.newcomers", false),
            ("limits.newcomers_per_network", false),
            ("limits.ipv6_site_times", false),
            ("limits.syn_cookies", false),
            ("limits.default.packets", false),
            ("clients.idle", false),
            ("clients.ipv4_prefix", true),
            ("http.exchange_log", true),
            ("http.inner_interfaces", true),
            ("routes.openapi", true),
            ("login.shop.route", true),
            ("detect.scanner.response", false),
            ("detect.scanner.probes", true),
            ("decide.block_for", false),
            ("alerts.webhook.ca_file", true),
            ("log.format", true),
        ] {
            assert_eq!(restart_of(path), restart, "{path}");
        }
    }

    #[test]
    fn presets_scale_counts() {
        let presets = presets();
        let of =
            |path: &str| presets.iter().find(|(known, _)| known == path).map(|(_, values)| values.join(" "));
        assert_eq!(of("detect.scanner.missing").as_deref(), Some("40 20 10"));
        assert_eq!(of("detect.scanner.entries"), None);
        assert_eq!(of("detect.preset"), None);
    }
}
