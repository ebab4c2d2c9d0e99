//! Two CPUs at once, and tables at their bounds. The clock stands still, so that a limit admits an exact number.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic: that is how it fails"
)]

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use sensor::kernel::{Capacities, Client};
use sensor_common::abi::{Event, Reason, prefixes};
use sensor_common::limit::Rate;
use sensor_common::table;
use sensor_tests::model::admitted_at_once;
use sensor_tests::packet::{Frame, flags};
use sensor_tests::plane::{Limits, Plane, Policy, SMALL};

const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

/// Does the work twice at the same time, on two CPUs where there are two; it is told which one it is.
fn on_two_cpus(work: impl Fn(usize) + Sync) {
    let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let cpus: Vec<usize> = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap()).collect();
    let start = Barrier::new(2);
    thread::scope(|scope| {
        for number in 0..2 {
            let (cpu, start, work) = (cpus[number % cpus.len()], &start, &work);
            scope.spawn(move || {
                let mut only = CpuSet::new();
                only.set(cpu).unwrap();
                sched_setaffinity(Pid::from_raw(0), &only).unwrap();
                start.wait();
                work(number);
            });
        }
    });
}

/// Packets of a source, made from one frame by writing its address: a million frames are not described
/// one by one.
struct Template {
    bytes: Vec<u8>,
}

impl Template {
    fn new(frame: &Frame) -> Self {
        Self { bytes: frame.bytes() }
    }

    fn from(&mut self, source: u32) -> &[u8] {
        // Behind the Ethernet header and the 12 bytes before the source address (RFC 791).
        self.bytes[26..30].copy_from_slice(&source.to_be_bytes());
        &self.bytes
    }
}

fn udp() -> Template {
    Template::new(&Frame::v4(HOST).udp(b"x"))
}

/// Runs the program on one frame from both CPUs, then until the limit is used up for certain. Returns how
/// many passed.
fn hammer(plane: &Plane, frame: &[u8], times: u32) -> u64 {
    let before = plane.count_of(Reason::None).unwrap();
    on_two_cpus(|_| {
        plane.run(frame, times).unwrap();
    });
    // A CPU that loses a limit to the other eight times in a row gives in, so some room may be left.
    plane.run(frame, times).unwrap();
    plane.count_of(Reason::None).unwrap() - before
}

#[test]
fn a_limit_admits_its_burst_exactly_whichever_cpu_asks() {
    const BURST: u64 = 150_000;
    const TIMES: u32 = 200_000;
    let both = Frame::v4(HOST).tcp(flags::SYN).data("GET / HTTP/1.1\r\nHost: example.net\r\n\r\n");
    let bits = both.bytes().len() as u64 * 8;
    let units = rate(&format!("1k/h:{BURST}"));
    let of_bits = rate(&format!("1M/h:{}", BURST * bits));
    let off = Limits::default();
    let mut plane = Plane::load(SMALL).unwrap();
    let tick_ns = plane.tick_ns();
    for (host, limits, expected) in [
        (2, Limits { packets: Some(units), ..off }, admitted_at_once(units, false, 1, tick_ns)),
        (3, Limits { bits: Some(of_bits), ..off }, admitted_at_once(of_bits, true, bits, tick_ns)),
        (4, Limits { connections: Some(units), ..off }, admitted_at_once(units, false, 1, tick_ns)),
        (5, Limits { requests: Some(units), ..off }, admitted_at_once(units, false, 1, tick_ns)),
    ] {
        let mut template = Template::new(&both);
        let frame = template.from(HOST.to_bits() + host);
        plane.apply(&Policy::default()).unwrap();
        plane.run(frame, 2).unwrap();
        plane.apply(&Policy { default: limits, ..Policy::default() }).unwrap();
        assert_eq!(hammer(&plane, frame, TIMES), expected, "{limits:?}");
        let slot = tracked(&plane, HOST.to_bits() + host).unwrap().slot;
        // Its first packet was a newcomer's; its second was not charged.
        assert_eq!(
            (slot.packets(), slot.drops),
            (expected + 1, u64::from(TIMES) * 3 - expected),
            "{limits:?}"
        );
    }
}

