//! What must never be blocked: the addresses that keep this host reachable and its operator connected.

use std::collections::BTreeMap;
use std::net::IpAddr;

use documented::DocumentedFields;
use ipnet::IpNet;

use super::host;
use crate::config::Section;
use crate::kernel::own_addresses;
use crate::prefix;

/// A protected prefix and why it is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protected {
    /// The prefix.
    pub prefix: IpNet,
    /// Such as "the gateway".
    pub why: String,
}

impl Protected {
    /// The prefix and its protection, for people.
    #[must_use]
    pub fn reason(&self) -> String {
        let Self { prefix, why } = self;
        let is_address = prefix.prefix_len() == prefix.max_prefix_len();
        let what = if is_address { prefix.addr().to_string() } else { prefix.to_string() };
        if [THIS_HOST, LOOPBACK].contains(&why.as_str()) {
            format!("{what} belongs to this host")
        } else {
            format!("{what} is {why}")
        }
    }
}

const THIS_HOST: &str = "an address of this host";
const LOOPBACK: &str = "this host itself";

/// The rules. They hold whatever a detector or an operator says; `docs/` tells how to narrow them.
#[derive(Clone, Debug, Default, DocumentedFields)]
#[documented_fields(default = "")]
pub struct NeverBlock {
    /// Prefixes never to block, besides loopback, this host's addresses, its gateways and resolvers, trusted proxies,
    /// and the source addresses of ssh sessions in which an administrator uses `sensor`.
    #[documented_fields(rename = "prefixes")]
    configured: Vec<IpNet>,
    trusted_proxies: Vec<IpNet>,
    operators: Vec<IpAddr>,
    rules: BTreeMap<IpNet, &'static str>,
}

impl NeverBlock {
    /// Rules for this host, with those of the configuration.
    #[must_use]
    pub fn new(configured: Vec<IpNet>) -> Self {
        let mut rules = Self { configured, ..Self::default() };
        rules.refresh();
        rules
    }

    /// Reads the configuration's own prefixes.
    #[must_use]
    pub fn read(section: &Section<'_>) -> Vec<IpNet> {
        let mut prefixes = Vec::new();
        section.explain::<Self>();
        section.list("prefixes", &prefix::PREFIX, &mut prefixes);
        prefixes
    }

    /// Puts other prefixes in the place of the configured ones.
    pub fn reconfigure(&mut self, configured: Vec<IpNet>) {
        self.configured = configured;
        self.refresh();
    }

    /// Protects the proxies that clients come through.
    pub fn protect_proxies(&mut self, trusted_proxies: Vec<IpNet>) {
        self.trusted_proxies = trusted_proxies;
        self.refresh();
    }

    /// Protects the addresses that operators' ssh sessions come from, and no longer those of earlier ones.
    pub fn protect_operators(&mut self, addresses: Vec<IpAddr>) {
        self.operators = addresses;
        self.refresh();
    }

    /// Asks the system again: addresses, routes and resolvers change.
    pub fn refresh(&mut self) {
        let named = [
            (THIS_HOST, own_addresses()),
            ("a resolver of this host", host::resolvers()),
            ("the gateway", host::gateways()),
            ("an operator's ssh session", self.operators.clone()),
        ];
        self.rules = self.configured.iter().map(|prefix| (*prefix, "a never_block prefix")).collect();
        self.rules.extend(self.trusted_proxies.iter().map(|prefix| (*prefix, "a trusted proxy")));
        for (why, addresses) in named {
            let worth = addresses.into_iter().filter(host::is_worth_protecting);
            self.rules.extend(worth.map(|address| (IpNet::from(address), why)));
        }
        self.rules.extend(host::loopback().map(|network| (network, LOOPBACK)));
    }

    /// Whether this host itself sends from an address of the prefix.
    #[must_use]
    pub fn is_of_this_host(&self, prefix: &IpNet) -> bool {
        let own = self.rules.iter().filter(|(_, why)| [THIS_HOST, LOOPBACK].contains(why));
        own.map(|(own, _)| own).any(|own| prefix::overlap(own, prefix))
    }

    /// The rule that a block of this prefix would break, if any.
    #[must_use]
    pub fn conflict(&self, prefix: &IpNet) -> Option<Protected> {
        self.rules
            .iter()
            .find(|(protected, _)| prefix::overlap(protected, prefix))
            .map(|(prefix, why)| Protected { prefix: *prefix, why: (*why).to_owned() })
    }

    /// Protected prefixes that blocks reach all the same, because the configuration says so or an address
    /// became protected later; the kernel gets an allow for each.
    pub fn reached(&self, is_blocked: impl Fn(&IpNet) -> bool) -> Vec<IpNet> {
        self.rules.keys().filter(|protected| is_blocked(protected)).copied().collect()
    }

    /// Every rule.
    pub fn rules(&self) -> impl Iterator<Item = (&IpNet, &'static str)> {
        self.rules.iter().map(|(prefix, why)| (prefix, *why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // IPv6 documentation prefixes: the host that runs the test may well own an IPv4 one.
    #[test]
    fn conflicts_go_both_ways() {
        let mut rules = NeverBlock::new(vec!["2001:db8:1::/48".parse().unwrap()]);
        rules.protect_operators(vec!["2001:db8:2::9".parse().unwrap()]);
        let conflict = |text: &str| rules.conflict(&text.parse().unwrap()).map(|found| found.why);
        assert_eq!(conflict("2001:db8:1::7/128").as_deref(), Some("a never_block prefix"));
        assert_eq!(conflict("2001:db8::/47").as_deref(), Some("a never_block prefix"));
        assert_eq!(conflict("2001:db8:2::/48").as_deref(), Some("an operator's ssh session"));
        assert_eq!(conflict("2001:db8:3::/48"), None);
        rules.protect_operators(Vec::new());
        assert!(rules.conflict(&"2001:db8:2::/48".parse().unwrap()).is_none(), "protection ends");
    }

    #[test]
    fn this_host_is_protected_wherever_it_is() {
        let rules = NeverBlock::new(Vec::new());
        for own in ["127.0.0.1/32", "127.8.9.0/24", "::1/128", "::/64", "0.0.0.0/0"] {
            let own = own.parse().unwrap();
            assert!(rules.conflict(&own).is_some() && rules.is_of_this_host(&own), "{own}");
        }
        assert!(!rules.is_of_this_host(&"2001:db8::/32".parse().unwrap()));
        let reasons =
            ["127.0.0.1/32", "::1/128"].map(|own| rules.conflict(&own.parse().unwrap()).unwrap().reason());
        assert_eq!(reasons, ["127.0.0.0/8 belongs to this host", "::1 belongs to this host"]);
    }

    #[test]
    fn reached_are_those_that_blocks_overlap() {
        let prefixes = ["2001:db8:1::/48", "2001:db8:2::1/128"].map(|text| text.parse().unwrap());
        let rules = NeverBlock::new(prefixes.to_vec());
        let blocks: Vec<IpNet> = vec!["2001:db8:2::/48".parse().unwrap()];
        assert_eq!(
            rules.reached(|one| blocks.iter().any(|block| prefix::overlap(one, block))),
            [prefixes[1]]
        );
    }
}
