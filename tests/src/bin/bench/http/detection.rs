//! What the detectors cost: the pipeline with all of them, and without.

use anyhow::{Result, ensure};
use sensor::clock::Timestamp;
use sensor::detect::{self, Detectors};
use sensor::event::{Event, Exchange};
use sensor::identity::Key;
use sensor::pipeline::{Config, Observer, Pipeline};

use super::conversation::{Conversation, REQUEST, response};
use super::pipeline::Count;
use crate::clock::Stopwatch;
use crate::contest::Effort;
use crate::report::{PER_SECOND, Report, Target};

/// Connections that take turns.
const CONNECTIONS: u32 = 64;
/// One in so many requests is an attempt to log in.
const LOGINS: u32 = 20;
/// What must remain of the speed.
const TARGET: f64 = 0.6;

/// Runs all detectors, and lets them know the time once a second.
struct Watch {
    count: Count,
    detectors: Detectors,
    told: Timestamp,
    signals: u64,
}

impl Observer for Watch {
    fn exchange(&mut self, exchange: &Exchange<'_>) {
        self.count.exchange(exchange);
        self.signals += self.detectors.observe(&Event::Exchange(exchange)).len() as u64;
        if exchange.seen.since(self.told).as_secs() >= 1 {
            self.told = exchange.seen;
            self.signals += self.detectors.advance(self.told).len() as u64;
        }
    }
}

/// The best of some rounds, both in turn.
pub(crate) fn measure(report: &mut Report, effort: Effort) -> Result<()> {
    let (rounds, count) = if effort.quick { (2_u32, 200_000_u32) } else { (7, 2_000_000) };
    let (mut without, mut with, mut signals) = (f64::MAX, f64::MAX, 0);
    for _ in 0..rounds {
        let (seconds, pipeline) = run(count, Count::default())?;
        let counted = pipeline.observer().0;
        ensure!(counted == u64::from(count / CONNECTIONS * CONNECTIONS), "{counted} exchanges");
        without = without.min(seconds);
        let detectors = Detectors::new(&detect::Config::default());
        let watch = Watch { count: Count::default(), detectors, told: Timestamp::default(), signals: 0 };
        let (seconds, pipeline) = run(count, watch)?;
        ensure!(pipeline.observer().count.0 == counted, "{} exchanges", pipeline.observer().count.0);
        signals = pipeline.observer().signals;
        with = with.min(seconds);
    }
    let per_second = |seconds: f64| f64::from(count) / seconds;
    report.compare(
        "the same with all detectors, one in 20 a login",
        (per_second(with), PER_SECOND),
        ("without them", per_second(without)),
        Some(Target::AtLeast(TARGET)),
    );
    report.note(format!("{signals} signals in {count} exchanges of the detectors' row"));
    Ok(())
}

/// How long so many exchanges take, and the pipeline.
fn run<O: Observer>(count: u32, observer: O) -> Result<(f64, Pipeline<O>)> {
    let mut pipeline = Pipeline::new(&Config::default(), &Key::from_bytes([7; 32]), observer)?;
    let (response, logins) = (response(100), logins());
    let mut conversations: Vec<Conversation> = (0..CONNECTIONS).map(Conversation::new).collect();
    for conversation in &mut conversations {
        conversation.open(|segment| {
            let _instruction = pipeline.segment(segment);
        });
    }
    let stopwatch = Stopwatch::start();
    for round in 0..count / CONNECTIONS {
        for (conversation, number) in conversations.iter_mut().zip(round..) {
            let login = logins.get(round as usize % logins.len()).filter(|_| number % LOGINS == 0);
            let request = login.map_or(REQUEST, Vec::as_slice);
            conversation.exchange(request, &response, |segment| {
                let _instruction = pipeline.segment(segment);
            });
        }
    }
    let seconds = stopwatch.elapsed().as_secs_f64();
    Ok((seconds, pipeline))
}

/// Logins of a thousand users.
fn logins() -> Vec<Vec<u8>> {
    let login = |user: u32| {
        let body =
            format!("{{\"username\":\"user{user}@shop.example\",\"password\":\"correct horse {user}\"}}");
        let length = body.len();
        format!(
            "POST /login HTTP/1.1\r\nHost: shop.example.net\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) \
             Gecko/20100101 Firefox/128.0\r\nAccept: application/json\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: keep-alive\r\n\r\n{body}"
        )
        .into_bytes()
    };
    (0..1_000).map(login).collect()
}
