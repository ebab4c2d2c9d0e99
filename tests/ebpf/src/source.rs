//! Source addresses that differ from frame to frame, in an order that user space chooses at load.

use aya_ebpf::Global;
use aya_ebpf::macros::map;
use aya_ebpf::maps::PerCpuArray;
use aya_ebpf::programs::XdpContext;

/// The lowest source address, in host order.
#[unsafe(no_mangle)]
static FIRST_SOURCE: Global<u32> = Global::new(0);

/// Number of addresses from there on.
#[unsafe(no_mangle)]
static SOURCES: Global<u32> = Global::new(1);

/// [`PAIRS`], [`SCATTERED`] or, for any other number, at random.
#[unsafe(no_mangle)]
static SOURCE_ORDER: Global<u32> = Global::new(0);

/// Ascending, each source twice in a row: the second frame makes a source a client.
const PAIRS: u32 = 1;

/// Every source once before any repeats, in no visible order. Their number is a power of two.
const SCATTERED: u32 = 2;

/// Current position of each CPU.
#[map]
static STATE: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Offset of the source address behind Ethernet and the first 12 bytes of IPv4.
const SOURCE: usize = 26;

/// Writes the next source into the frame; false if the frame is too short.
///
/// The header checksum stays as it was: nothing here reads it.
#[inline(always)]
pub(crate) fn rewrite(context: &XdpContext) -> bool {
    let place = context.data().wrapping_add(SOURCE);
    let Some(index) = next() else { return false };
    if place.wrapping_add(size_of::<u32>()) > context.data_end() {
        return false;
    }
    let address = FIRST_SOURCE.load().wrapping_add(index).to_be();
    // SAFETY: the four bytes lie before the end of the packet, as was just compared.
    unsafe { (place as *mut u32).write_unaligned(address) };
    true
}

#[inline(always)]
fn next() -> Option<u32> {
    let state = STATE.get_ptr_mut(0)?;
    // SAFETY: this CPU's own copy.
    let before = unsafe { *state };
    let (after, index) = match SOURCE_ORDER.load() {
        PAIRS => (before.wrapping_add(1), low(before >> 1)),
        SCATTERED => {
            let after = advance(before);
            (after, low(after) & SOURCES.load().wrapping_sub(1))
        }
        _ => {
            let after = advance(before);
            (after, ((after >> 32).wrapping_mul(SOURCES.load() as u64) >> 32) as u32)
        }
    };
    // SAFETY: as above.
    unsafe { *state = after };
    Some(index)
}

/// Knuth's linear congruential generator (MMIX). Its lowest k bits have the full period of 2^k, its highest
/// are as good as random.
#[inline(always)]
fn advance(state: u64) -> u64 {
    state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
}

/// The lower half.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
const fn low(number: u64) -> u32 {
    number as u32
}
