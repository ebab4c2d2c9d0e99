//! Typed handles to the policy maps: scopes, allows, blocks.

use std::net::IpAddr;
use std::os::fd::{AsFd as _, OwnedFd};

use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Array, HashMap, Map, MapData, MapError};
use ipnet::IpNet;
use sensor_common::abi::{BlockEntry, ClientKey, ScopeEntry, ScopeLimits, maps};

use super::batch;
use super::clients::{address_of, key_of};
use super::config::Capacities;
use super::error::KernelError;

/// The tries, by content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrieKind {
    /// Prefix to scope index.
    Scopes,
    /// Allowed prefixes.
    Allows,
    /// Blocked prefixes.
    Blocks,
}

/// The pair of tries, IPv4 and IPv6, of one kind.
struct Pair<V: aya::Pod> {
    v4: LpmTrie<MapData, [u8; 4], V>,
    v6: LpmTrie<MapData, [u8; 16], V>,
    /// Handles of both maps, for reading them whole.
    descriptors: [OwnedFd; 2],
    names: [&'static str; 2],
    bound: (&'static str, &'static str, u32),
}

impl<V: aya::Pod + bytemuck::Pod> Pair<V> {
    fn insert(&mut self, prefix: IpNet, value: V) -> Result<(), KernelError> {
        let length = u32::from(prefix.prefix_len());
        let (map, done) = match prefix.network() {
            IpAddr::V4(address) => {
                (self.names[0], self.v4.insert(&Key::new(length, address.octets()), value, 0))
            }
            IpAddr::V6(address) => {
                (self.names[1], self.v6.insert(&Key::new(length, address.octets()), value, 0))
            }
        };
        let (what, key, capacity) = self.bound;
        done.map_err(|source| {
            if errno_of(&source) == Some(nix::libc::ENOSPC) {
                KernelError::Full { what, capacity, key }
            } else {
                KernelError::map(map)(source)
            }
        })
    }

    /// Writes many entries with few system calls.
    fn insert_all(&mut self, entries: &[(IpNet, V)]) -> Result<(), KernelError> {
        let (mut v4, mut v6) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
        for (prefix, value) in entries {
            match prefix.network() {
                IpAddr::V4(address) => {
                    v4.0.push(key_bytes::<4, 8>(prefix, address.octets()));
                    v4.1.push(*value);
                }
                IpAddr::V6(address) => {
                    v6.0.push(key_bytes::<16, 20>(prefix, address.octets()));
                    v6.1.push(*value);
                }
            }
        }
        let [first, second] = &self.descriptors;
        let (what, key, capacity) = self.bound;
        let failed = |name| {
            move |error: std::io::Error| match error.raw_os_error() {
                Some(nix::libc::ENOSPC) => KernelError::Full { what, capacity, key },
                _ => KernelError::system(format!("writing map {name}"))(error),
            }
        };
        batch::write_all(first.as_fd(), &v4.0, &v4.1).map_err(failed(self.names[0]))?;
        batch::write_all(second.as_fd(), &v6.0, &v6.1).map_err(failed(self.names[1]))
    }

    /// Removes many entries with few system calls; missing ones count as removed.
    fn remove_all(&mut self, prefixes: &[IpNet]) -> Result<(), KernelError> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for prefix in prefixes {
            match prefix.network() {
                IpAddr::V4(address) => v4.push(key_bytes::<4, 8>(prefix, address.octets())),
                IpAddr::V6(address) => v6.push(key_bytes::<16, 20>(prefix, address.octets())),
            }
        }
        let [first, second] = &self.descriptors;
        let failed = |name| KernelError::system(format!("removing from map {name}"));
        batch::remove_all(first.as_fd(), &v4).map_err(failed(self.names[0]))?;
        batch::remove_all(second.as_fd(), &v6).map_err(failed(self.names[1]))
    }

    /// Removing a missing entry is no error.
    fn remove(&mut self, prefix: IpNet) -> Result<(), KernelError> {
        let length = u32::from(prefix.prefix_len());
        let (map, done) = match prefix.network() {
            IpAddr::V4(address) => (self.names[0], self.v4.remove(&Key::new(length, address.octets()))),
            IpAddr::V6(address) => (self.names[1], self.v6.remove(&Key::new(length, address.octets()))),
        };
        match done {
            Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
            Err(source) if errno_of(&source) == Some(nix::libc::ENOENT) => Ok(()),
            Err(source) => Err(KernelError::map(map)(source)),
        }
    }

    fn entries(&self) -> Result<Vec<(IpNet, V)>, KernelError> {
        let [v4, v6] = &self.descriptors;
        let mut found = Vec::new();
        let failed = |name| KernelError::system(format!("reading map {name}"));
        for (key, value) in batch::read_all::<[u8; 8], V>(v4.as_fd()).map_err(failed(self.names[0]))? {
            found.extend(prefix_of::<4>(&key).map(|prefix| (prefix, value)));
        }
        for (key, value) in batch::read_all::<[u8; 20], V>(v6.as_fd()).map_err(failed(self.names[1]))? {
            found.extend(prefix_of::<16>(&key).map(|prefix| (prefix, value)));
        }
        Ok(found)
    }
}

