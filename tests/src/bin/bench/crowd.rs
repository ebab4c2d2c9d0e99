//! What a packet costs when each comes from another source.

use std::net::Ipv4Addr;

use anyhow::{Result, ensure};
use sensor_common::abi::Reason;

use crate::contest::{self, Action, Contestant, Effort};
use crate::frames::{self, Segment};
use crate::plane::{Limits, Plane, ratio};
use crate::report::{CLIENTS, MIB, NS, Report, Target};
use crate::single::LOOPBACK;
use crate::testplane::{Order, Sources, Testplane};

const KNOWN: u32 = 1_000_000;
const SPOOFED: u32 = 1 << 24;
const FEW: u32 = 50;

const FIRST_KNOWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 0);
const FIRST_SPOOFED: Ipv4Addr = Ipv4Addr::new(100, 0, 0, 0);

/// Mebibytes of kernel memory for a million clients.
const MEMORY: f64 = 160.0;

/// Measures random known clients, then spoofed sources.
pub(crate) fn measure(report: &mut Report, effort: Effort) -> Result<()> {
    known(report, effort)?;
    spoofed(report, effort)
}

fn known(report: &mut Report, effort: Effort) -> Result<()> {
    let plane = Plane::load(LOOPBACK, Limits::generous()?)?;
    populate(&plane, KNOWN)?;
    let crowd = Crowd {
        what: "1,000,000 random known clients",
        sources: Sources { first: FIRST_KNOWN, count: KNOWN, order: Order::Random },
        expected: (Reason::None, 0.999),
        target: Some(Target::AtMost(4.0)),
    };
    compare(report, effort, &plane, &crowd)?;
    let tracked = ratio(plane.dataplane.clients().count(), 1);
    let sent = ("sources that sent", f64::from(KNOWN));
    report.compare("clients tracked", (tracked, CLIENTS), sent, Some(Target::AtLeast(1.0)));
    let memory = ratio(plane.dataplane.memory().total(), 1 << 20);
    let budget = ("budget", MEMORY);
    report.compare("memory of all maps", (memory, MIB), budget, Some(Target::AtMost(1.0)));
    Ok(())
}

fn spoofed(report: &mut Report, effort: Effort) -> Result<()> {
    let plane = Plane::load(LOOPBACK, Limits::generous()?)?;
    populate(&plane, FEW)?;
    let sources = Sources { first: FIRST_SPOOFED, count: SPOOFED, order: Order::Scattered };
    // What remains are the newcomers that their shared rate admits, which the pauses of the turns raise.
    let in_turn = Crowd {
        what: "16,777,216 spoofed sources, each in its turn",
        sources,
        expected: (Reason::NewcomerRate, 0.9),
        target: Some(Target::AtMost(2.0)),
    };
    compare(report, effort, &plane, &in_turn)?;
    // One in sixteen of these is remembered by the doorkeeper, and admitted while the table has room.
    let at_random = Crowd {
        what: "16,777,216 spoofed sources, at random",
        sources: Sources { order: Order::Random, ..sources },
        expected: (Reason::NewcomerRate, 0.5),
        target: None,
    };
    compare(report, effort, &plane, &at_random)
}

/// Lets each of `count` clients send twice.
fn populate(plane: &Plane, count: u32) -> Result<()> {
    let sources = Sources { first: FIRST_KNOWN, count, order: Order::Pairs };
    let wrapper = Testplane::varied_source(sources, &plane.program)?;
    wrapper.program()?.run(&frames::tcp(FIRST_KNOWN, Segment::Data), count * 2)?;
    let tracked = plane.dataplane.clients().count();
    ensure!(tracked >= u64::from(count / 100 * 99), "only {tracked} of {count} clients were admitted");
    Ok(())
}

/// Packets of many sources.
struct Crowd {
    what: &'static str,
    sources: Sources,
    expected: (Reason, f64),
    target: Option<Target>,
}

/// The cost of a crowd's packet beside one client's.
///
/// A frame that is run repeatedly keeps its source, so the crowd's goes through a program that changes it and
/// calls the sensor's. What that program costs is seen on one client, with and without it, and taken off.
fn compare(report: &mut Report, effort: Effort, plane: &Plane, crowd: &Crowd) -> Result<()> {
    let frame = frames::tcp(FIRST_KNOWN, Segment::Data);
    let same = Sources { first: FIRST_KNOWN, count: 1, order: crowd.sources.order };
    let same = Testplane::varied_source(same, &plane.program)?;
    let varied = Testplane::varied_source(crowd.sources, &plane.program)?;
    // Uses up the burst that newcomers share, which a flood has behind it after a moment.
    varied.program()?.run(&frame, 1_000_000)?;
    let name = |part: &str| format!("{}: {part}", crowd.what);
    let direct = Contestant::new(name("one client"), plane.contestant(), &frame, Action::Pass);
    let wrapped = Contestant::new(name("one client, wrapped"), same.program()?, &frame, Action::Pass);
    let crowded = Contestant::new(name("all, wrapped"), varied.program()?, &frame, None);
    let runs = contest::runs_of(effort);
    let (reason, least) = crowd.expected;
    let expected: &[_] = if reason == Reason::None {
        &[(reason, runs * 3, least)]
    } else {
        &[(Reason::None, runs * 2, 1.0), (reason, runs, least)]
    };
    let [direct, wrapped, crowded] =
        plane.expecting(expected, || contest::measure(report, effort, [&direct, &wrapped, &crowded]))?;
    let cost = crowded - (wrapped - direct);
    report.compare(crowd.what, (cost, NS), ("one client, same table", direct), crowd.target);
    Ok(())
}
