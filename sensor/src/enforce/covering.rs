//! The rules that apply to a prefix: those of all prefixes and groups that contain it, itself included.

use ipnet::IpNet;

use super::groups::Kind;
use super::limits::Scope;
use super::policy::{AllowRule, BlockRule, Policy, end_of};
use crate::groups::Whom;

impl Policy {
    /// The allow rules that cover a prefix, those of groups first, then the shortest prefix first.
    pub fn allows_covering(&self, prefix: IpNet) -> impl DoubleEndedIterator<Item = (Whom, &AllowRule)> {
        let is_in = move |group| self.network_around(group, &prefix).is_some();
        let groups: Vec<(Whom, &AllowRule)> = self
            .group_allows()
            .filter(|(group, _)| is_in(*group))
            .map(|(group, rule)| (Whom::Group(group), rule))
            .collect();
        groups.into_iter().chain(around(prefix).filter_map(|by| Some((by.into(), self.allow(&by)?))))
    }

    /// The covering block that expires last; one without an expiry outlasts any other.
    #[must_use]
    pub fn block_covering(&self, prefix: &IpNet) -> Option<(Whom, &BlockRule)> {
        let groups = self.group_blocks().filter(|(group, _)| self.network_around(*group, prefix).is_some());
        let groups = groups.map(|(group, rule)| (Whom::Group(group), rule));
        let blocks = self.block_index().covering(prefix);
        let blocks = blocks.filter_map(|(by, _)| Some((Whom::from(by), self.block(&by)?)));
        groups.chain(blocks).max_by_key(|(_, rule)| end_of(rule))
    }

    /// The scope whose limits apply to a prefix, if it is not `default`: of the longest prefix or network of a group
    /// that covers it.
    #[must_use]
    pub fn scope_covering(&self, prefix: IpNet) -> Option<Whom> {
        let own = around(prefix).rev().find(|by| self.scope(Scope::Prefix(*by)).is_some());
        let own = own.map(|by| (by.prefix_len(), Whom::Prefix(by)));
        let groups = self.groups_with(Kind::Limits).into_iter();
        let groups = groups.filter_map(|group| {
            Some((self.network_around(group, &prefix)?.prefix_len(), Whom::Group(group)))
        });
        let longest = groups.chain(own).max_by_key(|(length, by)| (*length, Scope::from(*by).precedence()));
        longest.map(|(_, by)| by)
    }
}

/// The prefixes that contain a prefix, the shortest first, itself last.
fn around(prefix: IpNet) -> impl DoubleEndedIterator<Item = IpNet> {
    (0..=prefix.prefix_len())
        .filter_map(move |length| Some(IpNet::new(prefix.network(), length).ok()?.trunc()))
}
