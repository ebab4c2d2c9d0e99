//! Reads the client table directly from the memory that the program writes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use aya::maps::MapData;
use sensor_common::abi::{ClientKey, Slot, SlotDetails, TagWord};
use sensor_common::table::{Places, WAYS, first_slot, near_buckets, occupied, tag_of};

use super::error::KernelError;
use super::shared::SharedArray;

/// One tracked client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its network address.
    pub address: IpAddr,
    /// The slot as it was when read.
    pub slot: Slot,
    /// The rest of it.
    pub details: SlotDetails,
}

/// The client table. Its slots are mapped only while they are read: a mapping counts as this process's memory.
///
/// Clones read the same table.
#[derive(Clone, Debug)]
pub struct ClientTable {
    tags: Arc<SharedArray<TagWord>>,
    slots: Arc<MapData>,
    details: Arc<MapData>,
    seed: [u64; 2],
}

impl ClientTable {
    pub(super) fn new(
        tags: &MapData,
        slots: MapData,
        details: MapData,
        buckets: u32,
        seed: [u64; 2],
    ) -> Result<Self, KernelError> {
        let tags = Arc::new(SharedArray::new(tags, buckets as usize)?);
        Ok(Self { tags, slots: Arc::new(slots), details: Arc::new(details), seed })
    }

    /// Number of clients tracked now, from the tags alone.
    #[must_use]
    pub fn count(&self) -> u64 {
        (0..self.tags.len()).filter_map(|bucket| self.tags.read(bucket)).map(occupied).sum()
    }

    /// The slot of a client, by its network address.
    ///
    /// # Errors
    /// If the table cannot be mapped into memory.
    #[expect(clippy::cast_possible_truncation, reason = "the table has fewer than 2^32 buckets")]
    pub fn get(&self, address: IpAddr) -> Result<Option<Client>, KernelError> {
        let key = key_of(address);
        let places = Places::of(key, self.seed, self.tags.len() as u32);
        let slots = self.map_slots()?;
        let found = [places.near, places.first, places.second]
            .into_iter()
            .flat_map(|bucket| self.bucket(bucket, &slots))
            .find(|client| client.slot.key == key);
        Ok(found)
    }

    /// Calls `visit` with every tracked client.
    ///
    /// # Errors
    /// If the table cannot be mapped into memory.
    pub fn for_each(&self, visit: impl FnMut(Client)) -> Result<(), KernelError> {
        self.for_one_in(1, visit)
    }

    /// Calls `visit` with the clients of one in `stride` buckets, a power of two. It is always the same part of the
    /// table, and a random sample of clients, because a keyed hash places each of them.
    ///
    /// The kernel maps every page of a mapping at once, so only parts with clients are mapped: with some thousand
    /// clients this takes some hundred microseconds; mapping all of a table for a million takes 5 ms.
    ///
    /// # Errors
    /// If the table cannot be mapped into memory.
    #[expect(clippy::cast_possible_truncation, reason = "the table has fewer than 2^32 buckets")]
    pub fn for_one_in(&self, stride: u32, mut visit: impl FnMut(Client)) -> Result<(), KernelError> {
        let buckets = self.tags.len() as u32;
        let (parts, step) = strides(stride, buckets);
        let is_occupied =
            |bucket: &u32| self.tags.read(*bucket as usize).is_some_and(|word| word & TAGS != 0);
        for first in (0..buckets).step_by(PART as usize).step_by(parts) {
            let end = first.saturating_add(PART).min(buckets);
            let mut occupied = (first..end).step_by(step).filter(is_occupied).peekable();
            if occupied.peek().is_some() {
                let slots = self.map_part(first, end)?;
                occupied.flat_map(|bucket| self.bucket(bucket, &slots)).for_each(&mut visit);
            }
        }
        Ok(())
    }

    fn map_part(&self, first: u32, end: u32) -> Result<MappedSlots, KernelError> {
        let (from, len) = (first_slot(first) as usize, first_slot(end.saturating_sub(first)) as usize);
        Ok(MappedSlots {
            first: from,
            slots: SharedArray::part(&self.slots, from, len)?,
            details: SharedArray::part(&self.details, from, len)?,
        })
    }

    fn map_slots(&self) -> Result<MappedSlots, KernelError> {
        let len = self.tags.len().saturating_mul(WAYS as usize);
        Ok(MappedSlots {
            first: 0,
            slots: SharedArray::new(&self.slots, len)?,
            details: SharedArray::new(&self.details, len)?,
        })
    }

    fn bucket<'a>(&self, bucket: u32, mapped: &'a MappedSlots) -> impl Iterator<Item = Client> + 'a {
        let word = self.tags.read(bucket as usize).unwrap_or(0);
        (0..WAYS)
            .filter(move |way| tag_of(word, *way) != 0)
            .filter_map(move |way| mapped.client(first_slot(bucket).saturating_add(way) as usize))
    }
}

/// The slots while they are read.
struct MappedSlots {
    /// The first slot of the mapping.
    first: usize,
    slots: SharedArray<Slot>,
    details: SharedArray<SlotDetails>,
}

impl MappedSlots {
    fn client(&self, index: usize) -> Option<Client> {
        let index = index.checked_sub(self.first)?;
        let slot = self.slots.read(index)?;
        Some(Client { address: address_of(slot.key), slot, details: self.details.read(index)? })
    }
}

/// Buckets mapped together: 28 pages of slots and 14 of details, for pages of 4 KiB. Smaller parts take more system
/// calls, larger ones more pages.
const PART: u32 = 256;

/// The tags in their word.
const TAGS: TagWord = !0xff;

/// How many parts to skip, and how many buckets within one, so that one in `stride` is visited. Parts are skipped
/// first, since they then need not be mapped, but not so many that few near buckets remain: clients that came early
/// live there.
fn strides(stride: u32, buckets: u32) -> (usize, usize) {
    let near = near_buckets(buckets).checked_div(PART).unwrap_or(1).max(1);
    let parts = stride.clamp(1, 1 << near.ilog2());
    let step = stride.checked_div(parts).unwrap_or(1).max(1);
    (parts as usize, step as usize)
}

/// The key of an address.
#[must_use]
pub fn key_of(address: IpAddr) -> ClientKey {
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
#[must_use]
pub fn address_of(key: ClientKey) -> IpAddr {
    match key.to_v4() {
        Some(address) => IpAddr::V4(Ipv4Addr::from_bits(address)),
        None => IpAddr::V6(Ipv6Addr::from_bits((u128::from(key.hi) << 64) | u128::from(key.lo))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_so_many_buckets_is_looked_at() {
        // A table for a million clients: 64 parts of near buckets.
        for (stride, expected) in
            [(0, (1, 1)), (1, (1, 1)), (2, (2, 1)), (64, (64, 1)), (256, (64, 4)), (1 << 31, (64, 1 << 25))]
        {
            assert_eq!(strides(stride, 223_215), expected, "{stride}");
        }
        // In small tables, no part is skipped.
        for buckets in [2, 100, 2_000] {
            assert_eq!(strides(8, buckets), (1, 8), "{buckets}");
        }
        assert_eq!(strides(8, 14_630), (8, 1));
    }

    #[test]
    fn addresses_and_keys() {
        for text in ["192.0.2.1", "0.0.0.0", "255.255.255.255", "2001:db8::1", "::", "fe80::1:2:3:4"] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(address_of(key_of(address)), address);
        }
    }
}