/// The key of a prefix (`struct bpf_lpm_trie_key_u8`): its length, then its address.
fn key_bytes<const BYTES: usize, const ALL: usize>(prefix: &IpNet, address: [u8; BYTES]) -> [u8; ALL] {
    let mut key = [0; ALL];
    let length = u32::from(prefix.prefix_len()).to_ne_bytes();
    for (to, from) in key.iter_mut().zip(length.into_iter().chain(address)) {
        *to = from;
    }
    key
}

/// The prefix of a key (`struct bpf_lpm_trie_key_u8`): its length, then its address.
fn prefix_of<const BYTES: usize>(key: &[u8]) -> Option<IpNet>
where
    IpAddr: From<[u8; BYTES]>,
{
    let (length, address) = key.split_first_chunk::<4>()?;
    let address: [u8; BYTES] = address.try_into().ok()?;
    prefix(IpAddr::from(address), u32::from_ne_bytes(*length))
}

fn errno_of(error: &MapError) -> Option<i32> {
    if let MapError::SyscallError(error) = error { error.io_error.raw_os_error() } else { None }
}

fn prefix(address: IpAddr, length: u32) -> Option<IpNet> {
    IpNet::new(address, u8::try_from(length).ok()?).ok()
}

/// The policy tries of both families.
pub struct PolicyTries {
    scopes: Pair<ScopeEntry>,
    allows: Pair<u64>,
    blocks: Pair<BlockEntry>,
    marks: HashMap<MapData, ClientKey, u64>,
}

impl PolicyTries {
    pub(super) fn take(
        take: &mut impl FnMut(&'static str) -> Result<Map, KernelError>,
        capacities: &Capacities,
    ) -> Result<Self, KernelError> {
        let Capacities { scopes, allows, blocks, .. } = *capacities;
        let limits = ("the scope table", "clients.max_scopes", scopes);
        let allow = ("the allow table", "clients.max_allows", allows);
        let block = ("the block table", "clients.max_blocks", blocks);
        Ok(Self {
            scopes: pair(take, [maps::SCOPE_V4, maps::SCOPE_V6], limits)?,
            allows: pair(take, [maps::ALLOW_V4, maps::ALLOW_V6], allow)?,
            blocks: pair(take, [maps::BLOCK_V4, maps::BLOCK_V6], block)?,
            marks: HashMap::try_from(take(maps::MARKS)?).map_err(KernelError::map(maps::MARKS))?,
        })
    }

    /// Writes a scope index.
    ///
    /// # Errors
    /// If the trie is full or the kernel refuses.
    pub fn set_scope(&mut self, prefix: IpNet, index: u32) -> Result<(), KernelError> {
        self.scopes.insert(prefix, ScopeEntry { index, reserved: 0 })
    }

    /// Writes many scope indexes.
    ///
    /// # Errors
    /// As [`PolicyTries::set_scope`]; some may have been written.
    pub fn set_scopes(&mut self, entries: &[(IpNet, u32)]) -> Result<(), KernelError> {
        let entry = |(prefix, index): &(IpNet, u32)| (*prefix, ScopeEntry { index: *index, reserved: 0 });
        self.scopes.insert_all(&entries.iter().map(entry).collect::<Vec<_>>())
    }

    /// Writes many allow entries.
    ///
    /// # Errors
    /// As [`PolicyTries::set_allow`]; some may have been written.
    pub fn set_allows(&mut self, prefixes: &[IpNet]) -> Result<(), KernelError> {
        self.allows.insert_all(&prefixes.iter().map(|prefix| (*prefix, 1)).collect::<Vec<_>>())
    }

    /// Writes many blocks; see [`PolicyTries::set_block`].
    ///
    /// # Errors
    /// As [`PolicyTries::set_block`]; some may have been written.
    pub fn set_blocks(&mut self, entries: &[(IpNet, u64)]) -> Result<(), KernelError> {
        let entry = |(prefix, until): &(IpNet, u64)| {
            let prefix_len = u32::from(prefix.prefix_len());
            (*prefix, BlockEntry { until: *until, prefix_len, reserved: 0 })
        };
        self.blocks.insert_all(&entries.iter().map(entry).collect::<Vec<_>>())
    }

    /// Removes many entries; missing ones count as removed.
    ///
    /// # Errors
    /// If the kernel refuses; some may have been removed.
    pub fn remove_all(&mut self, kind: TrieKind, prefixes: &[IpNet]) -> Result<(), KernelError> {
        match kind {
            TrieKind::Scopes => self.scopes.remove_all(prefixes),
            TrieKind::Allows => self.allows.remove_all(prefixes),
            TrieKind::Blocks => self.blocks.remove_all(prefixes),
        }
    }

    /// Writes an allow entry.
    ///
    /// # Errors
    /// If the trie is full or the kernel refuses.
    pub fn set_allow(&mut self, prefix: IpNet) -> Result<(), KernelError> {
        self.allows.insert(prefix, 1)
    }

    /// Writes a block that expires at `until` on the data plane's clock, 0 for never.
    ///
    /// # Errors
    /// If the trie is full or the kernel refuses.
    pub fn set_block(&mut self, prefix: IpNet, until: u64) -> Result<(), KernelError> {
        let prefix_len = u32::from(prefix.prefix_len());
        self.blocks.insert(prefix, BlockEntry { until, prefix_len, reserved: 0 })
    }

    /// Removes an entry; a missing one counts as removed.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn remove(&mut self, kind: TrieKind, prefix: IpNet) -> Result<(), KernelError> {
        match kind {
            TrieKind::Scopes => self.scopes.remove(prefix),
            TrieKind::Allows => self.allows.remove(prefix),
            TrieKind::Blocks => self.blocks.remove(prefix),
        }
    }

