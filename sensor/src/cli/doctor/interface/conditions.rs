//! Drivers' requirements for accepting a program: conditions that neither a list of drivers nor the kernel's answer
//! (`netdev` family) shows, each with the command that meets it.
//!
//! From the sources of Linux 6.1 to 6.18: `ena_xdp_set`, `gve_xdp_set` (`verify_xdp_configuration`), `virtnet_xdp_set`,
//! `netvsc_xdp_set`, `bond_xdp_check`, `dev_xdp_attach`.

use super::super::finding::Finding;
use super::Facts;
use crate::kernel::{LinkLayer, PortKind, Queues};

/// Whether the driver needs one free transmit queue for each receive queue, so that half of them can be used.
pub(super) fn halves_queues(driver: Option<&str>) -> bool {
    matches!(driver, Some("ena" | "gve"))
}

/// Every condition of the driver, and of the interface's master.
pub(super) fn findings(interface: &str, facts: &Facts) -> Vec<Finding> {
    let of_driver = match facts.driver.as_deref() {
        Some("ena") => Some(ena(interface, facts)),
        Some("gve") => Some(gve(interface, facts)),
        Some("virtio_net") => Some(virtio(interface, facts)),
        Some("hv_netvsc") => Some(netvsc(interface, facts)),
        Some("bonding") => Some(bond(interface, facts)),
        Some("bridge") => Some(bridge(interface)),
        _ => None,
    };
    let all = [layer(interface, facts), of_driver, port(interface, facts)];
    all.into_iter().flatten().collect()
}

fn layer(interface: &str, facts: &Facts) -> Option<Finding> {
    match facts.link.layer {
        LinkLayer::Ethernet => None,
        LinkLayer::Loopback => Some(Finding::note(
            format!("{interface}: packets here come from this host, and are never limited or blocked"),
            "serve the interface that clients use; behind a proxy on this host, block in the proxy \
             (`alerts.deny_file`)",
        )),
        LinkLayer::Ip => Some(Finding::good(format!(
            "{interface}: a tunnel whose frames begin with an IP header; the sensor reads them"
        ))),
        LinkLayer::Unreadable => Some(Finding::problem(
            format!(
                "{interface}: its frames begin with neither an Ethernet nor an IP header: nothing is limited or \
                 blocked here"
            ),
            "serve the interface on which its packets arrive",
        )),
    }
}

/// ENA needs a transmit queue for each receive queue, and refuses if more than half of them are in use.
fn ena(interface: &str, facts: &Facts) -> Finding {
    let Some(Queues { receiving, most, .. }) = facts.queues else {
        return Finding::note(
            format!("{interface}: ena supports native XDP with at most half of its queues in use"),
            format!("`ethtool -l {interface}` shows them; `ethtool -L {interface} combined N` sets half"),
        );
    };
    let half = most / 2;
    if receiving <= half {
        return Finding::good(format!(
            "{interface}: {receiving} of {most} queues in use; ena supports native XDP with up to half of them"
        ));
    }
    let what = format!(
        "{interface}: {receiving} of {most} queues in use; ena refuses native XDP with more than half of them"
    );
    if half == 0 {
        return Finding::note(
            what,
            "this instance size has one queue: generic mode is used, which is slower",
        );
    }
    Finding::note(what, format!("ethtool -L {interface} combined {half}"))
}

/// gve requires equal numbers of receive and transmit queues, at most half of them in use, and no LRO.
fn gve(interface: &str, facts: &Facts) -> Finding {
    if has(facts, "rx-lro") {
        return Finding::note(
            format!("{interface}: gve refuses native XDP with LRO on"),
            format!("ethtool -K {interface} lro off"),
        );
    }
    let Queues { receiving, most, sending, most_sending } = facts.queues.unwrap_or_default();
    let half = most.min(most_sending) / 2;
    if receiving == sending && sending <= half {
        return Finding::good(format!(
            "{interface}: gve, {receiving} of {most_sending} queues in use each way, which native XDP requires; only \
             attaching shows whether the machine's queue format supports it (GQI_QPL does on every kernel)"
        ));
    }
    let what = format!(
        "{interface}: {receiving} receive queues and {sending} of {most_sending} send queues in use; gve refuses native \
         XDP unless both numbers are equal and half of the send queues are free"
    );
    if half == 0 {
        return Finding::note(what, "this machine has too few queues: generic mode is used, which is slower");
    }
    let wanted = half.min(receiving.max(1));
    Finding::note(what, format!("ethtool -L {interface} rx {wanted} tx {wanted}"))
}

