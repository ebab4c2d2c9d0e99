//! Effects of a reload, key by key: applied, waiting for a restart, or overridden by flags.

use std::collections::{BTreeMap, BTreeSet};

use super::reference;
use super::source::Overrides;
use crate::config::Description;
use crate::control::wire::Reloaded;

/// The daemon's values other than defaults, in the form of the configuration. They may be secrets: only keys leave this
/// file.
#[derive(Clone, Debug, Default)]
pub(super) struct InForce {
    values: BTreeMap<String, String>,
}

impl InForce {
    /// The values of a configuration that the daemon starts with.
    pub(super) fn of(description: &Description) -> Self {
        let set = description.knobs.iter().filter(|knob| !knob.made_up && knob.value != knob.default);
        Self { values: set.filter_map(|knob| Some((knob.path(), knob.value.clone()?))).collect() }
    }

    /// Takes from `new` what a reload applies, and returns everything that differs. `old` is what was read before.
    ///
    /// Every reload reports a waiting key until the restart.
    pub(super) fn reload(&mut self, old: &Description, new: &Description, flags: &Overrides) -> Reloaded {
        let wanted = Self::of(new).values;
        let paths: BTreeSet<&String> = self.values.keys().chain(wanted.keys()).collect();
        let differs = |path: &&String| self.values.get(*path) != wanted.get(*path);
        let different: Vec<String> = paths.into_iter().filter(differs).cloned().collect();
        let mut told = Reloaded::default();
        for path in different {
            if flags.hold(&path) {
                told.overridden.push(path);
            } else if takes_restart(&path, &[new, old]) {
                told.needs_restart.push(path);
            } else {
                match wanted.get(&path) {
                    Some(value) => self.values.insert(path.clone(), value.clone()),
                    None => self.values.remove(&path),
                };
                told.changed.push(path);
            }
        }
        told
    }
}

/// Whether a key waits for a restart: in its table in one of the configurations.
fn takes_restart(path: &str, configurations: &[&Description]) -> bool {
    let tables = configurations.iter().flat_map(|description| description.by_table());
    let found = tables.map(|(_, knobs)| knobs).find(|knobs| knobs.iter().any(|knob| knob.path() == path));
    let described = found.map(|knobs| reference::described(&knobs)).unwrap_or_default();
    described.iter().find(|key| key.knob.path() == path).is_none_or(|key| key.restart)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Document;
    use crate::daemon::Config;

    fn described(text: &str) -> Description {
        let mut document = Document::default();
        document.add(Path::new("s.toml"), text).unwrap();
        Config::described(&document).1
    }

    fn told(old: &str, new: &str) -> Reloaded {
        let (old, new) = (described(old), described(new));
        InForce::of(&old).reload(&old, &new, &Overrides::default())
    }

    #[test]
    fn every_difference_is_told_by_its_key() {
        for (old, new, changed, waits) in [
            ("", "", &[][..], &[][..]),
            ("", "mode = \"enforce\"", &["mode"], &[]),
            ("mode = \"enforce\"", "", &["mode"], &[]),
            // The default, stated explicitly.
            ("", "mode = \"monitor\"", &[], &[]),
            ("", "interfaces = [\"eth1\"]", &[], &["interfaces"]),
            ("", "[http]\ninner_interfaces = [\"lo\"]", &[], &["http.inner_interfaces"]),
            (
                "[clients]\nmax_tracked = 4096\nidle = \"5m\"",
                "mode = \"enforce\"\n[clients]\nmax_tracked = 8192\nidle = \"6m\"",
                &["clients.idle", "mode"],
                &["clients.max_tracked"],
            ),
            (
                "[limits.\"192.0.2.0/24\"]\nrequests = \"5/s\"",
                "[limits.\"198.51.100.0/24\"]\nrequests = \"5/s\"",
                &["limits.\"192.0.2.0/24\".requests", "limits.\"198.51.100.0/24\".requests"],
                &[],
            ),
            ("", "[login.shop]\nroute = \"/enter\"", &[], &["login.shop.route"]),
        ] {
            let told = told(old, new);
            assert_eq!(
                (&*told.changed, &*told.needs_restart),
                (&*owned(changed), &*owned(waits)),
                "{old} -> {new}"
            );
            assert!(told.overridden.is_empty());
        }
    }

    fn owned(keys: &[&str]) -> Vec<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    #[test]
    fn what_waits_is_told_until_it_is_taken_back() {
        let (first, second) = (described(""), described("xdp = \"generic\""));
        let mut in_force = InForce::of(&first);
        let flags = Overrides::default();
        assert_eq!(in_force.reload(&first, &second, &flags).needs_restart, ["xdp"]);
        assert_eq!(in_force.reload(&second, &second, &flags).needs_restart, ["xdp"], "it still waits");
        assert_eq!(in_force.reload(&second, &first, &flags), Reloaded::default(), "it was taken back");
        let changed = described("mode = \"enforce\"");
        assert_eq!(in_force.reload(&first, &changed, &flags).changed, ["mode"]);
        assert_eq!(in_force.reload(&changed, &changed, &flags), Reloaded::default(), "it was taken");
    }

    #[test]
    fn what_flags_hold_is_neither_taken_nor_waits() {
        let (old, new) = (described(""), described("interfaces = [\"eth1\"]\nxdp = \"generic\""));
        let flags = Overrides { interfaces: vec!["eth0".to_owned()], ..Overrides::default() };
        let told = InForce::of(&old).reload(&old, &new, &flags);
        assert_eq!((told.overridden, told.needs_restart), (owned(&["interfaces"]), owned(&["xdp"])));
    }
}