#[test]
fn limits_asked_together_never_admit_more_than_each() {
    let both = Frame::v4(HOST).tcp(flags::SYN).data("GET / HTTP/1.1\r\nHost: example.net\r\n\r\n");
    let frame = both.bytes();
    let limits = Limits {
        packets: Some(rate("1k/h:90000")),
        bits: Some(rate("1M/h:80000000")),
        connections: Some(rate("1k/h:70000")),
        requests: Some(rate("1k/h:70000")),
    };
    let mut plane = Plane::load(SMALL).unwrap();
    plane.run(&frame, 2).unwrap();
    plane.apply(&Policy { default: limits, ..Policy::default() }).unwrap();
    let admitted = hammer(&plane, &frame, 100_000);
    // The look at all limits and the charge are not one step: a CPU may charge some of the limits and then
    // lose the last of another one. Such a packet is dropped, so fewer may be admitted, never more.
    assert!((69_900..=70_000).contains(&admitted), "{admitted}");
}

#[test]
fn a_site_admits_exactly_what_it_may_whichever_cpu_asks() {
    const TIMES: u32 = 100_000;
    let units = rate("1k/h:150000");
    let mut plane = Plane::load(SMALL).unwrap();
    let frames = [2, 3].map(|host| udp().from(HOST.to_bits() + host).to_vec());
    for frame in &frames {
        plane.run(frame, 2).unwrap();
    }
    let before = plane.count_of(Reason::None).unwrap();
    let default = Limits { packets: Some(units), ..Limits::default() };
    plane.apply(&Policy { default, sites: (1, 0), ..Policy::default() }).unwrap();
    on_two_cpus(|number| {
        plane.run(&frames[number], TIMES).unwrap();
    });
    // What a CPU that lost eight times in a row left over.
    plane.run(&frames[0], TIMES / 2).unwrap();
    let admitted = plane.count_of(Reason::None).unwrap() - before;
    assert_eq!(admitted, admitted_at_once(units, false, 1, plane.tick_ns()));
    let refused = (plane.count_of(Reason::SiteRate).unwrap(), plane.count_of(Reason::PacketRate).unwrap());
    assert_eq!(refused, (u64::from(TIMES) * 5 / 2 - admitted, 0), "neither client is over its own limit");
}

/// A site without a place for its budget is limited by its clients' limits only, and uses up nobody's budget.
#[test]
fn no_site_pays_for_another_when_there_are_too_many() {
    const SITES: u32 = 50_000;
    let site = |number: u32| 0x1000_0000 + number * 256;
    let mut plane = Plane::load(Capacities { clients: 1 << 18, doorkeeper: 1 << 20, ..SMALL }).unwrap();
    let default = Limits { packets: Some(rate("1/h:10")), ..Limits::default() };
    plane.apply(&Policy { default, sites: (1, 0), ..Policy::default() }).unwrap();
    let mut template = udp();
    // One packet a call: with more, the kernel waits for all CPUs before and after it.
    for number in 0..SITES {
        plane.run(template.from(site(number)), 1).unwrap();
        plane.run(template.from(site(number)), 1).unwrap();
    }
    let uncounted = plane.event(Event::SiteUncounted).unwrap();
    assert!(uncounted >= u64::from(SITES - table::SITES), "{uncounted}");
    assert_eq!(plane.count_of(Reason::SiteRate).unwrap(), 0);
    // The first one has a place, and uses it up.
    plane.run(template.from(site(0)), 9).unwrap();
    plane.run(template.from(site(0) + 1), 2).unwrap();
    assert_eq!(plane.count_of(Reason::SiteRate).unwrap(), 1);
    let without_place = (0..SITES).rev().map(site).find(|site| {
        let before = plane.event(Event::SiteUncounted).unwrap();
        plane.run(template.from(*site), 1).unwrap();
        plane.event(Event::SiteUncounted).unwrap() > before
    });
    let without_place = without_place.unwrap();
    for client in 0..3 {
        plane.run(template.from(without_place + client), 8).unwrap();
    }
    assert_eq!(plane.count_of(Reason::SiteRate).unwrap(), 1);
    assert_eq!(plane.count_of(Reason::PacketRate).unwrap(), 0);
}

