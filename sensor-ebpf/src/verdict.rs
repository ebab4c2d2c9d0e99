//! A packet's path: parse it, find its client, check policy and limits, count.

use aya_ebpf::programs::XdpContext;
use aya_log_ebpf::debug;
use sensor_common::abi::{
    ClientKey, Event, Family, OverLimit, Policy, Reason, Settings, Slot, SlotDetails, Verdict,
};
use sensor_common::packet::{self, Packet, Parsed, Problem, Transport};
use sensor_common::table::{Places, network};

use crate::access::{self, Linear};
use crate::admit::Client;
use crate::clock::{self, Now};
use crate::limit::{self, Load};
use crate::{admit, answer, atomic, cookie, count, maps, notice, policy, proof, site, too_many};

/// State of one frame on this path.
struct Frame<'a, const LAYER3: bool> {
    context: &'a XdpContext,
    settings: &'a Settings,
    now: Now,
    load: Load,
    source: ClientKey,
    /// The client that the source belongs to.
    key: ClientKey,
    ifindex: u32,
    /// It may belong to an established connection.
    is_tcp: bool,
}

/// The verdict on a frame, which it also counts. `LAYER3`: the frame starts with its IP header.
#[inline(always)]
pub(crate) fn judge<const LAYER3: bool>(context: &XdpContext) -> Verdict {
    let Some(settings) = maps::settings() else { return Verdict::Pass };
    let linear = Linear::<_, LAYER3>::new(context);
    let bytes = access::frame_len(context);
    let ifindex = access::ingress_ifindex(context);
    let (family, reason) = match packet::parse(&linear) {
        Parsed::Ip(packet) => {
            let reason = reason::<LAYER3>(context, settings, &packet, bytes, ifindex);
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
    if !LAYER3
        && matches!(reason, Reason::RequestRate)
        && matches!(verdict, Verdict::Drop)
        && settings.too_many != 0
        && too_many::hand_over(context.ctx) != 0
    {
        // Counted as dropped, which it is for its server. At tc it is answered.
        return Verdict::Pass;
    }
    verdict
}

/// Headers beyond the depth that is followed are a reason of their own if nothing else decides.
#[inline(always)]
fn in_depth(reason: Reason, problem: Problem) -> Reason {
    if problem.is_depth() && matches!(reason, Reason::None | Reason::Unparsed) {
        Reason::HeaderDepth
    } else {
        reason
    }
}

/// A header in a later fragment is out of sight, not missing.
#[inline(always)]
fn located<W, const LAYER3: bool>(problem: Problem, linear: &Linear<W, LAYER3>, bytes: u64) -> Problem {
    if problem.is_truncation() && bytes > linear.len() { Problem::NonLinear } else { problem }
}

#[inline(always)]
fn verdict_of(reason: Reason, enforce: bool) -> Verdict {
    match (reason.refuses(), enforce) {
        (false, _) => Verdict::Pass,
        (true, true) if matches!(reason, Reason::SynCookie) => Verdict::Answer,
        (true, true) => Verdict::Drop,
        (true, false) => Verdict::WouldDrop,
    }
}

#[inline(always)]
fn reason<const LAYER3: bool>(
    context: &XdpContext,
    settings: &Settings,
    packet: &Packet,
    bytes: u64,
    ifindex: u32,
) -> Reason {
    let (is_tcp, opens, request) = if let Transport::Tcp { opens, request } = packet.transport {
        (true, opens, request)
    } else {
        (false, false, false)
    };
    let mask = if packet.family == Family::V4 { settings.mask_v4 } else { settings.mask_v6 };
    let frame = Frame::<LAYER3> {
        context,
        settings,
        now: clock::now(settings),
        load: Load { bytes, opens, request },
        source: packet.source,
        key: packet.source.client(mask),
        ifindex,
        is_tcp,
    };
    let key = frame.key;
    let places = Places::of(key, settings.seed, settings.buckets);
    if let Some(client) = admit::find(key, &places) {
        return of_client(client, &frame);
    }
    let policy = policy::look_up(frame.source, settings);
    if policy.blocks(frame.now.ns) && policy.has(Policy::BLOCKED_WIDE) {
        return excused(Reason::Blocked, &frame);
    }
    let mut refused = false;
    if admit::seen_before(&places, settings) {
        if let Some(client) = admit::at(admit::admit(key.hi, key.lo, 0)) {
            return of_client(client, &frame);
        }
        refused = true;
        let _nothing_depends_on_it = say_refused();
    }
    let reason = excused(of_newcomer(&policy, &frame, refused), &frame);
    if !LAYER3 && settings.syn_cookies != 0 && settings.enforce != 0 && reason.refuses() && is_tcp {
        return with_cookie(reason, &frame, key);
    }
    reason
}

/// Exported: inlined, the verifier would follow the assembly of a log record on every path that leads to it, which took
/// half of its time.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn say_refused() -> u32 {
    debug!(&(), "a source was seen again and not admitted to the client table");
    0
}

/// A newcomer over a limit: its SYN is answered with a cookie, and one that acknowledges a cookie is a client.
#[inline(always)]
fn with_cookie<const LAYER3: bool>(reason: Reason, frame: &Frame<'_, LAYER3>, key: ClientKey) -> Reason {
    if matches!(reason, Reason::Blocked) {
        return reason;
    }
    match cookie::handshake(frame.context.ctx) {
        cookie::ANSWERED => return Reason::SynCookie,
        cookie::ACKNOWLEDGED => {}
        _ => return reason,
    }
    count::event(Event::CookieAccepted);
    // Its limits begin with the next packet. Charging it here would double the work of the verifier.
    let Some(client) = admit::at(admit::admit(key.hi, key.lo, Slot::PROVEN)) else { return reason };
    proof::prove(client.slot);
    Reason::None
}

/// Exempts packets that were about to be dropped: this host's own, and, over a limit, answers that it requested. Off
/// the path of packets that pass anyway.
///
/// Packets that arrive on the loopback interface come from this host, whatever their source. On any other interface,
/// this host's addresses as sources are forged: Linux sends packets to itself over loopback.
#[inline(always)]
fn excused<const LAYER3: bool>(reason: Reason, frame: &Frame<'_, LAYER3>) -> Reason {
    if !reason.refuses() {
        return reason;
    }
    if frame.settings.loopback == frame.ifindex {
        return Reason::OwnHost;
    }
    if !matches!(reason, Reason::Blocked) && frame.is_tcp && !frame.load.opens {
        let context = frame.context.ctx;
        let is_answer =
            if LAYER3 { answer::xdp_is_answer_layer3(context) } else { answer::xdp_is_answer(context) };
        if is_answer != 0 {
            return Reason::Answer;
        }
    }
    reason
}

#[inline(always)]
fn of_client<const LAYER3: bool>(client: Client, frame: &Frame<'_, LAYER3>) -> Reason {
    // SAFETY: a field of a slot of the table.
    let bytes = unsafe { &raw mut (*client.slot).bytes };
    // SAFETY: as above.
    unsafe { atomic::add(bytes, frame.load.bytes) };
    limit::touch(client, frame.now.ns);
    let policy = policy::of_client(client, frame.key, frame.source, frame.settings);
    let reason = if policy.has(Policy::ALLOWED) {
        Reason::Allowed
    } else if policy.blocks(frame.now.ns) {
        Reason::Blocked
    } else {
        limited(client, &policy, frame)
    };
    let reason = excused(reason, frame);
    if reason.refuses() && !matches!(reason, Reason::Blocked) {
        tell(client, &policy, frame, reason);
    }
    note(client, frame, !reason.refuses());
    reason
}

/// Counts the frame for its client.
#[inline(always)]
fn note<const LAYER3: bool>(client: Client, frame: &Frame<'_, LAYER3>, passed: bool) {
    let counter = if passed {
        // SAFETY: as above.
        unsafe { &raw mut (*client.slot).passed }
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
fn limited<const LAYER3: bool>(client: Client, policy: &Policy, frame: &Frame<'_, LAYER3>) -> Reason {
    // SAFETY: array entries live as long as the program.
    let Some(limits) = maps::SCOPES.get_ptr(policy.scope as u32).map(|limits| unsafe { &*limits }) else {
        return Reason::None;
    };
    let reason = limit::charge(client, limits, &frame.load, frame.now.ns);
    if reason != Reason::None {
        return reason;
    }
    site::charge::<LAYER3>(frame.key, policy.scope, frame.settings, &frame.load, frame.now.ns)
}

/// Notifies user space of a client over a limit.
#[inline(always)]
fn tell<const LAYER3: bool>(client: Client, policy: &Policy, frame: &Frame<'_, LAYER3>, reason: Reason) {
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

/// A source that is not in the table is subject to its prefixes, to the rate shared by all such sources, and to the
/// budget of its network. `refused`: the table had no room for it.
#[inline(always)]
fn of_newcomer<const LAYER3: bool>(policy: &Policy, frame: &Frame<'_, LAYER3>, refused: bool) -> Reason {
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
    // Over the rate this only reads, so CPUs do not contend for the line in a flood.
    // SAFETY: as above.
    if !quota.is_off() && unsafe { limit::exceeds(tat, quota, quota.cost(1), frame.now.ns) } {
        return Reason::NewcomerRate;
    }
    let reason = of_network(policy, frame, refused);
    if reason != Reason::None {
        return reason;
    }
    // SAFETY: as above.
    if quota.is_off() || unsafe { limit::advance(tat, quota, quota.cost(1), frame.now.ns) } {
        Reason::None
    } else {
        Reason::NewcomerRate
    }
}

/// Charges the budget of a newcomer's network: a part of the newcomers' rate, and, if the table had no room for the
/// source, one client's limits for all such sources of the network together.
#[inline(always)]
fn of_network<const LAYER3: bool>(policy: &Policy, frame: &Frame<'_, LAYER3>, refused: bool) -> Reason {
    if frame.settings.newcomers_per_network.is_off() && !refused {
        return Reason::None;
    }
    let network = network(frame.source, frame.settings.seed);
    let scope = if refused { policy.scope as u32 } else { u32::MAX };
    limit::of_network(network, scope, &frame.load, frame.now.ns)
}