/// virtio-net wants an extra transmit queue for each CPU; since Linux 5.13 it works without them, with a lock that
/// affects only programs that send. Offloads negotiated with the host can still prevent it.
fn virtio(interface: &str, facts: &Facts) -> Finding {
    if has(facts, "rx-gro-hw") || has(facts, "rx-lro") {
        return Finding::note(
            format!(
                "{interface}: the hypervisor passes aggregated packets (GRO_HW); virtio_net refuses native XDP unless \
                 they can be turned off from inside"
            ),
            format!(
                "ethtool -K {interface} rx-gro-hw off; if that fails, start the virtual machine with \
                 guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off"
            ),
        );
    }
    Finding::good(format!(
        "{interface}: virtio_net; it needs no XDP send queues, since the sensor only passes and drops"
    ))
}

/// `hv_netvsc` refuses with LRO (RSC), which is on by default; with accelerated networking, the program goes to the
/// virtual function as well, whose driver has to accept it.
fn netvsc(interface: &str, facts: &Facts) -> Finding {
    if has(facts, "rx-lro") {
        return Finding::note(
            format!("{interface}: hv_netvsc refuses native XDP with LRO on, its default"),
            format!("ethtool -K {interface} lro off"),
        );
    }
    Finding::good(format!(
        "{interface}: hv_netvsc without LRO supports native XDP; with accelerated networking the virtual function \
         behind it also gets the program"
    ))
}

/// A bond accepts a native program in these modes, if the drivers of all its ports do.
const BOND_MODES: [&str; 4] = ["balance-rr", "active-backup", "balance-xor", "802.3ad"];

fn bond(interface: &str, facts: &Facts) -> Finding {
    let mode = facts.bond_mode.as_deref().unwrap_or("unknown");
    if !BOND_MODES.contains(&mode) {
        return Finding::note(
            format!("{interface}: a bond in mode {mode}, which has no native XDP"),
            format!(
                "use a mode that has it ({}), for example `ip link set dev {interface} type bond mode active-backup` \
                 with the bond down; otherwise generic mode is used, which is slower",
                BOND_MODES.join(", ")
            ),
        );
    }
    if facts.xdp.is_some_and(|features| !features.native) {
        return Finding::note(
            format!("{interface}: a bond with a port without native XDP, so the bond has none"),
            format!(
                "run `sensor doctor -i PORT` for each port in /sys/class/net/{interface}/bonding/slaves to find it"
            ),
        );
    }
    Finding::good(format!(
        "{interface}: a bond in mode {mode}, which supports native XDP if all its ports do"
    ))
}

fn bridge(interface: &str) -> Finding {
    Finding::note(
        format!("{interface}: a bridge, which has no native XDP; only traffic for this host is served here"),
        format!(
            "generic mode works, and is slower. Native XDP runs on its ports (`ls /sys/class/net/{interface}/brif`), \
             where traffic of guests and containers behind the bridge also counts"
        ),
    )
}

/// A port passes its packets on to its master.
fn port(interface: &str, facts: &Facts) -> Option<Finding> {
    let (upper, kind) = facts.port_of.as_ref()?;
    Some(match kind {
        Some(PortKind::Bond) => Finding::note(
            format!("{interface}: a port of the bond {upper}; the other ports' traffic does not pass here"),
            format!("sensor run -i {upper}"),
        ),
        Some(PortKind::Bridge) => Finding::note(
            format!(
                "{interface}: a port of the bridge {upper}: traffic of guests and containers behind the bridge is \
                 also limited here"
            ),
            format!(
                "serve {upper} (`sensor run -i {upper}`) to limit only traffic for this host, in generic mode; \
                 otherwise leave it"
            ),
        ),
        // The virtual function of hv_netvsc is a port without a kind.
        Some(PortKind::Other) | None => Finding::note(
            format!("{interface}: a port of {upper}, which passes its packets to this host"),
            format!("sensor run -i {upper}"),
        ),
    })
}

fn has(facts: &Facts, feature: &str) -> bool {
    facts.offloads.as_ref().is_ok_and(|active| active.contains(feature))
}
