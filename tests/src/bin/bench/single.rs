//! What a packet of one client costs, beside xdp-filter.

use anyhow::Result;
use ipnet::{IpNet, Ipv4Net};
use sensor_common::abi::{Reason, prefixes};
use sensor_common::limit::{Period, Rate};

use crate::contest::{self, Action, Contestant, Effort};
use crate::frames::{self, Segment};
use crate::plane::{CLIENT, Limits, Plane};
use crate::report::{NS, Report, Target};
use crate::testplane::Testplane;
use crate::xdp_filter::XdpFilter;

/// Where the test runs' frames come from.
pub(crate) const LOOPBACK: &str = "lo";

/// A client that xdp-filter does not deny.
const STRANGER: std::net::Ipv4Addr = std::net::Ipv4Addr::new(192, 0, 2, 8);

/// Measures all rows about one client.
pub(crate) fn measure(report: &mut Report, effort: Effort, filter: Option<&XdpFilter>) -> Result<()> {
    let empty = Testplane::empty_pass()?;
    let empty_ns = alone(
        report,
        effort,
        &Contestant::new(
            "empty program",
            empty.program()?,
            &frames::tcp(CLIENT, Segment::Data),
            Action::Pass,
        ),
    )?;
    report.value("empty program", empty_ns, NS);
    let floor = ("empty program", empty_ns);
    blocked(report, effort, filter, floor)?;
    allowed(report, effort, filter, floor)?;
    over_limit(report, effort, filter, floor)
}

fn alone(report: &mut Report, effort: Effort, contestant: &Contestant<'_>) -> Result<f64> {
    let [least] = contest::measure(report, effort, [contestant])?;
    Ok(least)
}

fn blocked(
    report: &mut Report,
    effort: Effort,
    filter: Option<&XdpFilter>,
    floor: (&str, f64),
) -> Result<()> {
    let frame = frames::tcp(CLIENT, Segment::Data);
    let mut plane = Plane::load(LOOPBACK, Limits::generous()?)?;
    plane.dataplane.tries.set_block(IpNet::from(std::net::IpAddr::V4(CLIENT)), 0)?;
    plane.publish(prefixes::BLOCKS);
    plane.admit(CLIENT, &frame)?;
    dropped(
        report,
        effort,
        filter,
        floor,
        &plane,
        Dropped {
            what: "blocked client dropped",
            reason: Reason::Blocked,
            target: Some(Target::AtMost(0.9)),
        },
    )?;
    // One program at a time fits on an interface.
    drop(plane);
    let mut plane = Plane::load(LOOPBACK, Limits::generous()?)?;
    plane.dataplane.tries.set_block(IpNet::V4(Ipv4Net::new(CLIENT, 24)?.trunc()), 0)?;
    plane.publish(prefixes::BLOCKS);
    dropped(
        report,
        effort,
        filter,
        floor,
        &plane,
        Dropped { what: "source in a blocked /24 dropped", reason: Reason::Blocked, target: None },
    )
}

fn over_limit(
    report: &mut Report,
    effort: Effort,
    filter: Option<&XdpFilter>,
    floor: (&str, f64),
) -> Result<()> {
    let frame = frames::tcp(CLIENT, Segment::Data);
    let packets = Rate::new(1, Period::Hour, None)?;
    let plane = Plane::load(LOOPBACK, Limits { packets, ..Limits::generous()? })?;
    plane.admit(CLIENT, &frame)?;
    dropped(
        report,
        effort,
        filter,
        floor,
        &plane,
        Dropped {
            what: "client over its limit dropped",
            reason: Reason::PacketRate,
            target: Some(Target::AtMost(1.3)),
        },
    )
}

/// A row about a packet that is dropped.
struct Dropped {
    what: &'static str,
    reason: Reason,
    target: Option<Target>,
}

fn dropped(
    report: &mut Report,
    effort: Effort,
    filter: Option<&XdpFilter>,
    floor: (&str, f64),
    plane: &Plane,
    row: Dropped,
) -> Result<()> {
    let frame = frames::tcp(CLIENT, Segment::Data);
    // The first frames may still be a newcomer's or within a burst.
    plane.contestant().run(&frame, 4)?;
    let sensor = Contestant::new(row.what, plane.contestant(), &frame, Action::Drop);
    let runs = contest::runs_of(effort);
    let Some(filter) = filter else {
        let [cost] =
            plane.expecting(&[(row.reason, runs, 1.0)], || contest::measure(report, effort, [&sensor]))?;
        report.compare(row.what, (cost, NS), floor, None);
        return Ok(());
    };
    let deny = Contestant::new("xdp-filter -f ipv4, deny", filter.ipv4, &frame, Action::Drop);
    let [cost, reference] =
        plane.expecting(&[(row.reason, runs, 1.0)], || contest::measure(report, effort, [&sensor, &deny]))?;
    report.compare(row.what, (cost, NS), (&deny.name, reference), row.target);
    Ok(())
}

/// Frames of a known client, by what limits they are put to besides packets and bits.
const KINDS: [(&str, Segment); 3] = [
    ("known client allowed: data segment", Segment::Data),
    ("known client allowed: HTTP request", Segment::Request),
    ("known client allowed: new connection", Segment::Open),
];

fn allowed(
    report: &mut Report,
    effort: Effort,
    filter: Option<&XdpFilter>,
    floor: (&str, f64),
) -> Result<()> {
    let plane = Plane::load(LOOPBACK, Limits::generous()?)?;
    plane.admit(CLIENT, &frames::tcp(CLIENT, Segment::Data))?;
    for (what, segment) in KINDS {
        let frame = frames::tcp(CLIENT, segment);
        let sensor = Contestant::new(what, plane.contestant(), &frame, Action::Pass);
        let runs = contest::runs_of(effort);
        let Some(filter) = filter else {
            let [cost] = plane
                .expecting(&[(Reason::None, runs, 1.0)], || contest::measure(report, effort, [&sensor]))?;
            report.compare(what, (cost, NS), floor, None);
            continue;
        };
        let other = frames::tcp(STRANGER, segment);
        let pass = Contestant::new("xdp-filter -f ipv4, pass", filter.ipv4, &other, Action::Pass);
        let pass_all = Contestant::new("xdp-filter -f all, pass", filter.all, &other, Action::Pass);
        let [cost, ipv4, all] = plane.expecting(&[(Reason::None, runs, 1.0)], || {
            contest::measure(report, effort, [&sensor, &pass, &pass_all])
        })?;
        report.compare(what, (cost, NS), (&pass.name, ipv4), Some(Target::AtMost(1.3)));
        report.compare(what, (cost, NS), (&pass_all.name, all), Some(Target::Below(1.0)));
    }
    of_limited_site(report, effort, &plane)
}

/// The first of these kinds again, without and with a limit on the client's site.
fn of_limited_site(report: &mut Report, effort: Effort, plane: &Plane) -> Result<()> {
    let frame = frames::tcp(CLIENT, Segment::Data);
    let mut measured = |what| {
        let sensor = Contestant::new(what, plane.contestant(), &frame, Action::Pass);
        let runs = contest::runs_of(effort);
        plane.expecting(&[(Reason::None, runs, 1.0)], || alone(report, effort, &sensor))
    };
    let (without, with) = ("known client, sites not limited", "known client, its site limited, too");
    let without_ns = measured(without)?;
    plane.limit_sites(256)?;
    let with_ns = measured(with)?;
    report.compare(with, (with_ns, NS), (without, without_ns), None);
    Ok(())
}
