//! What of a new configuration a reload takes, and what waits for a restart. Descriptions of the configuration ask
//! this file, too.

use super::config::Config;
use crate::kernel::{ClientPrefixes, Tuning};

impl Config {
    /// The configuration in force after a reload: this one, with all of the new one that can change while the daemon
    /// runs.
    #[must_use]
    pub fn reloaded(&self, new: &Self) -> Self {
        let ClientPrefixes { v4, v6, .. } = self.tuning.prefixes;
        // Client prefixes decide where a client's state lies; they wait for the restart that moves it.
        let prefixes = ClientPrefixes { v4, v6, ..new.tuning.prefixes };
        let mut reloaded = Self {
            tuning: Tuning { prefixes, ..new.tuning },
            decide: new.decide.clone(),
            decided_limits: new.decided_limits,
            policy: new.policy.clone(),
            never_block: new.never_block.clone(),
            web: new.web.clone(),
            databases: new.databases.clone(),
            ..self.clone()
        };
        reloaded.detect.responses.clone_from(&new.detect.responses);
        reloaded.detect.clients = prefixes;
        reloaded
    }

    /// Names the parts in which this configuration, which is in force, differs from one that was reloaded.
    pub(super) fn waiting_in(&self, new: &Self) -> Vec<String> {
        let groups = |config: &Self| (config.group.clone(), config.admin_group.clone());
        let log = |config: &Self| (config.log_level.clone(), config.log_format, config.kernel_log_level);
        [
            ("interfaces", self.interfaces != new.interfaces),
            ("xdp", self.xdp != new.xdp),
            ("clients.max_*, clients.doorkeeper", self.capacities != new.capacities),
            ("clients.ipv4_prefix, clients.ipv6_prefix", self.tuning != new.tuning),
            ("http, identity, login, routes", self.sense != new.sense),
            ("detect, but for responses", self.detect != new.detect),
            ("store, alerts", (&self.store, &self.notify) != (&new.store, &new.notify)),
            ("web, control, paths", self.paths != new.paths || groups(self) != groups(new)),
            ("log", log(self) != log(new)),
        ]
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(key, _)| key.to_owned())
        .collect()
    }
}
