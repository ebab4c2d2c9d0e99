//! Notifies user space that a client exceeded a limit.

use sensor_common::abi::{Event, OverLimit, Settings, Slot, notice_period};

use crate::clock::Now;
use crate::maps::{self, NOTICES};
use crate::{count, limit};

/// Sends a notice, at most one per client and period, and at most as many in total as the settings allow.
#[inline(always)]
pub(crate) fn over_limit(slot: *mut Slot, record: &OverLimit, settings: &Settings, now: Now) {
    let period = notice_period(now.tick);
    // SAFETY: a slot of the table; two CPUs may both send a notice, which is harmless.
    if unsafe { (*slot).noticed } == period {
        return;
    }
    // SAFETY: as above.
    unsafe { (*slot).noticed = period };
    send(record, &settings.notices, now.ns);
}

#[inline(always)]
fn send(record: &OverLimit, quota: &sensor_common::limit::Quota, now: u64) {
    let Some(shared) = maps::shared() else { return };
    // SAFETY: a field of a map value.
    let tat = unsafe { &raw mut (*shared).notices_tat };
    // SAFETY: as above.
    if !unsafe { limit::advance(tat, quota, quota.cost(1), now) } {
        count::event(Event::NoticeSuppressed);
    } else if NOTICES.output::<OverLimit>(record, 0).is_err() {
        count::event(Event::NoticeLost);
    }
}
