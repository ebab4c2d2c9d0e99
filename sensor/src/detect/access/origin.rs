//! Where an exchange comes from.

use std::hash::BuildHasher as _;
use std::net::IpAddr;

use foldhash::quality::FixedState;

use super::known::Origin;
use crate::event::{Exchange, UserAgent};

/// Its network (an IPv4 /24 or IPv6 /48) and its program (TLS fingerprint and User-Agent), as hashes.
pub(super) fn of_exchange(exchange: &Exchange<'_>, hasher: &FixedState) -> Origin {
    let network = match exchange.client {
        IpAddr::V4(address) => u64::from(address.to_bits() >> 8),
        IpAddr::V6(address) => u64::try_from(address.to_bits() >> 80).unwrap_or_default(),
    };
    let agent = exchange.user_agent.as_ref().map_or("", UserAgent::whole);
    let ja4 = exchange.tls.as_ref().and_then(|tls| tls.ja4);
    let short = |hash: u64| u32::try_from(hash >> 32).unwrap_or_default();
    Origin {
        network: short(hasher.hash_one((network, exchange.client.is_ipv4()))),
        program: short(hasher.hash_one((agent, ja4))),
    }
}
