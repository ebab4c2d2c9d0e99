//! What it costs to know who may do what: the pipeline with the detectors of authorization, of schemas and with the
//! inventory of routes, and without; for a hundred thousand principals and a thousand templates.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use anyhow::{Result, ensure};
use sensor::clock::Timestamp;
use sensor::detect::{self, Detectors, Response, Threat};
use sensor::event::{Event, Exchange};
use sensor::identity::Key;
use sensor::pipeline::{Config, Observer, Pipeline};
use sensor::posture;
use sensor_tests::process::resident;

use super::conversation::{Conversation, response};
use crate::clock::Stopwatch;
use crate::contest::Effort;
use crate::plane::ratio;
use crate::report::{MIB, NS, Report, Target};

/// Connections that take turns.
const CONNECTIONS: u32 = 64;
const PRINCIPALS: u32 = 100_000;
const TEMPLATES: u32 = 1_000;
/// Orders of each principal under each template that it uses.
const OBJECTS: u32 = 10;
/// Exchanges before the first that is measured.
const KNOWN: u32 = 2_000_000;
/// One in this many requests is for an object of somebody else.
const FOREIGN: u32 = 20;

/// Nanoseconds and MiB at most.
const MOST: f64 = 300.0;
const BUDGET: f64 = 64.0;

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

/// The best of some rounds, both in turn, and the growth of this process.
pub(crate) fn measure(report: &mut Report, effort: Effort) -> Result<()> {
    let (rounds, count) = if effort.quick { (2_u32, 500_000_u32) } else { (7, 2_000_000) };
    let (mut without, mut with, mut grown) = (f64::MAX, f64::MAX, 0);
    for round in 0..rounds {
        without = without.min(run(count, false)?.0);
        let (seconds, more) = run(count, true)?;
        with = with.min(seconds);
        // Later rounds take memory that the allocator has kept.
        grown = if round == 0 { more } else { grown };
    }
    let added = (with - without) / f64::from(count) * 1e9;
    let what = "added to an exchange by authorization, schema and posture";
    report.compare(what, (added, NS), ("target", MOST), Some(Target::AtMost(1.0)));
    let what = "memory for 100,000 principals and 1,000 templates";
    report.compare(what, (ratio(grown, 1 << 20), MIB), ("budget", BUDGET), Some(Target::AtMost(1.0)));
    Ok(())
}

/// Seconds for so many exchanges, and by how much the process grew. Before, each principal was there with most of its
/// objects: what is measured is a day's work, not its first minute.
fn run(count: u32, is_on: bool) -> Result<(f64, u64)> {
    let off = THREATS.into_iter().map(|threat| (threat, Response::Off));
    let responses = if is_on { BTreeMap::new() } else { off.collect() };
    let detectors = Detectors::new(&detect::Config { seed: Some(1), responses, ..detect::Config::default() });
    let watch = Watch { seen: 0, detectors, told: Timestamp::default() };
    let posture = posture::Config { enabled: is_on, ..posture::Config::default() };
    let patterns = (0..TEMPLATES).map(|number| format!("/api/t{number}/{{id}}")).collect();
    let mut config = Config { posture, ..Config::default() };
    config.routes.patterns = patterns;
    config.routes.max_templates = 16_384;
    let mut pipeline = Pipeline::new(&config, &Key::from_bytes([7; 32]), watch)?;
    let response = response(100);
    let mut conversations: Vec<Conversation> = (0..CONNECTIONS).map(Conversation::new).collect();
    for conversation in &mut conversations {
        conversation.open(|segment| {
            let _instruction = pipeline.segment(segment);
        });
    }
    let mut request = String::new();
    let mut play = |rounds: Range<u32>| -> Result<f64> {
        let stopwatch = Stopwatch::start();
        for round in rounds {
            for (conversation, number) in conversations.iter_mut().zip(0..) {
                write_request(&mut request, round * CONNECTIONS + number)?;
                conversation.exchange(request.as_bytes(), &response, |segment| {
                    let _instruction = pipeline.segment(segment);
                });
            }
        }
        Ok(stopwatch.elapsed().as_secs_f64())
    };
    let before = resident(std::process::id())?;
    let (known, all) = (KNOWN / CONNECTIONS, (KNOWN + count) / CONNECTIONS);
    play(0..known)?;
    let seconds = play(known..all)?;
    let grown = resident(std::process::id())?.saturating_sub(before);
    let seen = pipeline.observer().seen;
    ensure!(seen == u64::from(all * CONNECTIONS), "{seen} exchanges");
    Ok((seconds, grown))
}

/// A principal's request for one of its objects, or now and then somebody else's.
fn write_request(request: &mut String, number: u32) -> Result<()> {
    let mixed = number.wrapping_mul(2_654_435_761);
    let who = (mixed >> 8) % PRINCIPALS;
    let owner = if number.is_multiple_of(FOREIGN) { (who + mixed % 97) % PRINCIPALS } else { who };
    let template = owner.wrapping_mul(31) % TEMPLATES;
    let object = owner * OBJECTS + number % OBJECTS;
    request.clear();
    write!(
        request,
        "GET /api/t{template}/{object} HTTP/1.1\r\nHost: shop.example.net\r\nUser-Agent: Mozilla/5.0 (X11; Linux \
         x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\nAccept: application/json\r\nX-Api-Key: k{who:08}a7c3\r\n\
         Connection: keep-alive\r\n\r\n"
    )?;
    Ok(())
}
