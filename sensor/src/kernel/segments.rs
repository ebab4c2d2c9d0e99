//! The rings of mirrored segments, one per CPU, read as one.
//!
//! Records are returned in the order of their times, so a response comes after its request, and a request after the
//! response that its client waited for, whichever CPUs saw them. Whatever a record follows from was written before the
//! record's time, so a reader that checks the rings after that time finds it. Records younger than the check wait for
//! the next one.
#![expect(unsafe_code, reason = "memory shared with the kernel")]

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;

use std::mem::offset_of;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::{Ordering, fence};

use aya::maps::{Map, MapData, RingBuf};
use memmap2::{MmapOptions, MmapRaw};
use sensor_common::abi::{
    BLOCK, Block, CHUNK, MirrorHeader, MirrorSettings, RingPositions, maps, record_size,
};

use super::error::KernelError;
use super::shared::SharedArray;
use crate::clock;

/// Minimum blocks of a CPU's ring if there is something to mirror: 2 MiB.
const LEAST_BLOCKS: u32 = 32;

/// Sizes of the rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RingSizes {
    /// Rings, one for each CPU.
    pub(super) rings: u32,
    /// Blocks per ring, a power of two.
    pub(super) blocks: u32,
}

impl RingSizes {
    /// For a total of `bytes`, or for next to nothing. CPUs that are added later have no ring; what they see is counted
    /// as lost.
    pub(super) fn of(bytes: u32) -> Result<Self, KernelError> {
        let online = aya::util::online_cpus()
            .map_err(|(_, source)| KernelError::System { what: "counting CPUs".to_owned(), source })?;
        Ok(Self::for_cpus(&online, bytes))
    }

    fn for_cpus(online: &[u32], bytes: u32) -> Self {
        // Gaps in the numbering may be filled later.
        let rings = online.iter().max().map_or(1, |last| last.saturating_add(1)).max(1);
        let least = if bytes == 0 { 1 } else { LEAST_BLOCKS };
        let blocks = bytes.div_euclid(rings).div_ceil(BLOCK).max(least).next_power_of_two();
        Self { rings, blocks }
    }

    /// Blocks of all of them.
    pub(super) const fn all_blocks(self) -> u32 {
        self.rings.saturating_mul(self.blocks)
    }
}

/// The reader's view of one CPU's ring.
#[derive(Clone, Copy, Debug, Default)]
struct Ring {
    cpu: usize,
    read: u64,
    /// The part of `read` that the kernel knows.
    released: u64,
    written: u64,
    /// Time of the next record; none if there is no record.
    next: Option<MirrorHeader>,
}

/// The rings of mirrored segments, for one reader. They are mapped, which counts as this process's memory, only while
/// there is something to read: see [`Self::rest`].
pub struct SegmentRings {
    positions: SharedArray<RingPositions>,
    map: OwnedFd,
    mapped: Option<Blocks>,
    sizes: RingSizes,
    rings: Vec<Ring>,
    wakeups: RingBuf<MapData>,
    settings: SharedArray<MirrorSettings>,
}

impl SegmentRings {
    pub(super) fn new(
        settings: &MapData,
        positions: &MapData,
        blocks: &MapData,
        wakeups: Map,
        sizes: RingSizes,
    ) -> Result<Self, KernelError> {
        let map = blocks.fd().as_fd().try_clone_to_owned();
        let map = map.map_err(KernelError::system("duplicating the descriptor of the rings"))?;
        let settings = SharedArray::<MirrorSettings>::new(settings, 1)?;
        settings.store_u32(offset_of!(MirrorSettings, block_mask), sizes.blocks.saturating_sub(1));
        let rings = (0..sizes.rings as usize).map(|cpu| Ring { cpu, ..Ring::default() }).collect();
        Ok(Self {
            positions: SharedArray::new(positions, sizes.rings as usize)?,
            map,
            mapped: None,
            sizes,
            rings,
            wakeups: RingBuf::try_from(wakeups).map_err(KernelError::map(maps::WAKEUPS))?,
            settings,
        })
    }

