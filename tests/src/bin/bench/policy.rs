//! The cost of many prefixes for clients that they do not cover.

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
const SCOPES: u32 = 1_000;

/// The program's settings for its tries, and the report's name for them.
const VARIANTS: [(&str, u32); 4] = [
    ("known client allowed, no prefixes", 0),
    ("known client allowed, 100k blocks, 100k allows, 1k scopes", FILLED),
    ("the same, some prefix longer than a client's", FILLED | prefixes::FINER_THAN_CLIENT),
    ("the same, some IPv6 prefix longer than a client's", FILLED | prefixes::FINER_THAN_CLIENT << 1),
];

const FILLED: u32 = prefixes::SCOPES | prefixes::ALLOWS | prefixes::BLOCKS;

/// Measures a known client with and without prefixes: the tries are always full, and the settings alternately mark them
/// as empty and not, so that everything else stays the same.
pub(crate) fn measure(report: &mut Report, effort: Effort) -> Result<()> {
    let frame = frames::tcp(CLIENT, Segment::Data);
    let mut plane = Plane::load(LOOPBACK, Limits::generous()?)?;
    fill(&mut plane)?;
    plane.admit(CLIENT, &frame)?;
    let slice = Effort { rounds: effort.rounds.div_ceil(SLICES), ..effort };
    let mut least = [f64::INFINITY; VARIANTS.len()];
    for _ in 0..SLICES {
        for ((name, flags), least) in VARIANTS.iter().zip(&mut least) {
            plane.publish(*flags);
            let sensor = Contestant::new(*name, plane.contestant(), &frame, Action::Pass);
            let runs = contest::runs_of(slice);
            let [cost] = plane
                .expecting(&[(Reason::None, runs, 1.0)], || contest::measure(report, slice, [&sensor]))?;
            *least = least.min(cost);
        }
    }
    let [(bare, _), (filled, _), (finer, _), (finer_v6, _)] = VARIANTS;
    let [bare_ns, filled_ns, finer_ns, finer_v6_ns] = least;
    report.compare(filled, (filled_ns, NS), (bare, bare_ns), Some(Target::AtMost(2.0)));
    report.compare(finer, (finer_ns, NS), (bare, bare_ns), None);
    report.compare(finer_v6, (finer_v6_ns, NS), (filled, filled_ns), Some(Target::AtMost(1.05)));
    Ok(())
}

/// How often the variants take turns.
const SLICES: u32 = 5;

fn fill(plane: &mut Plane) -> Result<()> {
    let mut prefixes = Prefixes { state: 1 };
    for _ in 0..BLOCKS {
        plane.dataplane.tries.set_block(prefixes.next(), 0)?;
    }
    for _ in 0..ALLOWS {
        plane.dataplane.tries.set_allow(prefixes.next())?;
    }
    let limits = plane.dataplane.scopes.get(0)?;
    for index in 1..=SCOPES {
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