    /// Marks a client, by its network's address: it is looked up for each packet.
    ///
    /// # Errors
    /// If there are too many marks or the kernel refuses.
    pub fn mark(&mut self, client: IpAddr) -> Result<(), KernelError> {
        self.marks.insert(key_of(client), 1, 0).map_err(KernelError::map(maps::MARKS))
    }

    /// Removes a mark; a missing one counts as removed.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn unmark(&mut self, client: IpAddr) -> Result<(), KernelError> {
        match self.marks.remove(&key_of(client)) {
            Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
            Err(source) if errno_of(&source) == Some(nix::libc::ENOENT) => Ok(()),
            Err(source) => Err(KernelError::map(maps::MARKS)(source)),
        }
    }

    /// The marked clients.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn marked(&self) -> Result<Vec<IpAddr>, KernelError> {
        let keys = self.marks.keys().map(|key| key.map(address_of));
        keys.collect::<Result<_, _>>().map_err(KernelError::map(maps::MARKS))
    }

    /// The entries of the scope tries.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn scopes(&self) -> Result<Vec<(IpNet, u32)>, KernelError> {
        Ok(self.scopes.entries()?.into_iter().map(|(prefix, entry)| (prefix, entry.index)).collect())
    }

    /// The entries of the allow tries.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn allows(&self) -> Result<Vec<IpNet>, KernelError> {
        Ok(self.allows.entries()?.into_iter().map(|(prefix, _)| prefix).collect())
    }

    /// The entries of the block tries, with each expiry on the data plane's clock.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn blocks(&self) -> Result<Vec<(IpNet, u64)>, KernelError> {
        Ok(self.blocks.entries()?.into_iter().map(|(prefix, entry)| (prefix, entry.until)).collect())
    }
}

fn pair<V: aya::Pod + bytemuck::Pod>(
    take: &mut impl FnMut(&'static str) -> Result<Map, KernelError>,
    names: [&'static str; 2],
    bound: (&'static str, &'static str, u32),
) -> Result<Pair<V>, KernelError> {
    let mut data =
        |name| if let Map::LpmTrie(data) = take(name)? { Ok(data) } else { Err(KernelError::NoMap(name)) };
    let [first, second] = names;
    let (v4, v6) = (data(first)?, data(second)?);
    let descriptor = |data: &MapData| {
        let descriptor = data.fd().as_fd().try_clone_to_owned();
        descriptor.map_err(KernelError::system("duplicating a map's descriptor"))
    };
    let descriptors = [descriptor(&v4)?, descriptor(&v6)?];
    let v4 = LpmTrie::try_from(Map::LpmTrie(v4)).map_err(KernelError::map(first))?;
    let v6 = LpmTrie::try_from(Map::LpmTrie(v6)).map_err(KernelError::map(second))?;
    Ok(Pair { v4, v6, descriptors, names, bound })
}

/// The limits by scope index.
pub struct Scopes {
    limits: Array<MapData, ScopeLimits>,
}

impl Scopes {
    pub(super) fn new(map: Map) -> Result<Self, KernelError> {
        Ok(Self { limits: Array::try_from(map).map_err(KernelError::map(maps::SCOPES))? })
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.limits.len()
    }

    /// Whether there are no entries; never, since the default scope has one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the limits of an index that no client uses yet.
    ///
    /// # Errors
    /// If the index is out of range or the kernel refuses.
    pub fn set(&mut self, index: u32, limits: ScopeLimits) -> Result<(), KernelError> {
        self.limits.set(index, limits, 0).map_err(KernelError::map(maps::SCOPES))
    }

    /// Reads the limits of an index.
    ///
    /// # Errors
    /// If the index is out of range or the kernel refuses.
    pub fn get(&self, index: u32) -> Result<ScopeLimits, KernelError> {
        self.limits.get(&index, 0).map_err(KernelError::map(maps::SCOPES))
    }
}
