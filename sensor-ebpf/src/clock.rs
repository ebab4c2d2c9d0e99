//! The data plane's clock: the kernel's tick counter, scaled to nanoseconds.
//!
//! `bpf_jiffies64` is a plain load (the verifier inlines it); `bpf_ktime_get_coarse_ns` is a call with the same
//! resolution, and `bpf_ktime_get_ns` costs as much as the rest of the program.

use aya_ebpf::Global;
use aya_ebpf::helpers::generated::bpf_jiffies64;
use sensor_common::abi::Settings;

use crate::maps;

/// 1 in an object loaded for tests, whose clock user space sets.
#[unsafe(no_mangle)]
static FIXED_CLOCK: Global<u8> = Global::new(0);

/// The current time, read once per packet.
#[derive(Clone, Copy)]
pub(crate) struct Now {
    /// Ticks since an origin before boot.
    pub(crate) tick: u64,
    /// The same in nanoseconds.
    pub(crate) ns: u64,
}

/// Reads the clock.
#[inline(always)]
pub(crate) fn now(settings: &Settings) -> Now {
    let tick = if FIXED_CLOCK.load() == 0 {
        // SAFETY: the helper has no arguments.
        unsafe { bpf_jiffies64() }
    } else {
        // SAFETY: a field of a map value.
        maps::shared().map_or(0, |shared| unsafe { (*shared).fixed_tick })
    };
    Now { tick, ns: tick.wrapping_mul(settings.tick_ns) }
}

/// Writes the time to where user space reads it.
#[inline(always)]
pub(crate) fn publish() {
    if let (Some(settings), Some(shared)) = (maps::settings(), maps::shared()) {
        let now = now(settings);
        // SAFETY: a field of a map value.
        unsafe { (*shared).clock = now.ns };
    }
}
