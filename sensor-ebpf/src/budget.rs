//! Budgets of a CPU, in bytes: GCRAs whose theoretical arrival time only that CPU writes.

use aya_ebpf::maps::PerCpuArray;

/// Takes `cost` nanoseconds of a budget whose theoretical arrival time may run `ahead` of the time now; false if it is
/// spent.
#[inline(always)]
pub(crate) fn take(budget: &PerCpuArray<u64>, now: u64, cost: u64, ahead: u64) -> bool {
    let Some(tat) = budget.get_ptr_mut(0) else { return false };
    // SAFETY: a value of an array map, this CPU's own.
    let due = unsafe { tat.read_volatile() };
    let due = if due < now { now } else { due };
    if due.wrapping_sub(now) > ahead {
        return false;
    }
    // SAFETY: as above.
    unsafe { tat.write_volatile(due.wrapping_add(cost)) };
    true
}
