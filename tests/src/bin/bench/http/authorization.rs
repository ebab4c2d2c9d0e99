//! What it costs to know who may do what: the pipeline with the detectors of authorization, of schemas and with the
//! inventory of routes, and without; for a hundred thousand principals and a thousand templates.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Result, ensure};
use sensor::clock::Timestamp;
use sensor::detect::{self, Detectors, Learning, Response, Threat};
use sensor::event::{Event, Exchange};
use sensor::identity::Key;
use sensor::pipeline::{Config, Observer, Pipeline};
use sensor::posture;
use sensor_tests::process::resident;

use super::conversation::{Conversation, response};
use crate::clock::{CpuTime, Stopwatch};
use crate::contest::Effort;
use crate::plane::ratio;
use crate::report::{MIB, MS, NS, Report, Target};

/// Connections that take turns.
const CONNECTIONS: u32 = 64;
const PRINCIPALS: u32 = 100_000;
const TEMPLATES: u32 = 1_000;
/// Objects of each principal, under two templates.
const OBJECTS: u32 = 10;
/// Days of the measurement: it is learned for a week, judged afterwards, and owners come back to what is theirs.
const DAYS: u32 = 30;
const DAY: Duration = Duration::from_secs(86_400);
/// One in this many requests is for an object of somebody else.
const FOREIGN: u32 = 20;

/// Nanoseconds for an exchange and MiB at most.
const MOST: f64 = 300.0;
const BUDGET: f64 = 64.0;
/// Milliseconds for which the thread that reads HTTP may do nothing else.
const MOST_PAUSE: f64 = 5.0;

/// What is measured: who may do what, and what routes there are.
const THREATS: [Threat; 7] = [
    Threat::Bola,
    Threat::Bfla,
    Threat::Unauthenticated,
    Threat::MassAssignment,
    Threat::BusinessFlow,
    Threat::Enumeration,
    Threat::Schema,
];

struct Watch {
    seen: u64,
    detectors: Detectors,
    told: Timestamp,
}

impl Observer for Watch {
    fn exchange(&mut self, exchange: &Exchange<'_>) {
        self.seen += 1;
        let _signals = self.detectors.observe(&Event::Exchange(exchange)).len();
        if exchange.seen.since(self.told).as_secs() >= 1 {
            self.told = exchange.seen;
            let _signals = self.detectors.advance(self.told).len();
        }
    }
}

/// The best of some rounds, both in turn, and the growth of this process: of the whole pipeline, as it was empty. If other
/// parts were measured before, the allocator has memory of theirs, and the growth is too small.
pub(crate) fn measure(report: &mut Report, effort: Effort) -> Result<()> {
    let (rounds, count) = if effort.quick { (2_u32, 500_000_u32) } else { (7, 2_000_000) };
    let Run { seconds: mut with, grown, mut pause } = run(count, true)?;
    let mut without = run(count, false)?.seconds;
    for _ in 1..rounds {
        let again = run(count, true)?;
        with = with.min(again.seconds);
        pause = pause.max(again.pause);
        without = without.min(run(count, false)?.seconds);
    }
    let added = (with - without) / f64::from(count) * 1e9;
    let what = "added to an exchange by authorization, schema and posture";
    report.compare(what, (added, NS), ("target", MOST), Some(Target::AtMost(1.0)));
    let what = "memory for 100,000 principals and 1,000 templates";
    report.compare(what, (ratio(grown, 1 << 20), MIB), ("budget", BUDGET), Some(Target::AtMost(1.0)));
    let what = "the thread's longest pause to copy what was learned of them";
    report.compare(what, (pause, MS), ("target", MOST_PAUSE), Some(Target::AtMost(1.0)));
    Ok(())
}

struct Run {
    /// For all exchanges.
    seconds: f64,
    /// By how many bytes the process grew.
    grown: u64,
    /// Milliseconds for the longest piece of what a restart needs.
    pause: f64,
}

