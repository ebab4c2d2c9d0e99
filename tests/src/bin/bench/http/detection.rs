//! What the detectors cost: the pipeline with all of them, and without.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use anyhow::{Result, anyhow, ensure};
use sensor::clock::Timestamp;
use sensor::detect::shared::{Outlook, Shared, Together, Told};
use sensor::detect::{self, Detectors};
use sensor::event::{Event, Exchange};
use sensor::identity::{FleetKeys, Key};
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
/// The same of telling other hosts.
const TARGET_TELLING: f64 = 0.97;

/// The daemon's task that speaks with other hosts, as the detectors see it.
#[derive(Debug)]
struct Others(SyncSender<Told>);

impl Shared for Others {
    fn tell(&self, told: Told) {
        // There is room for all of them, and nobody is woken: the daemon's task looks once a second.
        let _lost = self.0.try_send(told);
    }

    fn outlook(&self) -> Option<Arc<Outlook>> {
        None
    }
}

/// Runs all detectors, and lets them know the time once a second.
struct Watch {
    count: Count,
    detectors: Detectors,
    told: Timestamp,
    signals: u64,
}

impl Watch {
    fn of(detectors: Detectors) -> Self {
        Self { count: Count::default(), detectors, told: Timestamp::default(), signals: 0 }
    }
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
        let (seconds, pipeline) = run(count, Count::default(), (None, &same()))?;
        let counted = pipeline.observer().0;
        ensure!(counted == u64::from(count / CONNECTIONS * CONNECTIONS), "{counted} exchanges");
        without = without.min(seconds);
        let watch = Watch::of(Detectors::new(&detect::Config::default()));
        let (seconds, pipeline) = run(count, watch, (None, &same()))?;
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

/// A host that tells others of its logins, beside one that does not; the best of some rounds, both in turn.
pub(crate) fn telling(report: &mut Report, effort: Effort) -> Result<()> {
    let (rounds, count) = if effort.quick { (2_u32, 200_000_u32) } else { (7, 2_000_000) };
    let keys = FleetKeys::parse("00112233445566778899aabbccddeeff".repeat(2).as_bytes());
    let keys = keys.map_err(|why| anyhow!(why))?;
    let (mut alone, mut telling, mut told) = (f64::MAX, f64::MAX, 0);
    let answers = outcomes();
    for _ in 0..rounds {
        let watch = Watch::of(Detectors::new(&detect::Config::default()));
        let (seconds, _) = run(count, watch, (None, &answers))?;
        alone = alone.min(seconds);
        let (sender, inbox) = sync_channel(usize::try_from(count)?);
        let mut detectors = Detectors::new(&detect::Config::default());
        detectors.join(&Together { evidence: Some(Arc::new(Others(sender))), limits: None });
        let (seconds, pipeline) = run(count, Watch::of(detectors), (Some(keys.clone()), &answers))?;
        telling = telling.min(seconds);
        drop(pipeline);
        told = inbox.iter().count();
        ensure!(told > 0, "nobody was told");
    }
    let per_second = |seconds: f64| f64::from(count) / seconds;
    report.compare(
        "exchanges of a host that tells a fleet of its logins, one in 20",
        (per_second(telling), PER_SECOND),
        ("alone", per_second(alone)),
        Some(Target::AtLeast(TARGET_TELLING)),
    );
    report.note(format!("{told} attempts were told of {count} exchanges"));
    Ok(())
}

/// Logins are answered as all else: their outcome is not known.
fn same() -> Vec<Vec<u8>> {
    vec![response(100)]
}

/// One login in ten fails, and the others get a session.
fn outcomes() -> Vec<Vec<u8>> {
    let head = "Server: nginx\r\nContent-Type: application/json\r\nContent-Length: 2\r\n";
    let failed = format!("HTTP/1.1 401 Unauthorized\r\n{head}\r\n{{}}");
    let succeeded =
        format!("HTTP/1.1 200 OK\r\n{head}Set-Cookie: session=0123456789abcdef01234567\r\n\r\n{{}}");
    std::iter::once(failed).chain(std::iter::repeat_n(succeeded, 9)).map(String::into_bytes).collect()
}

/// How long so many exchanges take, and the pipeline; of a host with these keys of a fleet, whose logins are answered with
/// these in turn.
fn run<O: Observer>(
    count: u32,
    observer: O,
    (keys, answers): (Option<FleetKeys>, &[Vec<u8>]),
) -> Result<(f64, Pipeline<O>)> {
    let mut pipeline = Pipeline::new(&Config::default(), &Key::from_bytes([7; 32]), observer)?;
    pipeline.identifier_mut().set_fleet(keys, false);
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
            let answer = login.and_then(|_| answers.get((round / LOGINS) as usize % answers.len()));
            conversation.exchange(request, answer.unwrap_or(&response), |segment| {
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
