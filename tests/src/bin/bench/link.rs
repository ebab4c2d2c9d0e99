//! Pairs of veth interfaces, and what the network stack counted on them.

use std::fs;

use anyhow::{Context as _, Result};
use nix::net::if_::if_nametoindex;

use crate::command;
use crate::frames::DESTINATION_MAC;

/// A pair: what is sent out of one end arrives at the other.
pub(crate) struct Pair {
    /// Index of the sending end.
    pub(crate) out: u32,
    /// Name of the receiving end.
    pub(crate) peer: String,
}

impl Pair {
    /// Makes a pair in this thread's network namespace and brings it up.
    pub(crate) fn create(name: &str) -> Result<Self> {
        let (out, peer) = (format!("{name}-out"), format!("{name}-in"));
        let mac = DESTINATION_MAC.map(|byte| format!("{byte:02x}")).join(":");
        command::run("ip", &["link", "add", &out, "type", "veth", "peer", "name", &peer, "address", &mac])?;
        for end in [&out, &peer] {
            // Without this the kernel sends neighbour discovery of its own.
            command::run("ip", &["link", "set", "dev", end, "addrgenmode", "none", "up"])?;
        }
        Ok(Self { out: if_nametoindex(out.as_str())?, peer })
    }

    /// Frames that the receiving end has taken from its queue, whatever became of them then.
    pub(crate) fn received(&self) -> Result<u64> {
        // `/proc/net` would be that of the process's first thread.
        let table = fs::read_to_string("/proc/thread-self/net/dev")?;
        let mut lines = table.lines().filter_map(|line| line.trim_start().split_once(':'));
        let (_, numbers) = lines.find(|(name, _)| *name == self.peer).context("no such interface")?;
        let packets = numbers.split_ascii_whitespace().nth(1).context("no number of packets")?;
        Ok(packets.parse()?)
    }
}

/// IPv4 packets that the network stack of this thread's namespace was given.
pub(crate) fn packets_in_stack() -> Result<u64> {
    let table = fs::read_to_string("/proc/thread-self/net/snmp")?;
    let mut rows = table.lines().filter_map(|line| line.strip_prefix("Ip: "));
    let names = rows.next().context("no names of counters")?.split_ascii_whitespace();
    let values = rows.next().context("no counters")?.split_ascii_whitespace();
    let (_, value) = names.zip(values).find(|(name, _)| *name == "InReceives").context("no InReceives")?;
    Ok(value.parse()?)
}
