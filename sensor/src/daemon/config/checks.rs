//! What keys say together, and must not.

use super::Config;
use crate::config::Section;
use crate::enforce::Scope;
use crate::kernel::ClientPrefixes;

impl Config {
    /// A group needs the database that knows its networks.
    pub(super) fn check_groups(&self, root: &Section<'_>) {
        for (key, group) in self.policy.groups() {
            if let Err(error) = self.databases.check(group) {
                root.reject(key, error);
            }
        }
    }

    /// A client as wide as a site has it for itself. That turns the default off, too, and is no mistake then.
    pub(super) fn check_sites(&self, limits: &Section<'_>) {
        let ([v4, v6], tuning) = (self.tuning.sites(), &self.tuning);
        if v4 != tuning.ipv4_site_times {
            limits.reject("ipv4_site_times", "`clients.ipv4_prefix` makes each client at least a whole /24");
        }
        if v6 != tuning.ipv6_site_times {
            limits.reject("ipv6_site_times", "`clients.ipv6_prefix` makes each client at least a whole /48");
        }
    }

    /// A scope longer than a client's prefix would split a client.
    pub(super) fn check_scopes(&self, limits: &Section<'_>) {
        for (name, _) in limits.sections("203.0.113.0/24") {
            let Ok(Scope::Prefix(prefix)) = name.parse::<Scope>() else { continue };
            let ClientPrefixes { v4, v6, .. } = self.tuning.prefixes;
            let bits = if prefix.addr().is_ipv4() { v4 } else { v6 };
            if prefix.prefix_len() > bits {
                limits.reject(name, format!("this scope splits clients, which are /{bits} networks"));
            }
        }
    }
}
