//! Inner interfaces: HTTP is read there, and nothing is limited, blocked or counted.
//!
//! They carry traffic between programs of this host (`lo`), or between this host and its containers (bridges, the host
//! side of veth pairs). Their sources are proxies and containers, not clients, so no XDP program is attached. Those of
//! containers come and go with names that nobody chose, so patterns select them as well.

use std::collections::BTreeSet;

use nix::net::if_::if_nameindex;
use sensor_common::abi::MAX_INTERFACES;

use super::attach::index_of;
use super::error::KernelError;
use super::link::{LinkLayer, link_facts};
use super::load::Dataplane;
use super::presence::{Presence, PresenceChange};

/// Most interfaces that patterns select: as many containers as a large host runs, at two programs each.
const MAX_MATCHED: usize = 256;

/// Which interfaces are inner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InnerInterfaces {
    /// By name: they exist at start.
    pub named: Vec<String>,
    /// Beginnings of names: whatever has one is inner for as long as it exists, unless it is served otherwise or has no
    /// Ethernet header.
    pub prefixes: Vec<String>,
}

/// An inner interface.
#[derive(Clone, Debug)]
pub struct InnerInterface {
    /// Its name.
    pub interface: String,
    /// Its index.
    pub ifindex: u32,
    /// How its frames start.
    pub layer: LinkLayer,
    /// Whether it exists, when last checked.
    pub presence: Presence,
    /// How often the mirror was attached again after the interface had gone and come back.
    pub reattached: u64,
    /// Whether a prefix selected it, so that it is forgotten once it is gone.
    pub is_matched: bool,
}

impl InnerInterface {
    /// The interface with a name.
    ///
    /// # Errors
    /// If there is none, or its frames have no Ethernet header.
    pub fn named(interface: &str) -> Result<Self, KernelError> {
        let ifindex = index_of(interface)?;
        let facts = link_facts(ifindex)?;
        if !matches!(facts.layer, LinkLayer::Ethernet | LinkLayer::Loopback) {
            return Err(KernelError::NotInner(interface.to_owned()));
        }
        Ok(Self {
            interface: interface.to_owned(),
            ifindex,
            layer: facts.layer,
            presence: Presence::of(facts.is_up),
            reattached: 0,
            is_matched: false,
        })
    }

    /// The interfaces that prefixes select now, without some that have a role already; at most `room`.
    fn matched(prefixes: &[String], taken: &BTreeSet<String>, room: usize) -> Vec<Self> {
        if prefixes.is_empty() || room == 0 {
            return Vec::new();
        }
        let Ok(interfaces) = if_nameindex() else { return Vec::new() };
        let names = interfaces.iter().filter_map(|interface| interface.name().to_str().ok());
        let selected = names.filter(|name| {
            prefixes.iter().any(|prefix| name.starts_with(prefix.as_str())) && !taken.contains(*name)
        });
        let found = selected.filter_map(|name| Self::named(name).ok());
        found.map(|found| Self { is_matched: true, ..found }).take(room).collect()
    }
}

impl Dataplane {
    /// Sets the inner interfaces; the mirror is attached to them together with the others, which must have been
    /// attached to before.
    ///
    /// # Errors
    /// If one that is named does not exist or cannot be read, or there are too many.
    pub fn set_inner(&mut self, interfaces: InnerInterfaces) -> Result<(), KernelError> {
        let InnerInterfaces { named, prefixes } = interfaces;
        if named.len() > MAX_INTERFACES as usize {
            return Err(KernelError::TooManyInterfaces(named.len()));
        }
        self.inner = named.iter().map(|name| InnerInterface::named(name)).collect::<Result<_, _>>()?;
        self.inner_prefixes = prefixes;
        let matched = InnerInterface::matched(&self.inner_prefixes, &self.with_roles(), MAX_MATCHED);
        self.inner.extend(matched);
        Ok(())
    }

    /// The inner interfaces.
    #[must_use]
    pub fn inner(&self) -> &[InnerInterface] {
        &self.inner
    }

    /// Names of the interfaces that have a role.
    fn with_roles(&self) -> BTreeSet<String> {
        let outer = self.attachments().iter().map(|outer| outer.interface.clone());
        outer.chain(self.inner.iter().map(|inner| inner.interface.clone())).collect()
    }

    /// Checks the inner interfaces again, and attaches the mirror to those that came back or are new.
    pub(super) fn look_at_inner(&mut self, changes: &mut Vec<PresenceChange>) {
        self.look_at_known(changes);
        self.look_for_new(changes);
    }

    fn look_at_known(&mut self, changes: &mut Vec<PresenceChange>) {
        let Self { inner, ebpf, mirror_links, .. } = self;
        for known in inner.iter_mut() {
            let before = known.presence;
            let (presence, reattached, error) = match InnerInterface::named(&known.interface) {
                Err(_) => (Presence::Gone, false, None),
                Ok(found) if found.ifindex == known.ifindex && before != Presence::Refused => {
                    (found.presence, false, None)
                }
                Ok(found) => {
                    let reattached = known.reattached.saturating_add(1);
                    let again = InnerInterface { reattached, is_matched: known.is_matched, ..found };
                    match mirror_links.as_mut().map_or(Ok(()), |links| links.attach_inner(ebpf, &again)) {
                        Ok(()) => {
                            *known = again;
                            (known.presence, true, None)
                        }
                        Err(error) => (Presence::Refused, false, Some(error)),
                    }
                }
            };
            known.presence = presence;
            if presence != before || reattached {
                let (interface, is_matched) = (known.interface.clone(), known.is_matched);
                changes.push(PresenceChange { interface, presence, reattached, is_matched, error });
            }
        }
        inner.retain(|known| {
            let is_forgotten = known.is_matched && known.presence == Presence::Gone;
            if is_forgotten && let Some(links) = mirror_links.as_mut() {
                links.forget(&known.interface);
            }
            !is_forgotten
        });
    }

    fn look_for_new(&mut self, changes: &mut Vec<PresenceChange>) {
        let matched = self.inner.iter().filter(|inner| inner.is_matched).count();
        let room = MAX_MATCHED.saturating_sub(matched);
        for mut found in InnerInterface::matched(&self.inner_prefixes, &self.with_roles(), room) {
            let Self { inner, ebpf, mirror_links, .. } = self;
            let attached = mirror_links.as_mut().map_or(Ok(()), |links| links.attach_inner(ebpf, &found));
            let error = attached.err();
            if error.is_some() {
                found.presence = Presence::Refused;
            }
            let (interface, presence) = (found.interface.clone(), found.presence);
            inner.push(found);
            let reattached = error.is_none();
            changes.push(PresenceChange { interface, presence, reattached, is_matched: true, error });
        }
    }
}