    /// Drops the mapping until the next record is read. The kernel knows what was read, so nothing is lost or read
    /// twice.
    pub fn rest(&mut self) {
        self.mapped = None;
    }

    /// Passes at most `most` records to `visit`, oldest first; returns their number.
    ///
    /// # Errors
    /// If the rings cannot be mapped.
    pub fn read(
        &mut self,
        most: usize,
        visit: impl FnMut(&MirrorHeader, &[u8]),
    ) -> Result<usize, KernelError> {
        // Before the positions: see above.
        let now = u64::try_from(clock::monotonic().as_nanos()).unwrap_or(u64::MAX);
        fence(Ordering::SeqCst);
        for ring in &mut self.rings {
            ring.written = self.positions.load_u64(ring.cpu, offset_of!(RingPositions, written));
        }
        if self.rings.iter().all(|ring| ring.read == ring.written) {
            return Ok(0);
        }
        let blocks = match self.mapped.take() {
            Some(blocks) => blocks,
            None => Blocks::map(&self.map, self.sizes)?,
        };
        let positions = &self.positions;
        let release = |ring: &Ring| {
            positions.store_u64_of(ring.cpu, offset_of!(RingPositions, read), ring.read);
        };
        let done = merge(&mut self.rings, &blocks, (now, most), release, visit);
        self.mapped = Some(blocks);
        Ok(done)
    }

    /// Whether there are unread records.
    #[must_use]
    pub fn has_records(&self) -> bool {
        let written = |ring: &Ring| self.positions.load_u64(ring.cpu, offset_of!(RingPositions, written));
        self.rings.iter().any(|ring| written(ring) != ring.read)
    }

    /// Has the next record wake a poller of the descriptor, and returns whether there already are records. Without
    /// this, records come silently.
    #[must_use]
    pub fn ask_for_wakeup(&mut self) -> bool {
        // The record that woke us before.
        while self.wakeups.next().is_some() {}
        self.settings.store_u32(offset_of!(MirrorSettings, wake), 1);
        // The kernel writes, then checks whether to wake; both orders are full barriers.
        fence(Ordering::SeqCst);
        self.has_records()
    }

    /// For polling: readable once there is a record, if that was requested.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.wakeups.as_fd()
    }
}

/// Passes at most `most` records with a time up to `now` to `visit`, the oldest of all rings first; returns their
/// number. `release` gets the rings whose read bytes may be overwritten: one block at a time, since the CPU that writes
/// there has to fetch that cache line.
fn merge(
    rings: &mut [Ring],
    blocks: &Blocks,
    (now, most): (u64, usize),
    mut release: impl FnMut(&Ring),
    mut visit: impl FnMut(&MirrorHeader, &[u8]),
) -> usize {
    for ring in rings.iter_mut() {
        ring.next = blocks.header(ring);
    }
    let mut done = 0_usize;
    while done < most {
        let times = rings.iter_mut().filter_map(|ring| Some((ring.next.as_ref()?.time, ring)));
        let Some((_, ring)) = times.filter(|(time, _)| *time <= now).min_by_key(|(time, _)| *time) else {
            break;
        };
        let Some(header) = ring.next.take() else { break };
        let payload = blocks.payload(ring, &header);
        let size = record_size(header.captured).min(ring.written.wrapping_sub(ring.read));
        ring.read = ring.read.wrapping_add(size);
        // Prefetched while this one is processed.
        ring.next = blocks.header(ring);
        visit(&header, payload);
        if ring.read.wrapping_sub(ring.released) >= u64::from(BLOCK) {
            ring.released = ring.read;
            release(ring);
        }
        done = done.saturating_add(1);
    }
    for ring in rings.iter_mut().filter(|ring| ring.read != ring.released) {
        ring.released = ring.read;
        release(ring);
    }
    done
}

