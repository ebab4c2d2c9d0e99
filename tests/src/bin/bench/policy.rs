//! What many prefixes cost the clients that they do not touch.

use std::net::Ipv4Addr;

use anyhow::Result;
use ipnet::{IpNet, Ipv4Net};
use sensor_common::abi::{Reason, prefixes};

use crate::contest::{self, Action, Contestant, Effort};
use crate::frames::{self, Segment};
use crate::plane::{CLIENT, Limits, Plane};
use crate::report::{NS, Report, Target};
use crate::single::LOOPBACK;

const BLOCKS: usize = 100_000;
const ALLOWS: usize = 100_000;
const SCOPES: usize = 1_000;

/// Measures a known client with and without prefixes.
pub(crate) fn measure(report: &mut Report, effort: Effort) -> Result<()> {
    let frame = frames::tcp(CLIENT, Segment::Data);
    let bare = known(report, effort, &Plane::load(LOOPBACK, Limits::generous()?)?, "no prefixes")?;
    let mut plane = Plane::load(LOOPBACK, Limits::generous()?)?;
    fill(&mut plane)?;
    let flags = prefixes::SCOPES | prefixes::ALLOWS | prefixes::BLOCKS;
    plane.publish(flags);
    plane.admit(CLIENT, &frame)?;
    let filled = known(report, effort, &plane, "100k blocks, 100k allows, 1k scopes")?;
    let reference = ("known client allowed: data segment", bare);
    report.compare(
        "the same with 100k blocks, 100k allows, 1k scopes",
        (filled, NS),
        reference,
        Some(Target::AtMost(2.0)),
    );
    plane.publish(flags | prefixes::FINER_THAN_CLIENT);
    let finer = known(report, effort, &plane, "prefixes within clients")?;
    report.compare("the same, some prefix longer than a client's", (finer, NS), reference, None);
    Ok(())
}

fn known(report: &mut Report, effort: Effort, plane: &Plane, name: &str) -> Result<f64> {
    let frame = frames::tcp(CLIENT, Segment::Data);
    plane.admit(CLIENT, &frame)?;
    let sensor = Contestant::new(name, plane.contestant(), &frame, Action::Pass);
    let [cost] = plane.expecting((Reason::None, 1.0), contest::runs_of(effort), || {
        contest::measure(report, effort, [&sensor])
    })?;
    Ok(cost)
}

fn fill(plane: &mut Plane) -> Result<()> {
    let mut prefixes = Prefixes { state: 1 };
    for _ in 0..BLOCKS {
        plane.dataplane.tries.set_block(prefixes.next(), 0)?;
    }
    for _ in 0..ALLOWS {
        plane.dataplane.tries.set_allow(prefixes.next())?;
    }
    let limits = plane.dataplane.scopes.get(0)?;
    for index in 1..=u32::try_from(SCOPES)? {
        plane.dataplane.scopes.set(index, limits)?;
        plane.dataplane.tries.set_scope(prefixes.next(), index)?;
    }
    Ok(())
}

/// Prefixes of 16 to 32 bits all over the address space, none of which covers [`CLIENT`].
struct Prefixes {
    state: u64,
}

impl Prefixes {
    fn next(&mut self) -> IpNet {
        loop {
            self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let [a, b, c, d, length, ..] = self.state.to_be_bytes();
            let prefix = Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), 16 + length % 17).trunc();
            if !prefix.contains(&CLIENT) {
                return IpNet::V4(prefix);
            }
        }
    }
}
