//! Reading the client table, straight from the memory that the program writes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use aya::maps::MapData;
use sensor_common::abi::{ClientKey, Slot, TagWord};
use sensor_common::table::{Places, WAYS, first_slot, tag_of};

use super::error::KernelError;
use super::shared::SharedArray;

/// One tracked client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its network address.
    pub address: IpAddr,
    /// The slot as it was when read.
    pub slot: Slot,
}

/// The client table.
#[derive(Debug)]
pub struct ClientTable {
    tags: SharedArray<TagWord>,
    slots: SharedArray<Slot>,
    seed: [u64; 2],
}

impl ClientTable {
    pub(super) fn new(tags: &MapData, slots: &MapData, buckets: u32, seed: [u64; 2]) -> Result<Self, KernelError> {
        let slot_count = buckets.saturating_mul(WAYS) as usize;
        Ok(Self {
            tags: SharedArray::new(tags, buckets as usize)?,
            slots: SharedArray::new(slots, slot_count)?,
            seed,
        })
    }

    /// Clients tracked now, by reading the tags only.
    #[must_use]
    pub fn count(&self) -> u64 {
        (0..self.tags.len())
            .filter_map(|bucket| self.tags.read(bucket))
            .map(sensor_common::table::occupied)
            .sum()
    }

    /// The slot of a client, by its network address.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the table has fewer than 2^32 buckets")]
    pub fn get(&self, address: IpAddr) -> Option<Client> {
        let key = key_of(address);
        let places = Places::of(key, self.seed, self.tags.len() as u32);
        self.bucket(places.first)
            .chain(self.bucket(places.second))
            .find(|slot| slot.key == key)
            .map(|slot| Client { address, slot })
    }

    /// Every tracked client.
    #[expect(clippy::cast_possible_truncation, reason = "the table has fewer than 2^32 buckets")]
    pub fn iter(&self) -> impl Iterator<Item = Client> + '_ {
        (0..self.tags.len() as u32)
            .flat_map(|bucket| self.bucket(bucket))
            .map(|slot| Client { address: address_of(slot.key), slot })
    }

    fn bucket(&self, bucket: u32) -> impl Iterator<Item = Slot> + '_ {
        let word = self.tags.read(bucket as usize).unwrap_or(0);
        (0..WAYS)
            .filter(move |way| tag_of(word, *way) != 0)
            .filter_map(move |way| self.slots.read(first_slot(bucket).saturating_add(way) as usize))
    }
}

/// The key of an address.
pub(super) fn key_of(address: IpAddr) -> ClientKey {
    match address {
        IpAddr::V4(address) => ClientKey::from_v4(address.to_bits()),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(u64::MAX);
            ClientKey { hi: half(bits >> 64), lo: half(bits) }
        }
    }
}

/// The address of a key.
pub(super) fn address_of(key: ClientKey) -> IpAddr {
    match key.to_v4() {
        Some(address) => IpAddr::V4(Ipv4Addr::from_bits(address)),
        None => IpAddr::V6(Ipv6Addr::from_bits((u128::from(key.hi) << 64) | u128::from(key.lo))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_keys() {
        for text in ["192.0.2.1", "0.0.0.0", "255.255.255.255", "2001:db8::1", "::", "fe80::1:2:3:4"] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(address_of(key_of(address)), address);
        }
    }
}
