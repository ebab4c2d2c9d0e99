//! A packet's way: read it, find its client, ask policy and limits, count.

use aya_ebpf::programs::XdpContext;
use aya_log_ebpf::debug;
use sensor_common::abi::{ClientKey, Family, OverLimit, Policy, Reason, Settings, SlotDetails, Verdict};
use sensor_common::packet::{self, Packet, Parsed, Problem, Transport};
use sensor_common::table::Places;

use crate::access::{self, Linear};
use crate::admit::Client;
use crate::clock::{self, Now};
use crate::limit::{self, Load};
use crate::{admit, atomic, count, maps, notice, policy};

/// Everything about one frame that its way needs.
struct Frame<'a> {
    settings: &'a Settings,
    now: Now,
    load: Load,
    source: ClientKey,
    ifindex: u32,
}

/// The verdict on a frame, counted.
#[inline(always)]
pub(crate) fn judge(context: &XdpContext) -> Verdict {
    let Some(settings) = maps::settings() else { return Verdict::Pass };
    let linear = Linear::new(context);
    let bytes = access::frame_len(context);
    let ifindex = access::ingress_ifindex(context);
    let (family, reason) = match packet::parse(&linear) {
        Parsed::Ip(packet) => {
            let reason = reason(context, settings, &packet, bytes, ifindex);
            if let Transport::Unreadable(problem) = packet.transport {
                count::problem(located(problem, &linear, bytes));
                (packet.family, in_depth(reason, problem))
            } else {
                (packet.family, reason)
            }
        }
        Parsed::NotIp => (Family::Other, Reason::NotIp),
        Parsed::Unparsed(problem) => {
            count::problem(located(problem, &linear, bytes));
            (Family::Other, in_depth(Reason::Unparsed, problem))
        }
    };
    let verdict = verdict_of(reason, settings.enforce != 0);
    count::frame(count::interface_slot(settings, ifindex), family, verdict, reason, bytes);
    verdict
}

/// Headers beyond the depth that is followed are a reason of their own, where nothing else decides.
#[inline(always)]
fn in_depth(reason: Reason, problem: Problem) -> Reason {
    if problem.is_depth() && matches!(reason, Reason::None | Reason::Unparsed) {
        Reason::HeaderDepth
    } else {
        reason
    }
}

/// A header that lies in a later fragment is out of sight, not missing.
#[inline(always)]
fn located<W>(problem: Problem, linear: &Linear<W>, bytes: u64) -> Problem {
    if problem.is_truncation() && bytes > linear.len() { Problem::NonLinear } else { problem }
}

#[inline(always)]
fn verdict_of(reason: Reason, enforce: bool) -> Verdict {
    match reason {
        Reason::None | Reason::Allowed | Reason::NotIp | Reason::Unparsed => Verdict::Pass,
        Reason::Blocked
        | Reason::PacketRate
        | Reason::BitRate
        | Reason::ConnectionRate
        | Reason::RequestRate
        | Reason::NewcomerRate
        | Reason::HeaderDepth => {
            if enforce {
                Verdict::Drop
            } else {
                Verdict::WouldDrop
            }
        }
    }
}

#[inline(always)]
fn reason(context: &XdpContext, settings: &Settings, packet: &Packet, bytes: u64, ifindex: u32) -> Reason {
    let (opens, request) = if let Transport::Tcp { opens, request } = packet.transport {
        (opens, request)
    } else {
        (false, false)
    };
    let mask = if packet.family == Family::V4 { settings.mask_v4 } else { settings.mask_v6 };
    let frame = Frame {
        settings,
        now: clock::now(settings),
        load: Load { bytes, opens, request },
        source: packet.source,
        ifindex,
    };
    let key = packet.source.client(mask);
    let places = Places::of(key, settings.seed, settings.buckets);
    if let Some(client) = admit::find(key, &places) {
        return of_client(client, &frame);
    }
    let policy = policy::look_up(frame.source, settings);
    if policy.blocks(frame.now.ns) && policy.has(Policy::BLOCKED_WIDE) {
        return Reason::Blocked;
    }
    if admit::seen_before(&places, settings) {
        if let Some(client) = admit::at(admit::admit(key.hi, key.lo)) {
            return of_client(client, &frame);
        }
        debug!(context, "a source was seen again and not admitted to the client table");
    }
    of_newcomer(&policy, &frame)
}

#[inline(always)]
fn of_client(client: Client, frame: &Frame<'_>) -> Reason {
    // SAFETY: a field of a slot of the table.
    let bytes = unsafe { &raw mut (*client.slot).bytes };
    // SAFETY: as above.
    unsafe { atomic::add(bytes, frame.load.bytes) };
    limit::touch(client, frame.now.ns);
    let policy = policy::of_client(client, frame.source, frame.settings);
    let reason = if policy.has(Policy::ALLOWED) {
        Reason::Allowed
    } else if policy.blocks(frame.now.ns) {
        Reason::Blocked
    } else {
        limited(client, &policy, frame)
    };
    note(client, frame, matches!(reason, Reason::None | Reason::Allowed));
    reason
}

/// Counts the frame for its client.
#[inline(always)]
fn note(client: Client, frame: &Frame<'_>, passed: bool) {
    let counter = if passed {
        // SAFETY: as above.
        unsafe { &raw mut (*client.slot).packets }
    } else {
        // SAFETY: as above.
        unsafe { &raw mut (*client.slot).drops }
    };
    // SAFETY: as above.
    unsafe { atomic::add(counter, 1) };
    if (frame.load.request || frame.load.opens)
        && let Some(details) = client.details()
    {
        // SAFETY: a field of a map value.
        let counts = unsafe { &raw mut (*details).counts };
        let opened = if frame.load.opens { SlotDetails::CONNECTION } else { 0 };
        // SAFETY: as above.
        unsafe { atomic::add(counts, opened | frame.load.request as u64) };
    }
}

#[inline(always)]
fn limited(client: Client, policy: &Policy, frame: &Frame<'_>) -> Reason {
    // SAFETY: array entries live as long as the program.
    let Some(limits) = maps::SCOPES.get_ptr(policy.scope as u32).map(|limits| unsafe { &*limits }) else {
        return Reason::None;
    };
    let reason = limit::charge(client, limits, &frame.load, frame.now.ns);
    if reason != Reason::None {
        let record = OverLimit {
            // SAFETY: a slot of the table.
            key: unsafe { (*client.slot).key },
            at: frame.now.ns,
            reason: reason as u32,
            verdict: verdict_of(reason, frame.settings.enforce != 0) as u32,
            ifindex: frame.ifindex,
            scope: policy.scope as u32,
        };
        notice::over_limit(client.slot, &record, frame.settings, frame.now);
    }
    reason
}

/// A source that is not in the table is bound by its prefixes and by the rate that all such sources share.
#[inline(always)]
fn of_newcomer(policy: &Policy, frame: &Frame<'_>) -> Reason {
    if policy.has(Policy::ALLOWED) {
        return Reason::Allowed;
    }
    if policy.blocks(frame.now.ns) {
        return Reason::Blocked;
    }
    let quota = &frame.settings.newcomers;
    let Some(shared) = maps::shared() else { return Reason::None };
    // SAFETY: a field of a map value.
    let tat = unsafe { &raw mut (*shared).newcomers_tat };
    // SAFETY: as above. Over the rate this only reads, so CPUs do not fight over the line in a flood.
    if quota.is_off() || unsafe { limit::advance(tat, quota, quota.cost(1), frame.now.ns) } {
        Reason::None
    } else {
        Reason::NewcomerRate
    }
}
