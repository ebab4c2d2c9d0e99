//! One phase: a legitimate client at an even pace, and a flooding client that sends as fast as it can.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use sensor_tests::daemon::Totals;
use sensor_tests::netns::{FLOODER, LEGITIMATE, SERVER_V4, v4};
use sensor_tests::peers::http::{Client, Tally};
use sensor_tests::peers::udp;
use sensor_tests::scene::udp_target;
use sensor_tests::wait;

use crate::interrupt::Interrupt;
use crate::numbers::grouped;
use crate::server;
use crate::stage::Stage;

/// Requests per second of the legitimate client.
const PACE: u32 = 50;
/// Threads of the flooding client that send UDP.
const UDP_FLOODERS: usize = 2;
/// Connections that the flooding client keeps busy.
const HTTP_FLOODERS: usize = 4;
/// Bytes of a flood packet's payload.
const PAYLOAD: usize = 64;
/// Bound of each UDP thread in packets: more than ten seconds of it.
const FLOOD_BOUND: u64 = 20_000_000;
/// After that a flooding connection tries again; the legitimate client waits as long as people do.
const FLOODER_PATIENCE: Duration = Duration::from_millis(300);

/// The clients' traffic, and its outcome.
#[derive(Debug)]
pub(crate) struct Phase {
    /// The legitimate client's requests.
    pub(crate) legitimate: Tally,
    /// Its packets, as the kernel counted them.
    pub(crate) legitimate_packets: Totals,
    /// Packets that the flooder sent.
    pub(crate) flood_sent: u64,
    /// Those that reached the application.
    pub(crate) flood_arrived: u64,
    /// Requests of the flooder.
    pub(crate) flood_requests: Tally,
    /// All its packets, as the kernel counted them.
    pub(crate) flood_packets: Totals,
    /// Packets that XDP has dropped so far, of whomever.
    pub(crate) dropped_by_xdp: u64,
    /// `sensor clients`, run during the flood.
    pub(crate) clients: String,
    /// Of `sensor exchanges`, run right after it, the last lines of each client.
    pub(crate) exchanges: Exchanges,
}

/// Exchanges that the daemon saw, a line each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exchanges {
    /// The legitimate client's.
    pub(crate) legitimate: Vec<String>,
    /// The flooder's.
    pub(crate) flooder: Vec<String>,
}

impl Exchanges {
    fn of(stage: &Stage) -> Result<Self> {
        let text = stage.daemon.ok(&["exchanges", "--last", "256"])?;
        let lines_of = |host: u8| {
            let client = format!(" {} ", v4(host));
            let lines: Vec<String> =
                text.lines().filter(|line| line.contains(&client)).map(str::to_owned).collect();
            let surplus = lines.len().saturating_sub(SHOWN);
            lines.into_iter().skip(surplus).collect()
        };
        Ok(Self { legitimate: lines_of(LEGITIMATE), flooder: lines_of(FLOODER) })
    }
}

/// Exchanges shown of each client.
const SHOWN: usize = 2;

type Running<T> = JoinHandle<T>;

/// The clients at work.
struct Cast {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    legitimate: Running<Tally>,
    floods: Vec<Running<io::Result<u64>>>,
    requests: Vec<Running<Tally>>,
}

impl Cast {
    fn enter(stage: &Stage, time: Duration) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let world = &stage.net.world;
        let legitimate = {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            world.spawn(move || legitimate(time, &answered, &stop))
        };
        let floods = (0..UDP_FLOODERS).map(|_| {
            let stop = Arc::clone(&stop);
            world.spawn(move || udp::flood(v4(FLOODER), udp_target(v4(FLOODER)), PAYLOAD, FLOOD_BOUND, &stop))
        });
        let floods = floods.collect();
        let requests = (0..HTTP_FLOODERS).map(|_| {
            let stop = Arc::clone(&stop);
            world.spawn(move || greedy(&stop))
        });
        let requests = requests.collect();
        Self { stop, answered, legitimate, floods, requests }
    }

    fn leave(self) -> Result<(Tally, u64, Tally)> {
        let panicked = |_| anyhow!("a client panicked");
        let legitimate = self.legitimate.join().map_err(panicked)?;
        self.stop.store(true, Ordering::Relaxed);
        let mut flood = 0;
        for one in self.floods {
            flood += one.join().map_err(panicked)?.context("the flood could not be sent")?;
        }
        let mut requests = Tally::default();
        for one in self.requests {
            let one = one.join().map_err(panicked)?;
            requests.ok += one.ok;
            requests.failed += one.failed;
        }
        Ok((legitimate, flood, requests))
    }
}

