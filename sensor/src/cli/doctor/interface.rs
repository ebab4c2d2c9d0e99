//! One interface: its driver, its offloads, and programs already attached.

mod conditions;

use std::collections::BTreeSet;

use super::finding::Finding;
use crate::control::wire::counted;
use crate::kernel::{self, LinkFacts, LinkLayer, Owner, PortKind, Queues, XdpFeatures, XdpMode};

/// Facts about an interface.
#[derive(Debug)]
struct Facts {
    link: LinkFacts,
    driver: Option<String>,
    /// Absent if the kernel does not report it: before 6.3.
    xdp: Option<XdpFeatures>,
    /// Enabled features, by the kernel's names; or why they are unknown.
    offloads: Result<BTreeSet<String>, String>,
    queues: Option<Queues>,
    cpus: u32,
    /// The attached program.
    owner: Option<Owner>,
    /// The program that runs before the mirror at tc, with its attach point, if any.
    ahead: Option<(&'static str, String)>,
    /// The interface below a VLAN.
    below: Option<String>,
    /// What it is a port of.
    port_of: Option<(String, Option<PortKind>)>,
    /// The mode of a bond, such as `active-backup`.
    bond_mode: Option<String>,
}

/// Collects all facts about an interface.
pub(super) fn findings(interface: &str) -> Vec<Finding> {
    match gather(interface) {
        Ok(facts) => judge(interface, &facts),
        Err(error) => vec![Finding::problem(error.to_string(), "name an interface that exists")],
    }
}

fn gather(interface: &str) -> Result<Facts, kernel::KernelError> {
    let ifindex = kernel::interface_index(interface)?;
    let link = kernel::link_facts(ifindex)?;
    Ok(Facts {
        driver: kernel::driver(interface),
        xdp: kernel::xdp_features(ifindex).unwrap_or_default(),
        offloads: kernel::active_features(interface).map_err(|error| error.to_string()),
        queues: kernel::queues(interface),
        cpus: cpus(),
        owner: link.program_id.map(kernel::program_owner),
        ahead: kernel::ahead_of_mirror(interface),
        below: link.vlan_on.and_then(name_of),
        port_of: link.port_of.and_then(name_of).map(|name| (name, link.port_kind)),
        bond_mode: bond_mode(interface),
        link,
    })
}

fn name_of(index: u32) -> Option<String> {
    let names = nix::net::if_::if_nameindex().ok()?;
    let found = names.iter().find(|found| found.index() == index)?;
    Some(found.name().to_string_lossy().into_owned())
}

/// The file contains a name and a number: `active-backup 1`.
fn bond_mode(interface: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/sys/class/net/{interface}/bonding/mode")).ok()?;
    text.split_ascii_whitespace().next().map(str::to_owned)
}

fn cpus() -> u32 {
    std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX))
}

fn judge(interface: &str, facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![native(interface, facts), mtu(interface, facts), offloads(interface, facts)];
    findings.extend(vlan(interface, facts));
    findings.extend(queues(interface, facts));
    findings.extend(conditions::findings(interface, facts));
    findings.push(attached(interface, facts));
    findings.extend(ahead(interface, facts));
    findings
}

/// Drivers with native XDP in Linux 6.1, by the implementations of `ndo_bpf` in its sources, for kernels that do not
/// report it. An out-of-tree driver, or a later kernel's, may have it anyway.
const NATIVE_DRIVERS: [&str; 37] = [
    "atlantic",
    "bnxt_en",
    "bonding",
    "ena",
    "fsl_dpa",
    "fsl_dpaa2_eth",
    "fsl_enetc",
    "fsl_enetc_vf",
    "hv_netvsc",
    "i40e",
    "ice",
    "igb",
    "igc",
    "ixgbe",
    "ixgbevf",
    "mana",
    "mlx4_en",
    "mlx5_core",
    "mtk_soc_eth",
    "mvneta",
    "mvpp2",
    "netsec",
    "nfp",
    "nicvf",
    "qede",
    "rvu-nicpf",
    "rvu-nicvf",
    "sfc",
    "st_gmac",
    "stmmac",
    "thunder-nicvf",
    "ti-cpsw",
    "tun",
    "veth",
    "vif",
    "virtio_net",
    "xen-netfront",
];

const SLOWER: &str = "generic mode works everywhere, but runs after the kernel has allocated each packet: a flood \
                      costs several times more CPU. `sensor run --xdp auto` falls back to it";

