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
        below: None,
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
        ("ena", NATIVE, Good, "driver ena has native XDP"),
        ("newdriver", MULTI, Good, "driver newdriver has native XDP"),
        ("e1000e", NONE, Note, "driver e1000e has no native XDP"),
        ("veth", NONE, Note, "as many receiving queues"),
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
        ("ena", 9_001, NATIVE, Note, "takes no more", "ip link set dev eth0 mtu 3498"),
        ("virtio_net", 3_506, NATIVE, Good, "MTU 3506", ""),
        (
            "virtio_net",
            9_000,
            None,
            Note,
            "is more than one page holds: 3506",
            "ip link set dev eth0 mtu 3506",
        ),
        ("ice", 9_000, MULTI, Good, "multi-buffer", ""),
        ("e1000e", 9_000, NONE, Good, "which generic mode takes", ""),
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
    check(&offloads("eth0", &facts), Note, "cannot be asked for: refused", "ethtool -k");
}

#[test]
fn vlan_interfaces_are_told_and_stripped_tags_do_no_harm() {
    assert!(vlan("eth0", &facts("ixgbe")).is_none());
    let stripping = Facts { offloads: Ok(active(&["rx-vlan-hw-parse"])), ..facts("ixgbe") };
    check(&vlan("eth0", &stripping).unwrap(), Good, "makes no difference", "");
    let above = Facts { below: Some("eth0".to_owned()), ..facts("802.1Q VLAN Support") };
    check(&vlan("eth0.5", &above).unwrap(), Note, "eth0.5 is a VLAN on eth0", "serve eth0 instead");
}

#[test]
fn few_queues_are_few_cpus() {
    assert!(queues("eth0", &facts("ixgbe")).is_none());
    let with =
        |driver: &str, receiving, most| Facts { queues: Some(Queues { receiving, most }), ..facts(driver) };
    assert!(queues("eth0", &with("veth", 1, 1)).is_none());
    check(&queues("eth0", &with("ixgbe", 8, 8)).unwrap(), Good, "8 receive queues for 4 CPUs", "");
    check(
        &queues("eth0", &with("virtio_net", 1, 8)).unwrap(),
        Note,
        "met by 1 of them",
        "ethtool -L eth0 combined 4",
    );
    check(&queues("eth0", &with("virtio_net", 1, 1)).unwrap(), Note, "1 receive queues", "queues='N'");
}

#[test]
fn virtio_has_traps_of_its_own() {
    assert!(virtio("eth0", &facts("ixgbe")).is_none());
    check(&virtio("eth0", &facts("virtio_net")).unwrap(), Good, "only passes and drops", "");
    let aggregating = Facts { offloads: Ok(active(&["rx-gro-hw"])), ..facts("virtio_net") };
    check(&virtio("eth0", &aggregating).unwrap(), Note, "GRO_HW", "guest_tso4=off");
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
        "program 12 `xdp_pass` is attached without a link, native mode, loaded by user 0; held by nobody",
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
        "end that process",
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
        "`without a name`",
        "an interface takes one program",
    );
}
