//! A flood of live frames over veth: into the sensor, into nftables, and into a program that only drops.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Result, ensure};
use aya::programs::{TestRun as _, TestRunAttrs, TestRunOptions, XdpMode};
use sensor_common::abi::Reason;
use sensor_common::limit::{Period, Rate};

use crate::clock::Stopwatch;
use crate::contest::Effort;
use crate::frames::{self, Segment};
use crate::link::{self, Pair};
use crate::nftables::{self, NftLimit};
use crate::plane::{Limits, Plane, ratio};
use crate::report::{MPPS, NS, Report, Target};
use crate::testplane::{Order, Sources, Testplane};

const FIRST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 0);

/// Frames that the kernel hands on together; its default.
const BATCH: u32 = 64;

/// Share of the frames that must arrive and be dropped for a round to count.
const NEARLY_ALL: f64 = 0.95;

/// One flood, and the limit that it is over.
struct Flood {
    name: &'static str,
    sources: u32,
    sensor: (u64, Period, u64),
    nftables: NftLimit,
    dropped_target: f64,
}

/// Many sources need a limit that the share of the slower contestant still exceeds: 65,536 sources at
/// 1,000 a second would be a permitted 65 million packets a second.
const FLOODS: [Flood; 2] = [
    Flood {
        name: "1 source over 1000/s",
        sources: 1,
        sensor: (1_000, Period::Second, 1_000),
        nftables: NftLimit { rate: "1000/second", burst: 1_000 },
        dropped_target: 2.3,
    },
    Flood {
        name: "65,536 sources over 1/min",
        sources: 65_536,
        sensor: (1, Period::Minute, 5),
        nftables: NftLimit { rate: "1/minute", burst: 5 },
        dropped_target: 3.0,
    },
];

/// How much less time a packet shall take, without the generator's.
const TIME_TARGET: f64 = 4.0;

/// Measures both floods.
pub(crate) fn measure(report: &mut Report, effort: Effort) -> Result<()> {
    if !nftables::is_installed() {
        report.note(
            "nft or ethtool IS NOT INSTALLED (apt install nftables ethtool): the sensor alone is measured",
        );
    }
    let lanes = Lanes::create()?;
    for flood in &FLOODS {
        let results = lanes.measure(flood, effort)?;
        lanes.report(report, flood, &results);
    }
    Ok(())
}

/// The three ways that frames can go.
struct Lanes {
    floor: Pair,
    sensor: Pair,
    nftables: Option<Pair>,
    /// Keeps the program of `floor` attached.
    _floor_program: Testplane,
}

/// The best round of each.
struct Results {
    floor: Round,
    sensor: Round,
    nftables: Option<Round>,
}

impl Lanes {
    fn create() -> Result<Self> {
        let floor = Pair::create("floor")?;
        let mut program = Testplane::empty_drop()?;
        program.xdp_mut()?.attach(&floor.peer, XdpMode::Driver)?;
        let nftables = if nftables::is_installed() { Some(Pair::create("nft")?) } else { None };
        Ok(Self { floor, sensor: Pair::create("sensor")?, nftables, _floor_program: program })
    }

    fn measure(&self, flood: &Flood, effort: Effort) -> Result<Results> {
        let (count, period, burst) = flood.sensor;
        let packets = Rate::new(count, period, Some(burst))?;
        let plane = Plane::load(&self.sensor.peer, Limits { packets, all_dimensions: false })?;
        if let Some(pair) = &self.nftables {
            nftables::limit(pair, flood.nftables)?;
        }
        let floor = Generator::load(&self.floor, flood)?;
        let sensor = Generator::load(&self.sensor, flood)?;
        let other = self.nftables.as_ref().map(|pair| Generator::load(pair, flood)).transpose()?;
        let mut rounds = (Vec::new(), Vec::new(), Vec::new());
        // The first round admits the sources and uses up their bursts; it does not count.
        for round in 0..=effort.floods {
            let floor = floor.send(effort.frames, || Ok(0))?;
            let sensor = sensor.send(effort.frames, || passed(&plane))?;
            let other = other
                .as_ref()
                .map(|generator| generator.send(effort.frames, link::packets_in_stack))
                .transpose()?;
            if round > 0 {
                rounds.0.push(floor);
                rounds.1.push(sensor);
                rounds.2.extend(other);
            }
        }
        if self.nftables.is_some() {
            nftables::remove()?;
        }
        let best = |rounds: Vec<Round>| rounds.into_iter().min_by_key(|round| round.time);
        let (Some(floor), Some(sensor)) = (best(rounds.0), best(rounds.1)) else {
            anyhow::bail!("no round was measured");
        };
        let results = Results { floor, sensor, nftables: best(rounds.2) };
        results.check()?;
        Ok(results)
    }

