//! What the mirror tells of ports without copying anything.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use aya::maps::{HashMap, MapData};
use nix::ifaddrs::getifaddrs;
use sensor_common::abi::{PORTS_SEEN, PortKey, PortSeen, PortSight};

use super::clients::address_of;

/// How long a port counts as served after it last answered.
const LIFETIME: Duration = Duration::from_secs(600);

/// Ports by what was seen of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortSights {
    /// Ports of this host's addresses from which a connection was accepted within ten minutes: here, or in another
    /// namespace or container to which the port is translated.
    pub answered: BTreeSet<u16>,
    /// Connections of QUIC to watched ports' numbers.
    pub quic: BTreeMap<u16, u64>,
}

/// Addresses of this host's own interfaces.
#[must_use]
pub fn own_addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = getifaddrs() else { return Vec::new() };
    interfaces
        .filter_map(|interface| {
            let address = interface.address?;
            let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
        })
        .collect()
}

/// Reads them. `now` is the kernel's monotonic clock.
pub(super) fn read(ports: &HashMap<MapData, PortKey, PortSeen>, now: Duration) -> PortSights {
    // Entries may come and go meanwhile.
    let all = ports.iter().flatten().take(usize::try_from(PORTS_SEEN).unwrap_or(usize::MAX)).collect();
    sort(all, now, own_addresses)
}

fn sort(all: Vec<(PortKey, PortSeen)>, now: Duration, own: impl FnOnce() -> Vec<IpAddr>) -> PortSights {
    let mut sights = PortSights::default();
    let is_answer = |key: &PortKey| key.sight == PortSight::Answered as u16;
    let is_recent = |seen: &PortSeen| now.saturating_sub(Duration::from_nanos(seen.time)) < LIFETIME;
    let (answers, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(key, _)| is_answer(key));
    let answers: Vec<_> = answers.into_iter().filter(|(_, seen)| is_recent(seen)).collect();
    for (key, seen) in others {
        sights.quic.insert(key.port, seen.count);
    }
    if !answers.is_empty() {
        // A router forwards answers of others, too.
        let own: HashSet<IpAddr> = own().into_iter().collect();
        let here = answers.iter().filter(|(key, _)| own.contains(&address_of(key.address)));
        sights.answered.extend(here.map(|(key, _)| key.port));
    }
    sights
}

#[cfg(test)]
mod tests {
    use super::super::clients::key_of;
    use super::*;

    #[test]
    fn only_recent_answers_of_this_host_count() {
        let now = Duration::from_secs(10_000);
        let own: IpAddr = [192, 0, 2, 1].into();
        let entry = |address: IpAddr, port, sight: PortSight, ago: u64| {
            let time = u64::try_from((now - Duration::from_secs(ago)).as_nanos()).unwrap();
            (
                PortKey { address: key_of(address), port, sight: sight as u16, reserved: 0 },
                PortSeen { time, count: 3 },
            )
        };
        let all = vec![
            entry(own, 8_080, PortSight::Answered, 599),
            entry(own, 8_081, PortSight::Answered, 600),
            entry([198, 51, 100, 1].into(), 443, PortSight::Answered, 1),
            entry([0, 0, 0, 0].into(), 8_443, PortSight::Quic, 5_000),
        ];
        let sights = sort(all, now, || vec![own]);
        assert_eq!(sights.answered, BTreeSet::from([8_080]));
        assert_eq!(sights.quic, BTreeMap::from([(8_443, 3)]));
        // Addresses are not asked for in vain.
        assert_eq!(sort(Vec::new(), now, || panic!("asked")), PortSights::default());
    }
}
