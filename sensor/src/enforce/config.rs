//! What the configuration says about policy.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::limits::{Limits, Scope, parse_bits};
use super::policy::{AllowRule, BlockRule, Layer, Mode, Origin};
use crate::clock::Timestamp;
use crate::config::Section;
use crate::prefix;

/// Mode, limits, allows and blocks, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyConfig {
    /// The mode.
    pub mode: Mode,
    /// Limits by scope; `default` is always there.
    pub limits: BTreeMap<Scope, Limits>,
    /// Allowed prefixes.
    pub allow: BTreeSet<IpNet>,
    /// Blocked prefixes.
    pub block: BTreeSet<IpNet>,
}

/// Limits where the configuration sets none: far above what a browser or a mobile carrier's gateway does, far
/// below what hurts a server. `docs/` explains how to find better ones.
fn default_limits() -> Limits {
    let rate = |text: &str| text.parse().ok();
    Limits {
        packets: rate("20k/s:40k"),
        bits: rate("400M/s:400M"),
        connections: rate("500/s:2k"),
        requests: rate("1k/s:2k"),
    }
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            mode: Mode::Monitor,
            limits: BTreeMap::from([(Scope::Default, default_limits())]),
            allow: BTreeSet::new(),
            block: BTreeSet::new(),
        }
    }
}

impl PolicyConfig {
    /// Reads `mode`, `allow` and `block` from the top level and `limits` from its table.
    #[must_use]
    pub fn read(root: &Section<'_>, limits: &Section<'_>) -> Self {
        let mut config = Self::default();
        if let Some(mode) = root.parsed("mode", str::parse::<Mode>) {
            config.mode = mode;
        }
        config.allow = read_prefixes(root, "allow");
        config.block = read_prefixes(root, "block");
        for (name, section) in limits.sections() {
            match name.parse::<Scope>() {
                Ok(scope) => {
                    let base = config.limits.get(&scope).copied().unwrap_or_default();
                    let read = read_limits(&section);
                    if scope != Scope::Default && config.limits.contains_key(&scope) {
                        limits.reject(
                            name,
                            "overlapping scopes: this one is there already in another spelling",
                        );
                    }
                    config.limits.insert(scope, read.or(base));
                }
                Err(error) => limits.reject(name, error),
            }
            section.finish();
        }
        config
    }

    /// As a layer of the policy.
    #[must_use]
    pub fn layer(&self, now: Timestamp) -> Layer {
        let origin = Origin::Configuration;
        let allow = |prefix: &IpNet| (*prefix, AllowRule { reason: None, origin, since: now });
        let block = |prefix: &IpNet| (*prefix, BlockRule { until: None, reason: None, origin, since: now });
        Layer {
            mode: Some(self.mode),
            limits: self.limits.clone(),
            allows: self.allow.iter().map(allow).collect(),
            blocks: self.block.iter().map(block).collect(),
        }
    }
}

fn read_prefixes(root: &Section<'_>, key: &'static str) -> BTreeSet<IpNet> {
    let mut seen = BTreeSet::new();
    root.list(key, |text| {
        let prefix = prefix::parse(text).map_err(|error| error.to_string())?;
        if seen.insert(prefix) { Ok(()) } else { Err(format!("`{text}` is listed twice")) }
    });
    seen
}

fn read_limits(section: &Section<'_>) -> Limits {
    Limits {
        packets: section.parsed("packets", str::parse),
        bits: section.parsed("bits", parse_bits),
        connections: section.parsed("connections", str::parse),
        requests: section.parsed("requests", str::parse),
    }
}
