//! Which parts of a new configuration a reload applies; the rest waits for a restart. Descriptions of the configuration
//! and the answer to a reload use this file, so they match its behaviour.

use super::config::Config;
use crate::kernel::{ClientPrefixes, Tuning};

impl Config {
    /// The configuration in force after a reload: this one, with all of the new one that can change while the daemon
    /// runs.
    #[must_use]
    pub fn reloaded(&self, new: &Self) -> Self {
        let ClientPrefixes { v4, v6, .. } = self.tuning.prefixes;
        // Client prefixes determine where a client's state is stored; they wait for the restart that moves it.
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
}
