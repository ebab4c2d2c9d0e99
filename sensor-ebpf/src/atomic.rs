//! Atomic operations on map values. All are fully ordered, as BPF's are (Linux `Documentation/bpf`).

use core::arch::asm;

/// Replaces `expected` by `new` and returns what was found.
///
/// `core`'s atomic types have no such operations for this target. The instruction needs Linux 5.12.
///
/// # Safety
/// `place` is an aligned pointer into a map value.
#[inline(always)]
pub(crate) unsafe fn compare_exchange(place: *mut u64, expected: u64, new: u64) -> u64 {
    let found;
    // SAFETY: the caller's promise; the instruction takes and returns the value in r0.
    unsafe {
        asm!(
            "r0 = cmpxchg_64({place} + 0, r0, {new})",
            place = in(reg) place,
            new = in(reg) new,
            inlateout("r0") expected => found,
        );
    }
    found
}

/// Stores a value after everything that was stored before.
///
/// # Safety
/// `place` is an aligned pointer into a map value.
#[inline(always)]
pub(crate) unsafe fn publish(place: *mut u64, value: u64) {
    // SAFETY: the caller's promise. The previous value does not matter; the exchange is used for its ordering.
    unsafe {
        asm!("{value} = xchg_64({place} + 0, {value})", place = in(reg) place, value = inout(reg) value => _)
    };
}

/// Adds without returning the previous value.
///
/// # Safety
/// `place` is an aligned pointer into a map value.
#[inline(always)]
pub(crate) unsafe fn add(place: *mut u64, amount: u64) {
    // SAFETY: the caller's promise.
    unsafe { asm!("lock *(u64 *)({place} + 0) += {amount}", place = in(reg) place, amount = in(reg) amount) };
}

/// Sets bits without returning the previous value.
///
/// # Safety
/// `place` is an aligned pointer into a map value.
#[inline(always)]
pub(crate) unsafe fn set(place: *mut u64, bits: u64) {
    // SAFETY: the caller's promise.
    unsafe { asm!("lock *(u64 *)({place} + 0) |= {bits}", place = in(reg) place, bits = in(reg) bits) };
}

/// The same number, opaque to the compiler.
///
/// This emits an instruction: without one, two lines of source would claim the next instruction, which the verifier
/// rejects.
#[inline(always)]
pub(crate) fn opaque(number: u64) -> u64 {
    let mut number = number;
    // SAFETY: a register is copied onto itself.
    unsafe { asm!("{0} = {0}", inout(reg) number) };
    number
}
