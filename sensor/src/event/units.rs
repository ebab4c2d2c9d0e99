//! Who serves an exchange: the systemd unit or the container that owns the listening socket.

use std::net::IpAddr;
use std::sync::Arc;

/// Most names remembered; a host has some dozens of services. Beyond that, exchanges have no unit.
const MAX_UNITS: usize = 256;
/// Digits of a container's identifier that are shown, as its own tools do.
const SHOWN_DIGITS: usize = 12;
const LXC: &str = "lxc.payload.";
/// Fewest digits of one.
const MIN_DIGITS: usize = 32;

/// A name's number, the same as long as the process runs.
pub type UnitId = u16;

/// A listening socket of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Its port.
    pub port: u16,
    /// Its address; none if it takes connections to any.
    pub address: Option<IpAddr>,
    /// Who owns it.
    pub unit: Arc<str>,
}

/// The listening sockets, and names for their owners.
#[derive(Clone, Debug, Default)]
pub struct Units {
    names: Vec<Arc<str>>,
    /// Sorted by port.
    sockets: Vec<(u16, Option<IpAddr>, UnitId)>,
}

impl Units {
    /// Replaces the sockets. Of two that take the same connections, the first counts.
    pub fn set(&mut self, served: &[Served]) {
        self.sockets.clear();
        for Served { port, address, unit } in served {
            let known = self.names.iter().position(|name| name == unit);
            let place = known.unwrap_or(self.names.len());
            if known.is_none() && place < MAX_UNITS {
                self.names.push(Arc::clone(unit));
            }
            if let Some(id) = UnitId::try_from(place).ok().filter(|_| place < MAX_UNITS) {
                self.sockets.push((*port, *address, id));
            }
        }
        self.sockets.sort_by_key(|(port, _, _)| *port);
    }

    /// Whose socket a connection to this address and port reaches: one for that address before one for all.
    #[must_use]
    pub fn of(&self, server: IpAddr, port: u16) -> Option<UnitId> {
        let first = self.sockets.partition_point(|(own, _, _)| *own < port);
        let mut of_all = None;
        for (own, address, id) in self.sockets.get(first..)? {
            if *own != port {
                break;
            }
            match address {
                Some(address) if *address == server => return Some(*id),
                None if of_all.is_none() => of_all = Some(*id),
                Some(_) | None => {}
            }
        }
        of_all
    }

    /// The name of one.
    #[must_use]
    pub fn name(&self, id: UnitId) -> Option<&str> {
        self.names.get(usize::from(id)).map(|name| &**name)
    }
}

/// What a control group is called: the container's short identifier, or the innermost systemd unit. None for the root and
/// for what is neither.
///
/// Containers are those of Docker (`docker-ID.scope`, `/docker/ID`), Podman (`libpod-ID.scope`), containerd and CRI-O
/// under Kubernetes (`cri-containerd-ID.scope`, `crio-ID.scope`, `/kubepods/.../ID`), and LXC (`lxc.payload.NAME`).
#[must_use]
pub fn unit_of_group(path: &str) -> Option<String> {
    path.rsplit('/').find_map(|part| {
        let plain = part.strip_suffix(".scope").unwrap_or(part);
        if let Some(name) = plain.strip_prefix(LXC) {
            return Some(format!("lxc:{name}"));
        }
        if let Some(digits) = container_id(plain) {
            return Some(format!("container:{digits}"));
        }
        let is_unit = [".service", ".scope", ".socket"].iter().any(|kind| part.ends_with(kind));
        is_unit.then(|| part.to_owned())
    })
}

/// Whether a control group is a container's or within one.
#[must_use]
pub fn is_container(path: &str) -> bool {
    path.split('/').any(|part| {
        let plain = part.strip_suffix(".scope").unwrap_or(part);
        plain.starts_with(LXC) || container_id(plain).is_some()
    })
}

fn container_id(name: &str) -> Option<&str> {
    let last = name.rsplit('-').next().unwrap_or(name);
    let is_one = last.len() >= MIN_DIGITS && last.bytes().all(|byte| byte.is_ascii_hexdigit());
    last.get(..SHOWN_DIGITS).filter(|_| is_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_groups_have_the_names_that_their_tools_show() {
        let id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        for (path, expected) in [
            ("/system.slice/nginx.service", Some("nginx.service")),
            ("/user.slice/user-1000.slice/user@1000.service/app.slice/app.service", Some("app.service")),
            ("/user.slice/user-1000.slice/session-3.scope", Some("session-3.scope")),
            ("/system.slice/nginx.service/workers", Some("nginx.service")),
            (&format!("/system.slice/docker-{id}.scope"), Some("container:0123456789ab")),
            (&format!("/docker/{id}"), Some("container:0123456789ab")),
            (&format!("/machine.slice/libpod-{id}.scope/container"), Some("container:0123456789ab")),
            (
                &format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{id}.scope"),
                Some("container:0123456789ab"),
            ),
            (&format!("/kubepods/besteffort/pod7b3f/{id}"), Some("container:0123456789ab")),
            ("/lxc.payload.web", Some("lxc:web")),
            ("/", None),
            ("", None),
            ("/system.slice", None),
        ] {
            assert_eq!(unit_of_group(path).as_deref(), expected, "{path}");
            let named = expected.is_some_and(|name| name.contains(':'));
            assert_eq!(is_container(path), named, "{path}");
        }
    }

    #[test]
    fn a_socket_for_an_address_comes_before_one_for_all() {
        let at = |last: u8| IpAddr::from([192, 0, 2, last]);
        let served = |port, address, unit: &str| Served { port, address, unit: unit.into() };
        let mut units = Units::default();
        units.set(&[
            served(443, None, "a.service"),
            served(80, Some(at(1)), "b.service"),
            served(443, Some(at(2)), "c.service"),
            served(443, None, "late.service"),
        ]);
        let name = |units: &Units, last, port| {
            units.of(at(last), port).and_then(|id| units.name(id).map(str::to_owned))
        };
        for (last, port, expected) in [
            (1, 443, Some("a.service")),
            (2, 443, Some("c.service")),
            (1, 80, Some("b.service")),
            (2, 80, None),
            (1, 81, None),
        ] {
            assert_eq!(name(&units, last, port).as_deref(), expected, "{last} {port}");
        }
        // Numbers stay what they were.
        let before = units.of(at(1), 443);
        units.set(&[served(8_080, None, "new.service"), served(443, None, "a.service")]);
        assert_eq!((units.of(at(1), 443), name(&units, 1, 8_080).as_deref()), (before, Some("new.service")));
    }

    #[test]
    fn names_are_bounded() {
        let mut units = Units::default();
        for round in 0..4_u16 {
            let served: Vec<Served> = (1..=200_u16)
                .map(|port| Served { port, address: None, unit: format!("{round}-{port}.service").into() })
                .collect();
            units.set(&served);
        }
        assert_eq!(units.names.len(), MAX_UNITS);
        assert_eq!(units.of([192, 0, 2, 1].into(), 7), None);
    }
}