impl Phase {
    /// Plays for the given time, or until interrupted.
    pub(crate) fn play(stage: &Stage, time: Duration, interrupt: &Interrupt) -> Result<Self> {
        let before =
            (packets(stage, LEGITIMATE), packets(stage, FLOODER), stage.sink.packets_from(v4(FLOODER)));
        let cast = Cast::enter(stage, time);
        let clients = watch(stage, &cast, time, interrupt);
        if clients.is_err() {
            cast.stop.store(true, Ordering::Relaxed);
        }
        let (legitimate, flood_sent, flood_requests) = cast.leave()?;
        let clients = clients?;
        let flood_arrived = arrived(stage, before.2);
        Ok(Self {
            legitimate,
            legitimate_packets: since(packets(stage, LEGITIMATE), before.0),
            flood_sent,
            flood_arrived,
            flood_requests,
            flood_packets: since(packets(stage, FLOODER), before.1),
            dropped_by_xdp: stage.daemon.metrics()?.packets("drop"),
            clients,
            exchanges: Exchanges::of(stage)?,
        })
    }
}

/// Shows progress; asks `sensor clients` in the middle, while there is something to see.
fn watch(stage: &Stage, cast: &Cast, time: Duration, interrupt: &Interrupt) -> Result<String> {
    let start = wait::now();
    let bar = progress_bar(time)?;
    // It takes a second: the time between its two looks.
    let ask = || stage.daemon.ok(&["clients", "--top", "2"]);
    thread::scope(|scope| {
        let mut clients = None;
        while start.elapsed() < time {
            interrupt.check()?;
            if start.elapsed() > time / 2 {
                clients.get_or_insert_with(|| scope.spawn(ask));
            }
            show(&bar, start, stage, cast);
            wait::pace_until(wait::now() + Duration::from_millis(100));
        }
        bar.finish_and_clear();
        let clients = clients.context("the time was too short to look at the clients")?;
        clients.join().map_err(|_panic| anyhow!("looking at the clients panicked"))?
    })
}

fn progress_bar(time: Duration) -> Result<ProgressBar> {
    let bar = ProgressBar::new(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    bar.set_style(ProgressStyle::with_template("    [{bar:24}] {msg}")?.progress_chars("=> "));
    Ok(bar)
}

fn show(bar: &ProgressBar, start: Instant, stage: &Stage, cast: &Cast) {
    bar.set_position(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX));
    let answered = cast.answered.load(Ordering::Relaxed);
    let reached = grouped(stage.sink.packets_from(v4(FLOODER)));
    bar.set_message(format!("{answered} answers, {reached} flood packets at the server"));
}

fn legitimate(time: Duration, answered: &AtomicU64, stop: &AtomicBool) -> Tally {
    let client = Client::new(v4(LEGITIMATE), SocketAddr::new(SERVER_V4, server::PORT));
    let mut tally = Tally::default();
    let every = Duration::from_secs(1) / PACE;
    let start = wait::now();
    let mut next = start;
    while start.elapsed() < time && !stop.load(Ordering::Relaxed) {
        tally.add(client.get("/account"));
        answered.store(tally.ok, Ordering::Relaxed);
        // It does not make up for lost time: that would be a burst.
        next = (next + every).max(wait::now());
        wait::pace_until(next);
    }
    tally
}

fn greedy(stop: &AtomicBool) -> Tally {
    let mut client = Client::new(v4(FLOODER), SocketAddr::new(SERVER_V4, server::PORT));
    client.timeout = FLOODER_PATIENCE;
    let mut tally = Tally::default();
    while !stop.load(Ordering::Relaxed) {
        tally.add(client.get("/login"));
    }
    tally
}

/// The kernel's totals of a client; none before its first packets.
fn packets(stage: &Stage, host: u8) -> Totals {
    stage.daemon.totals(v4(host)).unwrap_or_default()
}

const fn since(now: Totals, before: Totals) -> Totals {
    Totals {
        passed: now.passed - before.passed,
        dropped: now.dropped - before.dropped,
        requests: now.requests.wrapping_sub(before.requests),
    }
}

/// Flood packets that have reached the application, once no more come.
fn arrived(stage: &Stage, before: u64) -> u64 {
    let flooder: IpAddr = v4(FLOODER);
    let mut last = stage.sink.packets_from(flooder);
    let mut seen_at = wait::now();
    // Whatever is still queued is read within moments.
    let _quiet = wait::wait_until(Duration::from_secs(5), || {
        let now = stage.sink.packets_from(flooder);
        if now != last {
            (last, seen_at) = (now, wait::now());
        }
        seen_at.elapsed() > Duration::from_millis(100)
    });
    last - before
}
