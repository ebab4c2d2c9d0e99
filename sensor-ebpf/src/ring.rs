//! The ring of segments of each CPU: writing a record, and waking the reader.

use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::BPF_RB_FORCE_WAKEUP;
use aya_ebpf::helpers::generated::{bpf_get_smp_processor_id, bpf_skb_load_bytes};
use aya_ebpf::programs::TcContext;
use sensor_common::abi::{BLOCK, CHUNK, Event, MirrorHeader, MirrorSettings, RingPositions, record_size};

use crate::maps::{MIRROR, RINGS, SEGMENTS, WAKEUPS};
use crate::{atomic, count};

/// [`CHUNK`] is a power of two.
const CHUNK_MASK: u64 = CHUNK as u64 - 1;

/// [`BLOCK`] is a power of two.
const BLOCK_BITS: u32 = BLOCK.trailing_zeros();
/// Alignment of records in a block: eight bytes.
const BEGIN_MASK: u64 = (BLOCK as u64 - 1) & !7;

/// A record in a ring.
#[repr(C)]
struct Record {
    header: MirrorHeader,
    payload: [u8; CHUNK as usize],
}

/// Puts a record into this CPU's ring; false if that failed.
///
/// No lock: tc programs run with softirqs off, so a CPU runs one at a time. A kernel with PREEMPT_RT may let another
/// thread send in the middle of it; that thread finds the ring claimed, and its segment is counted as lost.
#[inline(always)]
pub(crate) fn put(
    context: &TcContext,
    settings: &MirrorSettings,
    header: &MirrorHeader,
    offset: usize,
) -> bool {
    // SAFETY: the helper has no arguments.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let Some(positions) = RINGS.get_ptr_mut(cpu) else { return has_no_room() };
    // SAFETY: the address of a field of a map value.
    let writing = unsafe { &raw mut (*positions).writing };
    // SAFETY: entries of an array map are aligned to eight bytes.
    if unsafe { atomic::compare_exchange(writing, 0, 1) } != 0 {
        return has_no_room();
    }
    let is_written = write(context, (cpu, positions, settings.block_mask), header, offset);
    // SAFETY: as above.
    unsafe { writing.write_volatile(0) };
    if is_written {
        wake();
    }
    is_written
}

/// Whether less than half of this CPU's ring is free.
#[inline(always)]
pub(crate) fn is_half_full(settings: &MirrorSettings) -> bool {
    // SAFETY: the helper has no arguments.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let Some(positions) = RINGS.get_ptr_mut(cpu) else { return true };
    // SAFETY: the address of a field of a map value.
    let written_at = unsafe { &raw const (*positions).written };
    // SAFETY: as above.
    let read_at = unsafe { &raw const (*positions).read };
    // SAFETY: as above; only this CPU writes it.
    let written = unsafe { written_at.read_volatile() };
    // SAFETY: as above; user space writes it concurrently.
    let used = written.wrapping_sub(unsafe { read_at.read_volatile() });
    let half = (settings.block_mask as u64).wrapping_add(1).wrapping_mul(BLOCK as u64 / 2);
    used > half
}

/// Writes a record, then the write position: nobody reads the record before. False if that failed.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "offsets and sizes are far below 2^32")]
fn write(
    context: &TcContext,
    (cpu, positions, block_mask): (u32, *mut RingPositions, u32),
    header: &MirrorHeader,
    offset: usize,
) -> bool {
    // SAFETY: the address of a field of a map value.
    let written_at = unsafe { &raw mut (*positions).written };
    // SAFETY: as above.
    let read_at = unsafe { &raw const (*positions).read };
    // SAFETY: as above.
    let written = unsafe { written_at.read_volatile() };
    // SAFETY: as above; user space writes it concurrently.
    let read = unsafe { read_at.read_volatile() };
    let size = record_size(header.captured);
    let ring = (block_mask as u64).wrapping_add(1).wrapping_mul(BLOCK as u64);
    if written.wrapping_sub(read).wrapping_add(size) > ring {
        return has_no_room();
    }
    let first_block = cpu.wrapping_mul(block_mask.wrapping_add(1));
    let block = first_block.wrapping_add((written >> BLOCK_BITS) as u32 & block_mask);
    let Some(block) = SEGMENTS.get_ptr_mut(block) else { return has_no_room() };
    let begin = atomic::opaque(written) & BEGIN_MASK;
    // SAFETY: the longest record that starts in the block ends within the block's value.
    let record = unsafe { block.cast::<u8>().add(begin as usize) }.cast::<Record>();
    // SAFETY: entries of an array map are aligned to eight bytes, and so are records in them.
    unsafe { (*record).header = *header };
    if header.captured > 0 {
        // 1 to CHUNK in a form that the verifier of Linux 6.1 follows.
        let bytes = (atomic::opaque((header.captured as u64).wrapping_sub(1)) & CHUNK_MASK).wrapping_add(1);
        // SAFETY: the address of a field of a map value.
        let payload = unsafe { &raw mut (*record).payload };
        // SAFETY: the payload has room for `CHUNK` bytes, and `bytes` is at most that.
        let loaded =
            unsafe { bpf_skb_load_bytes(context.as_ptr(), offset as u32, payload.cast(), bytes as u32) };
        if loaded != 0 {
            count::event(Event::MirrorLoadFailed);
            return false;
        }
    }
    // SAFETY: the address of a field of a map value.
    unsafe { atomic::publish(written_at, written.wrapping_add(size)) };
    true
}

/// The ring is full or claimed, or the CPU was added after the rings were created.
#[inline(always)]
fn has_no_room() -> bool {
    count::event(Event::MirrorRingFull);
    false
}

/// Wakes user space if it sleeps: one record does, and user space sets the flag again before it sleeps next time.
#[inline(always)]
fn wake() {
    let Some(settings) = MIRROR.get_ptr_mut(0) else { return };
    // SAFETY: the address of a field of a map value.
    let wake = unsafe { &raw mut (*settings).wake };
    // SAFETY: as above.
    if unsafe { wake.read_volatile() } != 0 {
        // SAFETY: as above.
        unsafe { wake.write_volatile(0) };
        // If it is full, user space is awake.
        let _is_told = WAKEUPS.output::<u64>(&0, BPF_RB_FORCE_WAKEUP as u64);
    }
}
