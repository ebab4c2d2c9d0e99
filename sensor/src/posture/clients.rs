//! How many different clients, from 128 bytes.
//!
//! HyperLogLog: P. Flajolet, E. Fusy, O. Gandouet, F. Meunier, "HyperLogLog: the analysis of a near-optimal cardinality
//! estimation algorithm", AofA (2007), with linear counting below 2.5 m as its section 4 says. The standard error is
//! 1.04 / sqrt(m), here 9 percent.
//!
//! The hash has no secret: it must be the same after a restart. Whoever chooses addresses whose hashes collide makes
//! the number smaller, which decides nothing.
#![expect(clippy::float_arithmetic, reason = "an estimate from logarithms")]

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Registers, as a power of two.
const LOG2: u32 = 7;
const REGISTERS: usize = 1 << LOG2;

/// Which clients were seen; it tells their number and not who they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Clients(Vec<u8>);

impl Default for Clients {
    fn default() -> Self {
        Self(vec![0; REGISTERS])
    }
}

impl Clients {
    #[inline]
    pub(super) fn insert(&mut self, client: IpAddr) {
        let hash = match client {
            IpAddr::V4(address) => mix(u64::from(address.to_bits())),
            IpAddr::V6(address) => {
                // The rest is the client's own to choose.
                mix(u64::try_from(address.to_bits() >> 64).unwrap_or(0) ^ 0x6)
            }
        };
        let rank = u8::try_from((hash >> LOG2).trailing_zeros().min(57)).unwrap_or(57).saturating_add(1);
        let place = usize::try_from(hash).unwrap_or(0) & REGISTERS.saturating_sub(1);
        if let Some(register) = self.0.get_mut(place) {
            *register = (*register).max(rank);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(register, more)| *register = (*register).max(*more));
    }

    /// The estimate.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate above 2^64 has no registers that lead to it"
    )]
    pub(super) fn count(&self) -> u64 {
        // A file may hold anything.
        let registers = self.0.iter().take(REGISTERS).map(|register| (*register).min(58));
        let m = 128.0;
        let sum: f64 = registers.clone().map(|rank| f64::from(rank).exp2().recip()).sum();
        let zeros = u32::try_from(registers.filter(|rank| *rank == 0).count()).unwrap_or(0);
        // 0.7213 / (1 + 1.079 / m) for m of at least 128 (figure 3 of the paper).
        let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum.max(f64::MIN_POSITIVE);
        if raw <= 2.5 * m && zeros > 0 {
            return (m * (m / f64::from(zeros)).ln()).round() as u64;
        }
        raw.round() as u64
    }
}

/// The finaliser of SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, OOPSLA 2014).
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn the_estimate_is_near_whatever_the_number() {
        for number in [0_u32, 1, 2, 10, 100, 300, 1_000, 50_000] {
            let mut clients = Clients::default();
            for client in 0..number {
                clients.insert(Ipv4Addr::from_bits(0x0a00_0000 + client * 7).into());
                clients.insert(Ipv4Addr::from_bits(0x0a00_0000 + client * 7).into());
            }
            let (told, number) = (clients.count(), u64::from(number));
            // Three standard errors.
            assert!(told.abs_diff(number) * 100 <= number * 28, "{told} for {number}");
        }
    }

    #[test]
    fn a_network_of_ipv6_is_one_client_and_two_hosts_add_up() {
        let mut one = Clients::default();
        for host in 0..1_000 {
            one.insert(Ipv6Addr::from_bits(0x2001_0db8 << 96 | host).into());
        }
        assert_eq!(one.count(), 1);
        let mut other = Clients::default();
        other.insert(Ipv4Addr::LOCALHOST.into());
        other.merge(&one);
        assert_eq!(other.count(), 2);
    }
}