/// The blocks of all rings, mapped.
struct Blocks {
    memory: MmapRaw,
    of_ring: usize,
}

impl Blocks {
    fn map(map: &OwnedFd, sizes: RingSizes) -> Result<Self, KernelError> {
        let bytes = (sizes.all_blocks() as usize).saturating_mul(size_of::<Block>());
        let memory = MmapOptions::new()
            .len(bytes)
            .map_raw_read_only(map.as_raw_fd())
            .map_err(KernelError::system("mapping the rings of segments into memory"))?;
        Ok(Self { memory, of_ring: sizes.blocks as usize })
    }

    /// The header of a ring's next record.
    fn header(&self, ring: &Ring) -> Option<MirrorHeader> {
        let header = self.bytes(ring)?.get(..size_of::<MirrorHeader>())?;
        let mut header = bytemuck::try_pod_read_unaligned::<MirrorHeader>(header).ok()?;
        header.captured = header.captured.min(CHUNK);
        Some(header)
    }

    /// What follows that header.
    fn payload(&self, ring: &Ring, header: &MirrorHeader) -> &[u8] {
        let record = self.bytes(ring).unwrap_or_default();
        let payload = record.get(size_of::<MirrorHeader>()..).unwrap_or_default();
        payload.get(..header.captured as usize).unwrap_or(payload)
    }

