//! Names of the units and containers that own listening sockets.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::event::{Served, unit_of_group};
use crate::kernel::{self, Listener};

/// Names by control group.
#[derive(Debug, Default)]
pub(super) struct UnitNames {
    /// Groups whose names were looked up; none for those that have none.
    known: HashMap<u64, Option<Arc<str>>>,
}

impl UnitNames {
    /// Who owns these sockets. The hierarchy of groups is read only when one is new.
    pub(super) fn of(&mut self, listeners: &[Listener]) -> Vec<Served> {
        self.by(listeners, kernel::group_paths)
    }

    fn by(
        &mut self,
        listeners: &[Listener],
        paths: impl FnOnce(&HashSet<u64>) -> HashMap<u64, String>,
    ) -> Vec<Served> {
        let groups: HashSet<u64> = listeners.iter().filter_map(|listener| listener.group).collect();
        self.known.retain(|group, _| groups.contains(group));
        let new: HashSet<u64> = groups.into_iter().filter(|group| !self.known.contains_key(group)).collect();
        if !new.is_empty() {
            let found = paths(&new);
            let named = |group: &u64| found.get(group).and_then(|path| unit_of_group(path)).map(Arc::from);
            self.known.extend(new.iter().map(|group| (*group, named(group))));
        }
        let served = listeners.iter().filter_map(|listener| {
            let unit = self.known.get(&listener.group?)?.clone()?;
            Some(Served { port: listener.port, address: listener.address, unit })
        });
        served.collect()
    }
}

/// Names by port, as they are shown; of watched ports.
pub(super) fn by_port(served: &[Served], watched: &BTreeSet<u16>) -> BTreeMap<u16, Vec<String>> {
    let mut ports: BTreeMap<u16, BTreeSet<&str>> = BTreeMap::new();
    for one in served.iter().filter(|one| watched.contains(&one.port)) {
        ports.entry(one.port).or_default().insert(&one.unit);
    }
    ports.into_iter().map(|(port, units)| (port, units.into_iter().map(str::to_owned).collect())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_looked_up_once() {
        let listener = |port, group| Listener { port, inode: 1, group, address: None };
        let paths = |wanted: &HashSet<u64>| {
            assert!(!wanted.is_empty());
            let all = [(7, "/system.slice/nginx.service".to_owned()), (8, "/system.slice".to_owned())];
            all.into_iter().filter(|(group, _)| wanted.contains(group)).collect::<HashMap<_, _>>()
        };
        let never = |_: &HashSet<u64>| -> HashMap<u64, String> { panic!("looked up again") };
        let listeners = [
            listener(443, Some(7)),
            listener(80, Some(7)),
            listener(22, Some(8)),
            listener(9, Some(9)),
            listener(5, None),
        ];
        let mut names = UnitNames::default();
        let found = names.by(&listeners, paths);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(names.by(&listeners, never), found);
        let expected = BTreeMap::from([(443, vec!["nginx.service".to_owned()])]);
        assert_eq!(by_port(&found, &BTreeSet::from([443, 22])), expected);
        // Gone, and there again: perhaps as another one.
        assert!(names.by(&[], never).is_empty());
        assert_eq!(names.by(&listeners, paths), found);
    }
}
