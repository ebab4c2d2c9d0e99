//! What a packet costs when each comes from another source.

use std::net::Ipv4Addr;

use anyhow::{Result, ensure};
use sensor_common::abi::Reason;

use crate::contest::{self, Action, Contestant, Effort};
use crate::frames::{self, Segment};
use crate::plane::{CLIENT, Limits, Plane, ratio};
use crate::report::{CLIENTS, MIB, NS, Report, Target};
use crate::single::LOOPBACK;
use crate::testplane::{Order, Sources, Testplane};

const KNOWN: u32 = 1_000_000;
const SPOOFED: u32 = 1 << 24;
const FEW: u32 = 50;

const FIRST_KNOWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 0);
const FIRST_SPOOFED: Ipv4Addr = Ipv4Addr::new(100, 0, 0, 0);

/// Bytes of kernel memory for a million clients.
const MEMORY: f64 = 160.0;

/// Measures random known clients, then spoofed sources.
pub(crate) fn measure(report: &mut Report, effort: Effort) -> Result<()> {
    known(report, effort)?;
    spoofed(report, effort)
}

fn known(report: &mut Report, effort: Effort) -> Result<()> {
    let plane = Plane::load(LOOPBACK, Limits::generous()?)?;
    populate(&plane, KNOWN)?;
    let one = one_client(report, effort, &plane, FIRST_KNOWN)?;
    let sources = Sources { first: FIRST_KNOWN, count: KNOWN, order: Order::Random };
    let cost = crowd(
        report,
        effort,
        &plane,
        Crowd {
            name: "a million known clients",
            sources,
            expected: (Reason::None, 0.999),
            wrapper: one.wrapper,
        },
    )?;
    let reference = ("one client, in the same table", one.direct);
    report.compare("1,000,000 random known clients", (cost, NS), reference, Some(Target::AtMost(4.0)));
    let tracked = plane.dataplane.clients().count();
    let memory = ratio(plane.dataplane.memory().total(), 1 << 20);
    let target = Some(Target::AtLeast(1.0));
    report.compare(
        "clients tracked",
        (ratio(tracked, 1), CLIENTS),
        ("sources that sent", f64::from(KNOWN)),
        target,
    );
    report.compare("memory of all maps", (memory, MIB), ("budget", MEMORY), Some(Target::AtMost(1.0)));
    Ok(())
}

fn spoofed(report: &mut Report, effort: Effort) -> Result<()> {
    let plane = Plane::load(LOOPBACK, Limits::generous()?)?;
    populate(&plane, FEW)?;
    let one = one_client(report, effort, &plane, FIRST_KNOWN)?;
    let reference = ("one known client", one.direct);
    let target = Some(Target::AtMost(2.0));
    let all = Sources { first: FIRST_SPOOFED, count: SPOOFED, order: Order::Scattered };
    let once = crowd(
        report,
        effort,
        &plane,
        Crowd {
            name: "16 million sources, each in its turn",
            sources: all,
            expected: (Reason::NewcomerRate, 0.95),
            wrapper: one.wrapper,
        },
    )?;
    report.compare("16,777,216 spoofed sources, each in its turn", (once, NS), reference, target);
    let random = crowd(
        report,
        effort,
        &plane,
        Crowd {
            name: "16 million sources, at random",
            sources: Sources { order: Order::Random, ..all },
            expected: (Reason::NewcomerRate, 0.5),
            wrapper: one.wrapper,
        },
    )?;
    report.compare("16,777,216 spoofed sources, at random", (random, NS), reference, None);
    Ok(())
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

/// The cost of one client's packets, and what the program adds that varies sources.
struct OneClient {
    direct: f64,
    wrapper: f64,
}

fn one_client(report: &mut Report, effort: Effort, plane: &Plane, client: Ipv4Addr) -> Result<OneClient> {
    let frame = frames::tcp(client, Segment::Data);
    let sources = Sources { first: client, count: 1, order: Order::Random };
    let wrapper = Testplane::varied_source(sources, &plane.program)?;
    let direct = Contestant::new("one client", plane.contestant(), &frame, Action::Pass);
    let wrapped =
        Contestant::new("one client, through the wrapper", wrapper.program()?, &frame, Action::Pass);
    let runs = contest::runs_of(effort) * 2;
    let [direct, wrapped] = plane
        .expecting((Reason::None, 1.0), runs, || contest::measure(report, effort, [&direct, &wrapped]))?;
    Ok(OneClient { direct, wrapper: wrapped - direct })
}

/// Packets of many sources.
struct Crowd {
    name: &'static str,
    sources: Sources,
    expected: (Reason, f64),
    wrapper: f64,
}

/// The cost of a packet without what the wrapper adds.
fn crowd(report: &mut Report, effort: Effort, plane: &Plane, crowd: Crowd) -> Result<f64> {
    let frame = frames::tcp(CLIENT, Segment::Data);
    let wrapper = Testplane::varied_source(crowd.sources, &plane.program)?;
    // Uses up the burst that newcomers share, which a flood has behind it after a moment.
    wrapper.program()?.run(&frame, effort.runs)?;
    let contestant = Contestant::new(crowd.name, wrapper.program()?, &frame, None);
    let [wrapped] = plane.expecting(crowd.expected, contest::runs_of(effort), || {
        contest::measure(report, effort, [&contestant])
    })?;
    Ok(wrapped - crowd.wrapper)
}
