//! Addresses that this host depends on, as the system currently reports them.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

/// Routers that this host sends through.
pub(super) fn gateways() -> Vec<IpAddr> {
    // Via the process: a service may see no more of /proc than that.
    let v4 = procfs::process::Process::myself().and_then(|own| own.route()).unwrap_or_default();
    let v4 = v4.into_iter().map(|entry| IpAddr::V4(entry.gateway));
    let text = fs::read_to_string("/proc/self/net/ipv6_route").unwrap_or_default();
    let v6 = text.lines().filter_map(next_hop).map(IpAddr::V6);
    v4.chain(v6).filter(|address| !address.is_unspecified()).collect()
}

/// The fifth column of a line of `/proc/self/net/ipv6_route` (Linux `net/ipv6/route.c`).
fn next_hop(line: &str) -> Option<Ipv6Addr> {
    let hex = line.split_ascii_whitespace().nth(4)?;
    u128::from_str_radix(hex, 16).ok().map(Ipv6Addr::from_bits)
}

/// Name servers of `/etc/resolv.conf`.
pub(super) fn resolvers() -> Vec<IpAddr> {
    parse_resolvers(&fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
}

fn parse_resolvers(text: &str) -> Vec<IpAddr> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"))
        .filter_map(|rest| rest.trim().split('%').next()?.parse().ok())
        .collect()
}

/// Networks that are always this host.
pub(super) fn loopback() -> [IpNet; 2] {
    [
        IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
        IpNet::from(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ]
}

/// Addresses that identify no single host: the unspecified address is no source. [`loopback`] covers all of its
/// network.
pub(super) const fn is_worth_protecting(address: &IpAddr) -> bool {
    !address.is_unspecified() && !address.is_loopback() && !matches!(address, IpAddr::V4(Ipv4Addr::BROADCAST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_are_read() {
        let text =
            "# comment\nsearch example.org\nnameserver 192.0.2.53\n nameserver fe80::1%eth0\nnameserver x\n";
        assert_eq!(
            parse_resolvers(text),
            ["192.0.2.53".parse::<IpAddr>().unwrap(), "fe80::1".parse().unwrap()]
        );
    }

    #[test]
    fn next_hops_are_read() {
        let line = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
                    fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0";
        assert_eq!(next_hop(line), Some("fe80::1".parse().unwrap()));
        assert_eq!(next_hop("short"), None);
    }
}
