//! Findings from made-up facts.

use super::super::finding::{Severity, check};
use super::*;
use Severity::{Good, Note, Problem};

fn facts(driver: &str) -> Facts {
    Facts {
        link: LinkFacts { mtu: 1_500, ..LinkFacts::default() },
        driver: Some(driver.to_owned()),
        offloads: Ok(BTreeSet::new()),
        xdp: None,
        queues: None,
        cpus: 4,
        owner: None,
        ahead: None,
        below: None,
        port_of: None,
        bond_mode: None,
    }
}

fn active(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

const NATIVE: Option<XdpFeatures> = Some(XdpFeatures { native: true, multi_buffer: false });
const MULTI: Option<XdpFeatures> = Some(XdpFeatures { native: true, multi_buffer: true });
const NONE: Option<XdpFeatures> = Some(XdpFeatures { native: false, multi_buffer: false });

#[test]
fn native_xdp_is_what_the_kernel_says_or_else_what_is_known() {
    for (driver, xdp, severity, what) in [
        ("ena", NATIVE, Good, "driver ena has native XDP, if its queues"),
        ("newdriver", MULTI, Good, "driver newdriver has native XDP"),
        ("e1000e", NONE, Note, "driver e1000e has no native XDP"),
        ("veth", NONE, Note, "as many receive queues"),
        ("ixgbe", None, Good, "which has native XDP"),
        ("e1000e", None, Note, "not known to have native XDP"),
    ] {
        let facts = Facts { xdp, ..facts(driver) };
        check(&native("eth0", &facts), severity, what, if severity == Good { "" } else { "generic mode" });
    }
    assert!(NATIVE_DRIVERS.is_sorted());
}

#[test]
fn a_large_mtu_matters_where_native_xdp_takes_one_page() {
    for (driver, mtu_bytes, xdp, severity, what, remedy) in [
        ("ena", 1_500, NATIVE, Good, "MTU 1500", ""),
        ("ena", 3_498, NATIVE, Good, "MTU 3498", ""),
        ("ena", 9_001, NATIVE, Note, "does not support", "ip link set dev eth0 mtu 3498"),
        ("virtio_net", 3_506, NATIVE, Good, "MTU 3506", ""),
        ("virtio_net", 9_000, None, Note, "exceeds one page: 3506", "ip link set dev eth0 mtu 3506"),
        ("ice", 9_000, MULTI, Good, "multi-buffer", ""),
        ("e1000e", 9_000, NONE, Good, "which generic mode supports", ""),
    ] {
        let mut facts = Facts { xdp, ..facts(driver) };
        facts.link.mtu = mtu_bytes;
        check(&mtu("eth0", &facts), severity, what, remedy);
    }
}

#[test]
fn aggregates_of_the_device_are_told_with_their_switch() {
    for (names, severity, remedy) in [
        (&["rx-gro", "loopback"][..], Good, ""),
        (&["rx-lro", "rx-gro"], Note, "ethtool -K eth0 lro off"),
        (&["rx-gro-hw"], Note, "ethtool -K eth0 rx-gro-hw off"),
        (&["rx-gro-hw", "rx-lro"], Note, "ethtool -K eth0 lro off rx-gro-hw off"),
    ] {
        let facts = Facts { offloads: Ok(active(names)), ..facts("ixgbe") };
        check(&offloads("eth0", &facts), severity, "", remedy);
    }
    let facts = Facts { offloads: Err("refused".to_owned()), ..facts("ixgbe") };
    check(&offloads("eth0", &facts), Note, "cannot read its offloads: refused", "ethtool -k");
}

#[test]
fn vlan_interfaces_are_told_and_stripped_tags_do_no_harm() {
    assert!(vlan("eth0", &facts("ixgbe")).is_none());
    let stripping = Facts { offloads: Ok(active(&["rx-vlan-hw-parse"])), ..facts("ixgbe") };
    check(&vlan("eth0", &stripping).unwrap(), Good, "which is harmless", "");
    let above = Facts { below: Some("eth0".to_owned()), ..facts("802.1Q VLAN Support") };
    check(&vlan("eth0.5", &above).unwrap(), Note, "eth0.5 is a VLAN on eth0", "serve eth0 instead");
}

#[test]
fn few_queues_are_few_cpus() {
    assert!(queues("eth0", &facts("ixgbe")).is_none());
    let with =
        |driver: &str, receiving, most| Facts { queues: Some(both_ways(receiving, most)), ..facts(driver) };
    assert!(queues("eth0", &with("veth", 1, 1)).is_none());
    check(&queues("eth0", &with("ixgbe", 8, 8)).unwrap(), Good, "8 receive queues for 4 CPUs", "");
    check(
        &queues("eth0", &with("virtio_net", 1, 8)).unwrap(),
        Note,
        "leaves the other CPUs idle",
        "ethtool -L eth0 combined 4",
    );
    check(
        &queues("eth0", &with("virtio_net", 1, 1)).unwrap(),
        Note,
        "1 receive queue for 4 CPUs",
        "queues='N'",
    );
}

const fn both_ways(receiving: u32, most: u32) -> Queues {
    Queues { receiving, most, sending: receiving, most_sending: most }
}

/// The one condition that a driver with such queues and offloads has.
fn condition(driver: &str, queues: Option<Queues>, offloads: &[&str]) -> Finding {
    let facts = Facts { queues, offloads: Ok(active(offloads)), xdp: NATIVE, ..facts(driver) };
    let mut found = conditions::findings("eth0", &facts);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn cards_of_clouds_have_conditions_of_their_own() {
    assert!(conditions::findings("eth0", &facts("ixgbe")).is_empty());
    let queues = |receiving, most| Some(both_ways(receiving, most));
    let uneven = Some(Queues { receiving: 4, most: 16, sending: 2, most_sending: 16 });
    for (driver, queues, offloads, severity, what, remedy) in [
        ("ena", queues(4, 8), &[][..], Good, "4 of 8 queues in use", ""),
        ("ena", queues(8, 8), &[], Note, "refuses native XDP", "ethtool -L eth0 combined 4"),
        ("ena", queues(5, 9), &[], Note, "5 of 9 queues", "ethtool -L eth0 combined 4"),
        ("ena", queues(1, 1), &[], Note, "1 of 1 queues", "one queue"),
        ("ena", None, &[], Note, "at most half", "ethtool -l eth0"),
        ("gve", queues(4, 16), &[], Good, "4 of 16 queues in use each way", ""),
        ("gve", queues(16, 16), &[], Note, "16 of 16 send", "ethtool -L eth0 rx 8 tx 8"),
        ("gve", uneven, &[], Note, "4 receive queues and 2 of 16 send queues", "ethtool -L eth0 rx 4 tx 4"),
        ("gve", queues(1, 1), &[], Note, "1 receive queues", "too few queues"),
        ("gve", queues(4, 16), &["rx-lro"], Note, "LRO", "ethtool -K eth0 lro off"),
        ("virtio_net", queues(1, 1), &[], Good, "only passes and drops", ""),
        ("virtio_net", queues(1, 1), &["rx-gro-hw"], Note, "GRO_HW", "guest_tso4=off"),
        ("hv_netvsc", queues(4, 8), &[], Good, "without LRO", ""),
        ("hv_netvsc", queues(4, 8), &["rx-lro"], Note, "its default", "ethtool -K eth0 lro off"),
        ("bridge", None, &[], Note, "no native XDP", "/sys/class/net/eth0/brif"),
    ] {
        check(&condition(driver, queues, offloads), severity, what, remedy);
    }
}

/// What one finding advises must not break what another asks for.
#[test]
fn advice_about_queues_leaves_those_free_that_the_driver_needs() {
    for (driver, advice) in [("ena", "ethtool -L eth0 combined 4"), ("gve", "ethtool -L eth0 rx 4 tx 4")] {
        let facts = Facts { queues: Some(both_ways(1, 8)), cpus: 16, ..facts(driver) };
        check(&queues("eth0", &facts).unwrap(), Note, "leaves the other CPUs idle", advice);
        let followed = condition(driver, Some(both_ways(4, 8)), &[]);
        assert_eq!(followed.severity, Good, "{followed:?}");
    }
}

#[test]
fn bonds_take_native_xdp_by_mode_and_ports() {
    for (mode, xdp, severity, what, remedy) in [
        (Some("active-backup"), MULTI, Good, "if all its ports do", ""),
        (Some("802.3ad"), None, Good, "mode 802.3ad", ""),
        (Some("802.3ad"), NONE, Note, "a port without native XDP", "sensor doctor -i PORT"),
        (Some("balance-alb"), NONE, Note, "mode balance-alb", "ip link set dev bond0 type bond mode"),
        (None, NONE, Note, "mode unknown", "active-backup"),
    ] {
        let facts = Facts { bond_mode: mode.map(str::to_owned), xdp, ..facts("bonding") };
        check(&conditions::findings("bond0", &facts)[0], severity, what, remedy);
    }
}

#[test]
fn ports_are_told_what_they_are_part_of() {
    for (kind, what) in [
        (Some(PortKind::Bond), "the other ports' traffic"),
        (Some(PortKind::Bridge), "guests and containers"),
        (None, "passes its packets"),
    ] {
        let facts = Facts { port_of: Some(("upper0".to_owned(), kind)), ..facts("ixgbe") };
        check(&conditions::findings("eth0", &facts)[0], Note, what, "sensor run -i upper0");
    }
}

#[test]
fn how_frames_begin_decides_whether_anything_can_be_enforced() {
    for (layer, severity, what) in [
        (LinkLayer::Loopback, Note, "never limited or blocked"),
        (LinkLayer::Ip, Good, "the sensor reads them"),
        (LinkLayer::Unreadable, Problem, "nothing is limited or blocked here"),
    ] {
        let mut facts = facts("tun");
        facts.link.layer = layer;
        check(&conditions::findings("tun0", &facts)[0], severity, what, "");
        check(&native("tun0", &facts), Good, "driver tun", "");
    }
}

#[test]
fn whose_a_program_is_decides_how_it_goes() {
    let with = |mode, owner: Owner| {
        let mut facts = Facts { owner: Some(owner), ..facts("ixgbe") };
        (facts.link.xdp, facts.link.program_id) = (Some(mode), Some(12));
        attached("eth0", &facts)
    };
    let named = |name: &str| Owner { name: Some(name.to_owned()), uid: Some(0), ..Owner::default() };
    check(&attached("eth0", &facts("ixgbe")), Good, "no XDP program attached", "");
    check(
        &with(XdpMode::Native, named("sensor_xdp")),
        Good,
        "a sensor is attached, program 12, native mode",
        "",
    );
    let found = with(XdpMode::Native, named("xdp_pass"));
    check(
        &found,
        Problem,
        "program 12 `xdp_pass` is attached without a link, native mode, loaded by user 0; held by the interface only",
        "ip link set dev eth0 xdp off",
    );
    check(
        &with(XdpMode::Generic, named("xdp_pass")),
        Problem,
        "generic mode",
        "ip link set dev eth0 xdpgeneric off",
    );
    let process = Owner { by_link: true, processes: vec![(77, "cilium".to_owned())], ..named("cil_xdp") };
    check(
        &with(XdpMode::Native, process),
        Problem,
        "by a link, native mode, loaded by user 0; held by process 77 (cilium)",
        "stop that process",
    );
    let pin = Owner { by_link: true, pins: vec!["/sys/fs/bpf/x".into()], ..named("x") };
    check(&with(XdpMode::Native, pin), Problem, "held by the pin /sys/fs/bpf/x", "remove that pin");
    check(
        &with(XdpMode::Native, Owner { by_link: true, ..named("x") }),
        Problem,
        "by a link",
        "bpftool link",
    );
    check(
        &with(XdpMode::Native, Owner::default()),
        Problem,
        "`unnamed`",
        "an interface takes one XDP program",
    );
}

#[test]
fn a_program_before_the_mirror_is_told() {
    assert!(ahead("eth0", &facts("veth")).is_none());
    let facts = Facts { ahead: Some(("ingress", "cil_from_netdev".to_owned())), ..facts("veth") };
    check(
        &ahead("eth0", &facts).unwrap(),
        Note,
        "tc ingress, program `cil_from_netdev` runs before",
        "restart",
    );
}