#[test]
fn newcomers_share_their_rate_exactly_whichever_cpu_asks() {
    const EACH: u32 = 40_000;
    let mut plane = Plane::load(SMALL).unwrap();
    let newcomers = Some(rate("1/h:20000"));
    plane.apply(&Policy { newcomers, ..Policy::default() }).unwrap();
    on_two_cpus(|number| {
        let mut template = udp();
        for host in 0..EACH {
            plane.run(template.from(spoofed(host * 2 + number as u32)), 1).unwrap();
        }
    });
    let admitted = plane.event(Event::ClientAdmitted).unwrap();
    assert_eq!(plane.count_of(Reason::None).unwrap(), 20_000 + admitted);
    assert_eq!(plane.count_of(Reason::NewcomerRate).unwrap(), u64::from(EACH) * 2 - 20_000 - admitted);
}

/// Lets the other CPU go on when this one is done, even by a panic.
struct Released<'a>(&'a AtomicU32);

impl Drop for Released<'_> {
    fn drop(&mut self) {
        self.0.store(u32::MAX, Ordering::Release);
    }
}

#[test]
fn a_client_that_two_cpus_meet_at_once_is_admitted_once() {
    const CLIENTS: u32 = 20_000;
    /// After so many clients the CPUs wait for each other, so that they meet the next ones at the same time.
    const TOGETHER: u32 = 20;
    let plane = Plane::load(Capacities { clients: CLIENTS, ..SMALL }).unwrap();
    let reached = [AtomicU32::new(0), AtomicU32::new(0)];
    on_two_cpus(|number| {
        let _released = Released(&reached[number]);
        let mut template = udp();
        for client in 0..CLIENTS {
            if client % TOGETHER == 0 {
                reached[number].store(client, Ordering::Release);
                while reached[1 - number].load(Ordering::Acquire) < client {
                    thread::yield_now();
                }
            }
            for _ in 0..3 {
                plane.run(template.from(HOST.to_bits() + client), 1).unwrap();
            }
        }
    });
    // A CPU that found the other one busy with a client's buckets left it a newcomer, for its next packet.
    let mut template = udp();
    for client in 0..CLIENTS {
        plane.run(template.from(HOST.to_bits() + client), 1).unwrap();
    }
    let mut places: HashMap<IpAddr, u32> = HashMap::new();
    let note = |client: Client| *places.entry(client.address).or_default() += 1;
    plane.dataplane.clients().for_each(note).unwrap();
    assert!(places.values().all(|places| *places == 1), "a client is in the table twice");
    assert_eq!(places.len(), CLIENTS as usize);
    assert_eq!(plane.event(Event::ClientAdmitted).unwrap(), u64::from(CLIENTS));
    assert_eq!(plane.event(Event::TableFull).unwrap(), 0);
}

/// A CPU that looks a client up while the policy changes must not keep what it found under the policy after that.
#[test]
fn a_change_of_policy_holds_for_every_packet_after_it() {
    const CHANGES: u32 = 20_000;
    const DROP: u32 = 1;
    const PASS: u32 = 2;
    let mut plane = Plane::load(SMALL).unwrap();
    let mut template = udp();
    let frame = template.from(HOST.to_bits()).to_vec();
    let default = Limits { packets: Some(rate("1/h:1")), ..Limits::default() };
    let allows = vec![IpAddr::V4(HOST).into()];
    plane.apply(&Policy { default, allows, ..Policy::default() }).unwrap();
    plane.dataplane.publish_policy(0, 0);
    // Known, and at its limit.
    plane.run(&frame, 3).unwrap();
    let done = AtomicU32::new(0);
    on_two_cpus(|number| {
        if number == 1 {
            while done.load(Ordering::Acquire) == 0 {
                plane.run(&frame, 50).unwrap();
            }
            return;
        }
        let _released = Released(&done);
        for change in 0..CHANGES {
            let is_allowed = change % 2 == 0;
            plane.dataplane.publish_policy(if is_allowed { prefixes::ALLOWS } else { 0 }, 0);
            let action = plane.run(&frame, 1).unwrap();
            assert_eq!(action, if is_allowed { PASS } else { DROP }, "change {change}");
        }
    });
}

