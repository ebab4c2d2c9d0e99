//! The rules that apply to a prefix: those of all prefixes that contain it, itself included.

use ipnet::IpNet;

use super::limits::Scope;
use super::policy::{AllowRule, BlockRule, Policy, end_of};

impl Policy {
    /// The allow rules that cover a prefix, the shortest first.
    pub fn allows_covering(&self, prefix: IpNet) -> impl DoubleEndedIterator<Item = (IpNet, &AllowRule)> {
        around(prefix).filter_map(|by| Some((by, self.allow(&by)?)))
    }

    /// The covering block that expires last; one without an expiry outlasts any other.
    #[must_use]
    pub fn block_covering(&self, prefix: &IpNet) -> Option<(IpNet, &BlockRule)> {
        let blocks = self.block_index().covering(prefix);
        blocks.filter_map(|(by, _)| Some((by, self.block(&by)?))).max_by_key(|(_, rule)| end_of(rule))
    }

    /// The longest covering prefix with limits of its own.
    #[must_use]
    pub fn scope_covering(&self, prefix: IpNet) -> Option<IpNet> {
        around(prefix).rev().find(|by| self.scope(Scope::Prefix(*by)).is_some())
    }
}

/// The prefixes that contain a prefix, the shortest first, itself last.
fn around(prefix: IpNet) -> impl DoubleEndedIterator<Item = IpNet> {
    (0..=prefix.prefix_len())
        .filter_map(move |length| Some(IpNet::new(prefix.network(), length).ok()?.trunc()))
}