    #[expect(clippy::unused_self, reason = "reads with `measure`")]
    fn report(&self, report: &mut Report, flood: &Flood, results: &Results) {
        let what = |part: &str| format!("flood, {}: {part}", flood.name);
        let floor = results.floor.ns_per_frame();
        report.value(&what("generator and XDP_DROP"), floor, NS);
        let (sensor, sensor_pps) = (results.sensor.ns_per_frame(), results.sensor.dropped_mpps());
        let Some(nftables) = &results.nftables else {
            report.value(&what("the sensor"), sensor, NS);
            report.value(&what("dropped"), sensor_pps, MPPS);
            return;
        };
        let (other, other_pps) = (nftables.ns_per_frame(), nftables.dropped_mpps());
        report.compare(&what("a frame"), (sensor, NS), ("nftables", other), None);
        report.compare(
            &what("dropped"),
            (sensor_pps, MPPS),
            ("nftables", other_pps),
            Some(Target::AtLeast(flood.dropped_target)),
        );
        report.compare(
            &what("without the generator"),
            (sensor - floor, NS),
            ("nftables", other - floor),
            Some(Target::AtMost(1.0 / TIME_TARGET)),
        );
    }
}

/// Frames that the sensor let through.
fn passed(plane: &Plane) -> Result<u64> {
    let counted = plane.counted()?;
    Ok([Reason::None, Reason::Allowed, Reason::NotIp, Reason::Unparsed]
        .iter()
        .filter_map(|reason| counted.get(reason))
        .sum())
}

/// Sends a flood into a pair.
struct Generator<'a> {
    pair: &'a Pair,
    program: Testplane,
    frame: Vec<u8>,
}

/// One round of a flood.
struct Round {
    time: Duration,
    sent: u64,
    received: u64,
    passed: u64,
}

impl<'a> Generator<'a> {
    fn load(pair: &'a Pair, flood: &Flood) -> Result<Self> {
        let sources = Sources { first: FIRST, count: flood.sources, order: Order::Scattered };
        let program = Testplane::generate(sources, pair.out)?;
        Ok(Self { pair, program, frame: frames::tcp(FIRST, Segment::Data) })
    }

    /// Sends frames and takes the time until the last has been dealt with. The receiving end's soft
    /// interrupt runs on this CPU, between the batches: this is the time of both ends together.
    fn send(&self, frames: u32, passed: impl Fn() -> Result<u64>) -> Result<Round> {
        let (received_before, passed_before) = (self.pair.received()?, passed()?);
        let stopwatch = Stopwatch::start();
        self.program.xdp()?.test_run(TestRunOptions {
            data_in: Some(&self.frame),
            repeat: frames,
            attrs: TestRunAttrs::new().xdp_live_frames(BATCH),
            ..TestRunOptions::default()
        })?;
        let time = stopwatch.elapsed();
        let received = self.pair.received()?.saturating_sub(received_before);
        let passed = passed()?.saturating_sub(passed_before);
        Ok(Round { time, sent: u64::from(frames), received, passed })
    }
}

impl Round {
    /// Time for each frame that arrived.
    fn ns_per_frame(&self) -> f64 {
        self.time.as_secs_f64() * 1e9 / ratio(self.received, 1)
    }

    /// Millions of frames dropped in a second.
    fn dropped_mpps(&self) -> f64 {
        ratio(self.dropped(), 1_000_000) / self.time.as_secs_f64()
    }

    fn dropped(&self) -> u64 {
        self.received.saturating_sub(self.passed)
    }
}

impl Results {
    /// A round in which frames were lost on the way, or let through, is no measurement of dropping.
    fn check(&self) -> Result<()> {
        let all = [("XDP_DROP", Some(&self.floor)), ("the sensor", Some(&self.sensor))];
        for (name, round) in all.into_iter().chain([("nftables", self.nftables.as_ref())]) {
            let Some(round) = round else { continue };
            let Round { sent, received, passed, .. } = round;
            ensure!(
                ratio(round.dropped(), *sent) >= NEARLY_ALL,
                "of {sent} frames sent to {name}, {received} arrived and {passed} were let through"
            );
        }
        Ok(())
    }
}
