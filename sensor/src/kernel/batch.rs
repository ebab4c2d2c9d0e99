//! Reading and writing many entries of a map with few system calls (`BPF_MAP_LOOKUP_BATCH` and its like): a trie of
//! 100,000 prefixes read one by one takes a third of a second.
#![expect(unsafe_code, reason = "the kernel writes where it is told to")]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use bytemuck::{Pod, Zeroable};
use nix::libc;

use super::bpf;

/// The part of `union bpf_attr` that the command reads (`include/uapi/linux/bpf.h`, `batch`).
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Batch {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    elem_flags: u64,
    flags: u64,
}

/// Entries of one call.
const CHUNK: u32 = 4_096;

/// Every entry of a map, in the map's order. `K` and `V` have the sizes of its keys and values.
///
/// # Errors
/// If the kernel refuses, as it does for map types without batch look-up.
pub(super) fn read_all<K: Pod, V: Pod>(map: BorrowedFd<'_>) -> io::Result<Vec<(K, V)>> {
    let mut found = Vec::new();
    let (mut keys, mut values) = (vec![K::zeroed(); CHUNK as usize], vec![V::zeroed(); CHUNK as usize]);
    // Where the last call ended; for tries, a key.
    let mut place = [K::zeroed(); 2];
    let mut is_first = true;
    loop {
        let [from, to] = &mut place;
        let mut batch = Batch {
            in_batch: if is_first { 0 } else { address(from) },
            out_batch: address(to),
            keys: address(keys.as_mut_slice()),
            values: address(values.as_mut_slice()),
            count: CHUNK,
            map: u32::try_from(map.as_raw_fd()).unwrap_or(u32::MAX),
            elem_flags: 0,
            flags: 0,
        };
        // SAFETY: all pointers are to memory that nobody else writes during the call, and as long as the kernel takes
        // it for: `CHUNK` keys and values of the map's sizes, which the caller guarantees, and a key.
        let done = unsafe { bpf::bpf(bpf::MAP_LOOKUP_BATCH, &mut batch) };
        let is_end = match done {
            Ok(_) => false,
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => true,
            Err(error) => return Err(error),
        };
        found.extend(keys.iter().copied().zip(values.iter().copied()).take(batch.count as usize));
        if is_end || batch.count == 0 {
            return Ok(found);
        }
        place.swap(0, 1);
        is_first = false;
    }
}

/// Writes entries, of which existing ones are replaced. `K` and `V` have the sizes of the map's keys and values.
///
/// # Errors
/// If the kernel refuses one: those before it were written.
pub(super) fn write_all<K: Pod, V: Pod>(map: BorrowedFd<'_>, keys: &[K], values: &[V]) -> io::Result<()> {
    for (keys, values) in keys.chunks(CHUNK as usize).zip(values.chunks(CHUNK as usize)) {
        let mut batch = Batch::of(map, keys);
        batch.values = values.as_ptr().addr() as u64;
        // SAFETY: the kernel reads as many keys and values of the map's sizes as there are, and writes only the count.
        unsafe { bpf::bpf(bpf::MAP_UPDATE_BATCH, &mut batch) }?;
    }
    Ok(())
}

/// Removes entries; missing ones count as removed.
///
/// # Errors
/// If the kernel refuses one: those before it were removed.
pub(super) fn remove_all<K: Pod>(map: BorrowedFd<'_>, keys: &[K]) -> io::Result<()> {
    let mut rest = keys;
    while !rest.is_empty() {
        let now = rest.get(..rest.len().min(CHUNK as usize)).unwrap_or(rest);
        let mut batch = Batch::of(map, now);
        // SAFETY: as above, without values.
        let done = unsafe { bpf::bpf(bpf::MAP_DELETE_BATCH, &mut batch) };
        // The kernel stops at a missing one, and says how many it removed before.
        let skipped = match done {
            Ok(_) => now.len(),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {
                (batch.count as usize).saturating_add(1)
            }
            Err(error) => return Err(error),
        };
        rest = rest.get(skipped..).unwrap_or_default();
    }
    Ok(())
}

impl Batch {
    /// For these keys.
    fn of<K: Pod>(map: BorrowedFd<'_>, keys: &[K]) -> Self {
        Self {
            keys: keys.as_ptr().addr() as u64,
            count: u32::try_from(keys.len()).unwrap_or(u32::MAX),
            map: u32::try_from(map.as_raw_fd()).unwrap_or(u32::MAX),
            ..Self::zeroed()
        }
    }
}

/// An address in the form that the kernel takes.
fn address<T: ?Sized>(place: &mut T) -> u64 {
    (&raw mut *place).cast::<()>().addr() as u64
}
