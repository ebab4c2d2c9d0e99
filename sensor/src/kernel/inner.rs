//! Inner interfaces: HTTP is read there, and nothing is limited, blocked or counted.
//!
//! They carry traffic between programs of this host (`lo`), or between this host and its containers (bridges, the host
//! side of veth pairs). Their sources are proxies and containers, not clients, so no XDP program is attached.

use sensor_common::abi::MAX_INTERFACES;

use super::attach::index_of;
use super::error::KernelError;
use super::link::{LinkLayer, link_facts};
use super::load::Dataplane;
use super::presence::{Presence, PresenceChange};

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
        })
    }
}

impl Dataplane {
    /// Sets the inner interfaces; the mirror is attached to them together with the others.
    ///
    /// # Errors
    /// If one does not exist or cannot be read, or there are too many.
    pub fn set_inner(&mut self, interfaces: &[String]) -> Result<(), KernelError> {
        if interfaces.len() > MAX_INTERFACES as usize {
            return Err(KernelError::TooManyInterfaces(interfaces.len()));
        }
        self.inner = interfaces.iter().map(|name| InnerInterface::named(name)).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// The inner interfaces.
    #[must_use]
    pub fn inner(&self) -> &[InnerInterface] {
        &self.inner
    }

    /// Checks the inner interfaces again, and attaches the mirror to those that came back.
    pub(super) fn look_at_inner(&mut self, changes: &mut Vec<PresenceChange>) {
        let Self { inner, ebpf, mirror_links, .. } = self;
        for known in inner {
            let before = known.presence;
            let (presence, reattached, error) = match InnerInterface::named(&known.interface) {
                Err(_) => (Presence::Gone, false, None),
                Ok(found) if found.ifindex == known.ifindex && before != Presence::Refused => {
                    (found.presence, false, None)
                }
                Ok(found) => {
                    let again = InnerInterface { reattached: known.reattached.saturating_add(1), ..found };
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
                let interface = known.interface.clone();
                changes.push(PresenceChange { interface, presence, reattached, error });
            }
        }
    }
}