    /// The written and unread part of a ring, up to the length of one record.
    fn bytes(&self, ring: &Ring) -> Option<&[u8]> {
        let unread = ring.written.wrapping_sub(ring.read);
        let block = usize::try_from(ring.read.div_euclid(u64::from(BLOCK))).ok()?;
        let begin = usize::try_from(ring.read.rem_euclid(u64::from(BLOCK))).ok()?;
        let block = ring.cpu.checked_mul(self.of_ring)?.checked_add(block.checked_rem(self.of_ring)?)?;
        let offset = block.checked_mul(size_of::<Block>())?.checked_add(begin)?;
        let most = size_of::<MirrorHeader>().saturating_add(CHUNK as usize);
        let length = usize::try_from(unread).unwrap_or(most).min(most);
        if offset.checked_add(length)? > self.memory.len() {
            return None;
        }
        // SAFETY: inside the mapping, as was just checked.
        let record = unsafe { self.memory.as_ptr().add(offset) };
        // SAFETY: as above. The kernel does not write there until it learns that these bytes were read, which needs the
        // reader that this mapping is borrowed from.
        Some(unsafe { std::slice::from_raw_parts(record, length) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Rings as the kernel writes them, and the written and unread bytes.
    struct Written {
        blocks: Blocks,
        rings: Vec<Ring>,
        waiting: Vec<(u64, usize, usize)>,
    }

    impl Written {
        fn new(rings: usize, of_ring: usize) -> Self {
            let memory = MmapOptions::new().len(rings * of_ring * size_of::<Block>()).map_anon().unwrap();
            Self {
                blocks: Blocks { memory: memory.into(), of_ring },
                rings: (0..rings).map(|cpu| Ring { cpu, ..Ring::default() }).collect(),
                waiting: Vec::new(),
            }
        }

        /// Where there is room, as in `sensor-ebpf/src/mirror.rs`.
        fn write(&mut self, cpu: usize, time: u64, captured: usize) -> bool {
            let ring = &mut self.rings[cpu];
            let size = record_size(u32::try_from(captured).unwrap());
            let room = self.blocks.of_ring as u64 * u64::from(BLOCK);
            if ring.written - ring.released + size > room {
                return false;
            }
            let block = usize::try_from(ring.written / u64::from(BLOCK)).unwrap() % self.blocks.of_ring;
            let offset = (cpu * self.blocks.of_ring + block) * size_of::<Block>()
                + usize::try_from(ring.written % u64::from(BLOCK)).unwrap();
            let captured = u32::try_from(captured).unwrap();
            let header = MirrorHeader { time, captured, length: captured, ..MirrorHeader::default() };
            let payload = vec![u8::try_from(time % 251).unwrap(); captured as usize];
            let record = [bytemuck::bytes_of(&header), &payload].concat();
            assert!(offset + record.len() <= self.blocks.memory.len(), "a record ends beyond its block");
            // SAFETY: inside the mapping, as was just checked.
            let place = unsafe { self.blocks.memory.as_mut_ptr().add(offset) };
            // SAFETY: as above; nothing else accesses it concurrently.
            unsafe { place.copy_from_nonoverlapping(record.as_ptr(), record.len()) };
            ring.written += size;
            self.waiting.push((time, cpu, captured as usize));
            true
        }
    }

    proptest! {
        #[test]
        fn records_of_all_rings_come_in_the_order_of_their_times(
            steps in prop::collection::vec((0..3_usize, 0..=4_096_usize, 0..4_u64, 0..40_usize), 1..400),
        ) {
            let mut written = Written::new(3, 2);
            let mut time = 0;
            for (cpu, captured, pause, most) in steps {
                time += pause;
                let has_room = written.write(cpu, time, captured);
                if has_room && most > 3 {
                    continue;
                }
                // Records with the same time may come in any order; those of one CPU keep theirs.
                let now = time.saturating_sub(pause);
                let mut seen = Vec::new();
                let done = merge(&mut written.rings, &written.blocks, (now, most), |_| {}, |header, payload| {
                    assert!(payload.iter().all(|byte| u64::from(*byte) == header.time % 251));
                    seen.push((header.time, payload.len()));
                });
                prop_assert_eq!(done, seen.len());
                written.waiting.sort_by_key(|(time, ..)| *time);
                let due = written.waiting.iter().filter(|(time, ..)| *time <= now).count().min(most);
                prop_assert_eq!(seen.len(), due);
                prop_assert!(seen.is_sorted_by_key(|(time, _)| *time));
                for (time, length) in seen {
                    let place = written.waiting.iter().position(|(made, _, of)| (*made, *of) == (time, length));
                    prop_assert!(place.is_some(), "a record that was not written");
                    written.waiting.remove(place.unwrap_or_default());
                }
                prop_assert!(written.rings.iter().all(|ring| ring.read == ring.released));
            }
        }
    }

    #[test]
    fn a_full_ring_has_room_again_once_it_was_read() {
        let mut written = Written::new(1, 1);
        let mut seen = 0;
        for time in 0..1_000 {
            while !written.write(0, time, 4_000) {
                seen += merge(&mut written.rings, &written.blocks, (time, 3), |_| {}, |_, _| {});
            }
        }
        seen += merge(&mut written.rings, &written.blocks, (1_000, usize::MAX), |_| {}, |_, _| {});
        assert_eq!(seen, 1_000);
    }

    #[test]
    fn every_cpu_has_a_power_of_two_of_blocks() {
        let mib = |bytes: u32| bytes << 20;
        let table: [(&[u32], u32, u32, u32); 7] = [
            (&[0], mib(16), 1, 256),
            (&[0, 1], mib(16), 2, 128),
            (&[0, 1, 2], mib(16), 3, 128),
            (&[0, 1, 3], mib(16), 4, 64),
            (&[0, 1], mib(1), 2, 32),
            (&[0, 1], 0, 2, 1),
            (&[], mib(4), 1, 64),
        ];
        for (online, bytes, rings, blocks) in table {
            let sizes = RingSizes::for_cpus(online, bytes);
            assert_eq!(sizes, RingSizes { rings, blocks }, "{online:?} {bytes}");
        }
        let many: Vec<u32> = (0..64).collect();
        assert_eq!(RingSizes::for_cpus(&many, mib(16)).all_blocks(), 64 * 32);
        assert_eq!(RingSizes::for_cpus(&many, mib(1_024)).all_blocks(), 64 * 256);
    }
}