/// One of 2^28 sources of a flood, scattered over 224.0.0.0 and above, where no client of a test is.
const fn spoofed(number: u32) -> u32 {
    0xe000_0000 | (number.wrapping_mul(0x9e37_79b1) & 0x0fff_ffff)
}

fn tracked(plane: &Plane, address: u32) -> Option<Client> {
    plane.dataplane.clients().get(Ipv4Addr::from_bits(address).into()).unwrap()
}

#[test]
fn a_flood_of_a_million_spoofed_sources_leaves_known_clients_alone() {
    const KNOWN: u32 = 50;
    const EACH: u32 = 500_000;
    const BETWEEN: u32 = 10_000;
    let mut plane = Plane::load(Capacities { clients: 1 << 14, doorkeeper: 1 << 20, ..SMALL }).unwrap();
    let mut template = udp();
    for client in 0..KNOWN {
        plane.run(template.from(HOST.to_bits() + client), 2).unwrap();
    }
    let default = Limits { packets: Some(rate("1/h:200")), ..Limits::default() };
    plane.apply(&Policy { default, newcomers: Some(rate("1/h:1000")), ..Policy::default() }).unwrap();
    let before = plane.count_of(Reason::None).unwrap();
    on_two_cpus(|number| {
        let mut template = udp();
        for source in 0..EACH {
            plane.run(template.from(spoofed(source * 2 + number as u32)), 1).unwrap();
            if source % BETWEEN == 0 {
                plane.run(template.from(HOST.to_bits() + source / BETWEEN), 1).unwrap();
            }
        }
    });
    let known_packets = u64::from(EACH / BETWEEN) * 2;
    let clients: Vec<Client> =
        (0..KNOWN).map(|client| tracked(&plane, HOST.to_bits() + client).unwrap()).collect();
    let hour = 3_600_000_000_000;
    let now = plane.tick() * plane.tick_ns();
    for client in clients {
        // One packet at admission and one from each CPU in the flood, the latter two charged.
        assert_eq!((client.slot.packets(), client.slot.drops), (3, 0), "{client:?}");
        assert_eq!(client.slot.packets_tat, now + 2 * hour, "{client:?}");
    }
    let admitted = plane.event(Event::ClientAdmitted).unwrap() - u64::from(KNOWN);
    assert!(admitted < 1_000, "{admitted} of a million sources were admitted, that is 0.1 % and more");
    let passed = plane.count_of(Reason::None).unwrap() - before;
    assert_eq!(passed, known_packets + 1_000 + admitted);
    assert_eq!(plane.count_of(Reason::NewcomerRate).unwrap(), 1_000_000 - 1_000 - admitted);
}

#[test]
fn a_million_clients_fit_into_the_default_tables() {
    const EACH: u32 = 500_000;
    let plane = Plane::load(Capacities::default()).unwrap();
    let memory = plane.dataplane.memory();
    assert!(memory.total() > 0 && memory.total() <= 160 << 20, "{memory:?}");
    on_two_cpus(|number| {
        let mut template = udp();
        for client in 0..EACH {
            let frame = template.from(HOST.to_bits() + client * 2 + number as u32);
            plane.run(frame, 1).unwrap();
            plane.run(frame, 1).unwrap();
        }
    });
    let contended = plane.event(Event::AdmissionContended).unwrap();
    let full = plane.event(Event::TableFull).unwrap();
    // The doorkeeper's words and the buckets' locks are shared: a source that loses one to the other CPU is
    // a newcomer for one more packet.
    let mut template = udp();
    let mut missing: HashSet<u32> = (HOST.to_bits()..HOST.to_bits() + EACH * 2).collect();
    let found = |client: Client| {
        if let IpAddr::V4(address) = client.address {
            missing.remove(&address.to_bits());
        }
    };
    plane.dataplane.clients().for_each(found).unwrap();
    assert!(missing.len() < 100, "{} missing; {contended} contended, table full {full}", missing.len());
    for address in missing {
        plane.run(template.from(address), 1).unwrap();
        plane.run(template.from(address), 1).unwrap();
    }
    assert_eq!(plane.event(Event::TableFull).unwrap(), 0);
    assert_eq!(plane.dataplane.clients().count(), u64::from(EACH) * 2);
}
