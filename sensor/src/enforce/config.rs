//! What the configuration says about policy.

use std::collections::{BTreeMap, BTreeSet};

use documented::DocumentedFields;

use super::limits::{Limits, Scope};
use super::mode::{Mode, Origin};
use super::policy::{AllowRule, BlockRule, Layer};
use crate::clock::Timestamp;
use crate::config::Section;
use crate::groups::{Group, WHOM, Whom};

/// Mode, limits, allows and blocks, as written.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct PolicyConfig {
    /// `monitor` only counts what would be dropped and raises alerts; `enforce` drops and blocks. A mode set by `sensor
    /// mode` overrides this, across restarts too.
    pub mode: Mode,
    /// Limits by scope; `default` is always there.
    pub limits: BTreeMap<Scope, Limits>,
    /// Prefixes and groups (`asn:64500`, `country:XX`) exempt from limits and blocks.
    pub allow: BTreeSet<Whom>,
    /// Prefixes and groups whose packets are dropped.
    pub block: BTreeSet<Whom>,
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
        root.explain::<Self>();
        root.choice("mode", &Mode::ALL.map(|mode| (mode.label(), mode)), &mut config.mode);
        root.set("allow", &WHOM, &mut config.allow);
        root.set("block", &WHOM, &mut config.block);
        let default = limits.section("default").about(ABOUT_DEFAULT);
        config.limits.entry(Scope::Default).or_default().read(&default);
        default.finish();
        for (name, section) in limits.sections("203.0.113.0/24") {
            let section = section.about(ABOUT_SCOPE);
            let mut read = Limits::default();
            read.read(&section);
            match name.parse::<Scope>() {
                Ok(scope) => {
                    if config.limits.contains_key(&scope) {
                        limits
                            .reject(name, "overlapping scopes: this one already exists in another spelling");
                    }
                    config.limits.insert(scope, read);
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
        let allow = AllowRule { reason: None, origin, since: now };
        let block = BlockRule { until: None, reason: None, origin, since: now };
        let mut layer = Layer { mode: Some(self.mode), limits: self.limits.clone(), ..Layer::default() };
        for whom in &self.allow {
            match whom {
                Whom::Prefix(prefix) => drop(layer.allows.insert(*prefix, allow.clone())),
                Whom::Group(group) => drop(layer.groups.allows.insert(*group, allow.clone())),
            }
        }
        for whom in &self.block {
            match whom {
                Whom::Prefix(prefix) => drop(layer.blocks.insert(*prefix, block.clone())),
                Whom::Group(group) => drop(layer.groups.blocks.insert(*group, block.clone())),
            }
        }
        layer
    }

    /// The groups named, each with the place where it is.
    pub fn groups(&self) -> impl Iterator<Item = (&'static str, Group)> {
        let in_lists = [("allow", &self.allow), ("block", &self.block)].into_iter();
        let in_lists = in_lists.flat_map(|(key, list)| list.iter().map(move |whom| (key, whom.group())));
        let in_limits = self.limits.keys().map(|scope| {
            let group = if let Scope::Group(group) = scope { Some(*group) } else { None };
            ("limits", group)
        });
        in_lists.chain(in_limits).filter_map(|(key, group)| Some((key, group?)))
    }
}

const ABOUT_DEFAULT: &str = "Limits per client, unless a scope for its prefix applies.";

const ABOUT_SCOPE: &str = "Limits per client within a prefix or group; the longest prefix or network applies. Unset keys default to \
     `limits.default`.";