/// Copies what was learned, as the daemon does every five minutes: milliseconds of the longest piece.
fn longest_pause(pipeline: &mut Pipeline<Watch>) -> Result<f64> {
    let time = CpuTime::start()?;
    let segments = pipeline.routes().export().segments.len();
    let mut longest = millis(&time)?;
    ensure!(segments > 0, "no routes");
    let mut learning = Learning::default();
    loop {
        let time = CpuTime::start()?;
        let is_last = pipeline.observer_mut().detectors.learn(&mut learning);
        longest = longest.max(millis(&time)?);
        if is_last {
            break;
        }
    }
    let learned = learning.finish();
    ensure!(learned.contains_key("access"), "nothing was learned");
    Ok(longest)
}

fn millis(time: &CpuTime) -> Result<f64> {
    Ok(time.elapsed()?.as_secs_f64() * 1e3)
}

/// So many exchanges.
fn run(count: u32, is_on: bool) -> Result<Run> {
    let off = THREATS.into_iter().map(|threat| (threat, Response::Off));
    let responses = if is_on { BTreeMap::new() } else { off.collect() };
    let detectors = Detectors::new(&detect::Config { seed: Some(1), responses, ..detect::Config::default() });
    let watch = Watch { seen: 0, detectors, told: Timestamp::default() };
    let posture = posture::Config { enabled: is_on, ..posture::Config::default() };
    let patterns = (0..TEMPLATES).map(|number| format!("/api/t{number}/{{id}}")).collect();
    let mut config = Config { posture, ..Config::default() };
    config.routes.patterns = patterns;
    // Nobody says anything between two days.
    config.streams.idle_timeout = DAY * 2;
    let mut pipeline = Pipeline::new(&config, &Key::from_bytes([7; 32]), watch)?;
    let response = response(100);
    let mut conversations: Vec<Conversation> = (0..CONNECTIONS).map(Conversation::new).collect();
    for conversation in &mut conversations {
        conversation.open(|segment| {
            let _instruction = pipeline.segment(segment);
        });
    }
    let mut request = String::new();
    let before = resident(std::process::id())?;
    let stopwatch = Stopwatch::start();
    let rounds = count / CONNECTIONS;
    for round in 0..rounds {
        if round % (rounds / DAYS).max(1) == 0 {
            conversations.iter_mut().for_each(|conversation| conversation.pass(DAY));
        }
        for (conversation, number) in conversations.iter_mut().zip(0..) {
            write_request(&mut request, round * CONNECTIONS + number)?;
            conversation.exchange(request.as_bytes(), &response, |segment| {
                let _instruction = pipeline.segment(segment);
            });
        }
    }
    let seconds = stopwatch.elapsed().as_secs_f64();
    let grown = resident(std::process::id())?.saturating_sub(before);
    let watch = pipeline.observer();
    ensure!(watch.seen == u64::from(rounds * CONNECTIONS), "{} exchanges", watch.seen);
    if is_on {
        // Each principal's requests are some of its ten objects.
        let (entries, rows) = (watch.detectors.usage().entries, pipeline.inventory().len());
        ensure!(entries >= (PRINCIPALS.min(count / 5) * 2) as usize, "{entries} entries of detectors");
        ensure!(rows == TEMPLATES.min(count / 5) as usize, "{rows} rows of the inventory");
    }
    let pause = if is_on { longest_pause(&mut pipeline)? } else { 0.0 };
    Ok(Run { seconds, grown, pause })
}

/// A principal's request for one of its objects, or now and then somebody else's.
fn write_request(request: &mut String, number: u32) -> Result<()> {
    let mixed = number.wrapping_mul(2_654_435_761);
    let who = (mixed >> 8) % PRINCIPALS;
    let owner = if number.is_multiple_of(FOREIGN) { (who + mixed % 97) % PRINCIPALS } else { who };
    let object = number / 7 % OBJECTS;
    let template = (owner * 31 + object % 2 * 503) % TEMPLATES;
    let object = owner * OBJECTS + object;
    request.clear();
    write!(
        request,
        "GET /api/t{template}/{object} HTTP/1.1\r\nHost: shop.example.net\r\nUser-Agent: Mozilla/5.0 (X11; Linux \
         x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\nAccept: application/json\r\nX-Api-Key: k{who:08}a7c3\r\n\
         Connection: keep-alive\r\n\r\n"
    )?;
    Ok(())
}