fn native(interface: &str, facts: &Facts) -> Finding {
    let driver = facts.driver.as_deref().unwrap_or("unknown");
    // For these, their kind says more than their driver: see `conditions`.
    let is_plain = matches!(facts.link.layer, LinkLayer::Ethernet);
    if facts.below.is_some() || !is_plain || matches!(driver, "bonding" | "bridge") {
        return Finding::good(format!("{interface}: driver {driver}"));
    }
    match facts.xdp {
        Some(XdpFeatures { native: true, .. }) => {
            Finding::good(format!("{interface}: driver {driver} has native XDP{}", only_if(driver)))
        }
        Some(_) if facts.driver.as_deref() == Some("veth") => Finding::note(
            format!(
                "{interface}: driver veth has native XDP only with as many receive queues as its peer has send queues"
            ),
            format!(
                "`ethtool -L {interface} rx N`, or create the pair with equal queue counts. Otherwise {SLOWER}"
            ),
        ),
        Some(_) => Finding::note(format!("{interface}: driver {driver} has no native XDP"), SLOWER),
        None if NATIVE_DRIVERS.contains(&driver) => {
            Finding::good(format!("{interface}: driver {driver}, which has native XDP{}", only_if(driver)))
        }
        None => Finding::note(
            format!(
                "{interface}: driver {driver} is not known to have native XDP, and this kernel does not report it \
                 (Linux 6.3 does)"
            ),
            SLOWER,
        ),
    }
}

/// For drivers with conditions of their own.
fn only_if(driver: &str) -> &'static str {
    if matches!(driver, "ena" | "gve" | "hv_netvsc") { ", if its queues and offloads allow it" } else { "" }
}

/// Largest MTU that fits one page with XDP's headroom and an skb's trailer, for drivers with their own (documentation
/// of ENA; `virtnet_xdp_set`, `netvsc_xdp_set` and gve's `verify_xdp_configuration` in Linux). Beyond it, native XDP
/// needs a driver with multi-buffer support, which the program has.
fn one_page_mtu(driver: Option<&str>) -> u32 {
    match driver {
        Some("virtio_net" | "hv_netvsc") => 3_506,
        // Buffers of 2 KiB.
        Some("gve") => 2_032,
        _ => 3_498,
    }
}

fn mtu(interface: &str, facts: &Facts) -> Finding {
    let (mtu, limit) = (facts.link.mtu, one_page_mtu(facts.driver.as_deref()));
    if mtu <= limit {
        return Finding::good(format!("{interface}: MTU {mtu}"));
    }
    let lower = format!("`ip link set dev {interface} mtu {limit}`");
    match facts.xdp {
        Some(XdpFeatures { native: true, multi_buffer: true }) => Finding::good(format!(
            "{interface}: MTU {mtu} exceeds one page, which this driver's native XDP supports (multi-buffer)"
        )),
        Some(XdpFeatures { native: true, multi_buffer: false }) => Finding::note(
            format!(
                "{interface}: MTU {mtu} exceeds one page, which this driver's native XDP does not support"
            ),
            format!(
                "{lower}, slightly more or less by driver; otherwise generic mode is used, which is slower"
            ),
        ),
        Some(XdpFeatures { native: false, .. }) => {
            Finding::good(format!("{interface}: MTU {mtu}, which generic mode supports"))
        }
        None => Finding::note(
            format!("{interface}: MTU {mtu} exceeds one page: {limit}, slightly more or less by driver"),
            format!(
                "native XDP needs a driver with multi-buffer support, and only attaching shows whether this one has \
                 it; otherwise generic mode is used, which is slower, or {lower}"
            ),
        ),
    }
}

/// Aggregates that the device builds from several packets before a program sees them.
fn offloads(interface: &str, facts: &Facts) -> Finding {
    let active = match &facts.offloads {
        Ok(active) => active,
        Err(error) => {
            return Finding::note(
                format!("{interface}: cannot read its offloads: {error}"),
                "`ethtool -k` may show more; LRO and hardware GRO should be off for native XDP",
            );
        }
    };
    let found: Vec<(&str, &str)> = [("rx-lro", "lro"), ("rx-gro-hw", "rx-gro-hw")]
        .into_iter()
        .filter(|(name, _)| active.contains(*name))
        .collect();
    if found.is_empty() {
        return Finding::good(format!("{interface}: no receive offload conflicts with XDP"));
    }
    let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
    let switches: Vec<String> = found.iter().map(|(_, switch)| format!("{switch} off")).collect();
    Finding::note(
        format!(
            "{interface}: {} on; many drivers refuse native XDP with it, or switch it off",
            names.join(" and ")
        ),
        format!("ethtool -K {interface} {}", switches.join(" ")),
    )
}

