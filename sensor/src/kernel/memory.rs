//! Kernel memory of the maps, as the kernel accounts it.

use std::os::fd::{AsFd as _, AsRawFd as _};

use aya::Ebpf;
use aya::maps::{Map, MapData};
use sensor_common::abi::maps;

/// Kernel memory by map, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelMemory {
    /// Name of each map and its bytes.
    pub maps: Vec<(&'static str, u64)>,
}

impl KernelMemory {
    /// Of an object's maps, before they are taken out of it.
    pub(super) fn of(ebpf: &Ebpf) -> Self {
        let mut memory = Self::default();
        let of_mirror = [maps::MIRROR, maps::FLOWS, maps::RINGS, maps::SEGMENTS, maps::WAKEUPS];
        for name in maps::PINNED.into_iter().chain(of_mirror) {
            if let Some(
                Map::Array(data)
                | Map::PerCpuArray(data)
                | Map::LpmTrie(data)
                | Map::RingBuf(data)
                | Map::LruHashMap(data),
            ) = ebpf.map(name)
            {
                memory.add(name, data);
            }
        }
        memory
    }

    /// All maps together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.maps.iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }

    /// Adds one map; a map that the kernel does not account for counts as 0.
    fn add(&mut self, name: &'static str, map: &MapData) {
        self.maps.push((name, memlock(map.fd().as_fd().as_raw_fd()).unwrap_or(0)));
    }
}

/// The `memlock` line of a map's descriptor (Linux `kernel/bpf/syscall.c`, `bpf_map_show_fdinfo`).
fn memlock(fd: i32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("memlock:")?.trim().parse().ok())
}
