//! The other reference: what an administrator would write without XDP, a dynamic set of nftables.

use anyhow::Result;

use crate::command;
use crate::link::Pair;

/// A limit in nftables' words.
#[derive(Clone, Copy)]
pub(crate) struct NftLimit {
    /// Such as `1000/second`.
    pub(crate) rate: &'static str,
    /// Packets at once.
    pub(crate) burst: u64,
}

/// Whether the tool is installed.
pub(crate) fn is_installed() -> bool {
    command::exists("nft") && command::exists("ethtool")
}

/// Drops what is over the limit on the receiving end of a pair, in the earliest hook that nftables has.
/// The rule has no counter, so that it does no more than necessary. Its entries expire after the same silence as the
/// sensor's clients: a set without a timeout fills up once and then limits nobody new.
pub(crate) fn limit(pair: &Pair, limit: NftLimit) -> Result<()> {
    // Without XDP at the receiving end, GRO is what makes a veth take redirected frames (Linux 5.13).
    command::run("ethtool", &["-K", &pair.peer, "gro", "on"])?;
    let (peer, NftLimit { rate, burst }) = (&pair.peer, limit);
    let rules = format!(
        r#"table netdev bench {{
            set clients {{ type ipv4_addr; size 131072; flags dynamic,timeout; timeout 5m; }}
            chain ingress {{
                type filter hook ingress device "{peer}" priority 0; policy accept;
                update @clients {{ ip saddr limit rate over {rate} burst {burst} packets }} drop
            }}
        }}
        "#
    );
    command::run_with_input("nft", &["-f", "-"], rules.as_bytes())?;
    Ok(())
}

/// Removes the rules.
pub(crate) fn remove() -> Result<()> {
    command::run("nft", &["delete", "table", "netdev", "bench"])?;
    Ok(())
}