/// The program reads through two tags in the frame, and a tag that the device has stripped is not in it; so `rxvlan`
/// makes no difference. A VLAN interface does.
fn vlan(interface: &str, facts: &Facts) -> Option<Finding> {
    if let Some(below) = &facts.below {
        return Some(Finding::note(
            format!("{interface} is a VLAN on {below}: XDP runs here in generic mode only"),
            format!(
                "serve {below} instead: the sensor reads through up to two VLAN tags, and native XDP stops a flood \
                 before the tag is examined. All VLANs on {below} are then served"
            ),
        ));
    }
    let strips = facts.offloads.as_ref().is_ok_and(|active| active.contains("rx-vlan-hw-parse"));
    strips.then(|| {
        Finding::good(format!(
            "{interface}: the device strips VLAN tags (rxvlan), which is harmless: clients are source addresses"
        ))
    })
}

/// One queue means one CPU: XDP runs where the queue's interrupt does.
fn queues(interface: &str, facts: &Facts) -> Option<Finding> {
    let Queues { receiving, most, .. } = facts.queues?;
    let (cpus, is_virtual) = (facts.cpus, facts.driver.as_deref() == Some("veth"));
    if receiving == 0 || is_virtual {
        return None;
    }
    let most = if conditions::halves_queues(facts.driver.as_deref()) { most / 2 } else { most };
    if receiving >= cpus {
        return Some(Finding::good(format!(
            "{interface}: {} for {}",
            counted(receiving.into(), "receive queue"),
            counted(cpus.into(), "CPU")
        )));
    }
    let what = format!(
        "{interface}: {} for {cpus} CPUs, so a flood leaves the other CPUs idle",
        counted(receiving.into(), "receive queue")
    );
    let remedy = if most > receiving {
        let (count, by_direction) = (most.min(cpus), facts.driver.as_deref() == Some("gve"));
        if by_direction {
            format!("ethtool -L {interface} rx {count} tx {count}")
        } else {
            format!("ethtool -L {interface} combined {count}")
        }
    } else {
        "the device has no more; for a virtual machine, add queues on its host (in libvirt `<driver queues='N'/>`), \
         or spread passed packets with `/sys/class/net/*/queues/rx-*/rps_cpus`".to_owned()
    };
    Some(Finding::note(what, remedy))
}

fn attached(interface: &str, facts: &Facts) -> Finding {
    let Some(mode) = facts.link.xdp else {
        return Finding::good(format!("{interface}: no XDP program attached"));
    };
    let owner = facts.owner.clone().unwrap_or_default();
    let id = facts.link.program_id.map(|id| format!(" {id}")).unwrap_or_default();
    match owner.name.as_deref() {
        Some(name) if name.starts_with("sensor_xdp") => {
            Finding::good(format!("{interface}: a sensor is attached, program{id}, {} mode", mode.label()))
        }
        name => foreign(interface, &id, name.unwrap_or("unnamed"), mode, &owner),
    }
}

/// The mirror attaches first; a program that later does the same runs before it.
fn ahead(interface: &str, facts: &Facts) -> Option<Finding> {
    let (place, name) = facts.ahead.as_ref()?;
    Some(Finding::note(
        format!(
            "{interface}: at tc {place}, program `{name}` runs before the mirror: HTTP in packets that it accepts or redirects is not seen"
        ),
        "restart the sensor, to put the mirror first again",
    ))
}

fn foreign(interface: &str, id: &str, name: &str, mode: XdpMode, owner: &Owner) -> Finding {
    let uid = owner.uid.map(|uid| format!(", loaded by user {uid}")).unwrap_or_default();
    let holders = owner.processes.iter().map(|(pid, name)| format!("process {pid} ({name})"));
    let holders: Vec<String> =
        holders.chain(owner.pins.iter().map(|pin| format!("the pin {}", pin.display()))).take(8).collect();
    let how = if owner.by_link { "by a link" } else { "without a link" };
    let held = if holders.is_empty() {
        "by the interface only".to_owned()
    } else {
        format!("by {}", holders.join(", "))
    };
    let what = format!(
        "{interface}: XDP program{id} `{name}` is attached {how}, {} mode{uid}; held {held}",
        mode.label()
    );
    let off = if mode == XdpMode::Native { "xdp" } else { "xdpgeneric" };
    let end = match (owner.by_link, owner.processes.is_empty(), owner.pins.is_empty()) {
        (true, false, _) => "stop that process, or have it release this interface".to_owned(),
        (true, true, false) => "remove that pin, which removes its link".to_owned(),
        (true, true, true) => "find its link with `bpftool link`".to_owned(),
        (false, ..) => format!("remove it with `ip link set dev {interface} {off} off`"),
    };
    Finding::problem(
        what,
        format!(
            "an interface takes one XDP program; if this one is not needed, {end}. Otherwise serve another interface"
        ),
    )
}

#[cfg(test)]
mod tests;
