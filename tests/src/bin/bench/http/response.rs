//! How soon an attacker is blocked: from the last byte of the deciding response, as seen by the kernel, until the block
//! is in the kernel's map, from the daemon's own histogram, while it sees ten thousand other requests a second.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::{Daemon, PATIENCE, Scrape};
use sensor_tests::netns::{LEGITIMATE, Net, SERVER_V4, join, v4};
use sensor_tests::peers::http::Client;
use sensor_tests::peers::keepalive::KeepAlive;
use sensor_tests::peers::login::LoginServer;
use sensor_tests::peers::nginx::Nginx;
use sensor_tests::sim::live::{self, Pace};
use sensor_tests::wait::{self, wait_until};

use crate::clock::Stopwatch;
use crate::command;
use crate::contest::Effort;
use crate::plane::ratio;
use crate::report::{CLIENTS, MS, PER_SECOND, Report, Target};

/// Other clients' connections, each with a share of the requests, bounded to so many seconds.
const CONNECTIONS: u32 = 8;
const MOST_SECONDS: u32 = 300;
/// Targets: quantiles, and milliseconds.
const TARGETS: [(&str, f64, f64); 2] = [("p50", 0.5, 2.0), ("p99", 0.99, 10.0)];

/// Attackers at the same time.
const AT_ONCE: usize = 4;
/// Attempts of an attacker that is never blocked; the detector needs forty if they come at once.
const MOST_ATTEMPTS: u32 = 160;
/// Pause between two attempts of one attacker. A block in the middle of a connection occupies one of the server's few
/// workers.
const BETWEEN: Duration = Duration::from_millis(5);
/// After two attempts without an answer for this long, an attacker considers itself blocked.
const TIMEOUT: Duration = Duration::from_millis(200);

/// Nobody is limited, and neither kill switch is met: blocks are what is measured.
pub(crate) const CONFIG: &str = "mode = \"enforce\"\n[limits.default]\npackets = \"off\"\nbits = \"off\"\n\
                      connections = \"off\"\nrequests = \"off\"\n\
                      [decide]\nmax_blocks_per_minute = 1000000\nmin_blocked = 1000000\n";

/// A connection of a client, by whatever means.
pub(crate) trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

/// Connects a client.
pub(crate) type Connect = dyn Fn(&Client) -> io::Result<Box<dyn Stream>> + Send + Sync;

/// How clients connect, and where to.
#[derive(Clone)]
pub(crate) struct Way {
    /// A client's connection.
    pub(crate) connect: Arc<Connect>,
    /// Where others ask, for what, and how often in a second.
    pub(crate) others: (u16, &'static str, u32),
    /// Where attackers try to log in.
    pub(crate) logins: u16,
}

/// Quantiles of the histogram after some hundred blocks.
pub(crate) fn measure(report: &mut Report, effort: Effort) -> Result<()> {
    if !command::exists("nginx") {
        report.note("nginx IS NOT INSTALLED: blocks were not timed");
        return Ok(());
    }
    let start = |net: &Net| Ok((Nginx::start(&net.server)?, LoginServer::start(&net.server)?));
    let way = Way {
        connect: Arc::new(|client| Ok(Box::new(client.connect()?))),
        others: (Nginx::PORT, "/", 10_000),
        logins: LoginServer::PORT,
    };
    contest(report, effort, &way, start)
}

/// The same with servers of any kind.
pub(crate) fn contest<S>(
    report: &mut Report,
    effort: Effort,
    way: &Way,
    start: impl Fn(&Net) -> Result<S>,
) -> Result<()> {
    let attackers: u16 = if effort.quick { 40 } else { 200 };
    let net = Net::new()?;
    live::prepare(&net, &Pace { faster: 0, residents: 1, attackers, logins_only: true })?;
    let _servers = start(&net)?;
    let mut daemon = Daemon::prepare(&net, CONFIG)?;
    daemon.hide_log();
    daemon.run()?;
    await_ports(&daemon, [way.others.0, way.logins])?;
    let rate = way.others.2;
    let others = Others::start(&net, way);
    let is_warm = || others.answered() > u64::from(rate);
    ensure!(wait_until(PATIENCE, is_warm), "{} requests were answered", others.answered());
    let (stopwatch, before) = (Stopwatch::start(), others.answered());
    let attempts = attack(&net, way, attackers);
    let (seconds, answered) = (stopwatch.elapsed().as_secs_f64(), others.answered() - before);
    others.stop()?;
    let metrics = all_blocked(&daemon, attackers)?;
    let what = "while attackers are blocked: requests of others";
    let kept = ratio(answered, 1) / seconds;
    report.compare(what, (kept, PER_SECOND), ("wanted", rate.into()), Some(Target::AtLeast(0.95)));
    let histogram = Histogram::of(&metrics, "sensor_enforcement_latency_seconds_bucket")?;
    for (name, quantile, target) in TARGETS {
        let what = format!("deciding byte to block in the kernel, {name}");
        let milliseconds = histogram.quantile(quantile).context("nothing was timed")? * 1_000.0;
        report.compare(&what, (milliseconds, MS), ("target", target), Some(Target::AtMost(1.0)));
    }
    report.value("blocks that were timed", ratio(histogram.count(), 1), CLIENTS);
    report.note(format!("{attempts} attempts of {attackers} attackers in {seconds:.1} s; {histogram}"));
    daemon.terminate()?;
    daemon.unload()
}

fn await_ports(daemon: &Daemon, wanted: [u16; 2]) -> Result<()> {
    let watched = || {
        let status = daemon.json(&["status"]).unwrap_or_default();
        let ports = status.pointer("/http/ports").and_then(|ports| ports.as_array());
        ports.is_some_and(|ports| wanted.into_iter().all(|port| ports.contains(&port.into())))
    };
    ensure!(wait_until(PATIENCE, watched), "the servers' ports are not watched: {}", daemon.log());
    Ok(())
}

/// Checks that every attacker is blocked, nobody else is, and nothing was missed; returns the metrics after that.
fn all_blocked(daemon: &Daemon, attackers: u16) -> Result<Scrape> {
    let blocks = || daemon.metrics().map(|metrics| metrics.sum("sensor_blocks_active", &[])).unwrap_or(0);
    let all = wait_until(PATIENCE, || blocks() >= attackers.into());
    ensure!(all, "{} of {attackers} attackers are blocked", blocks());
    let listed = daemon.json(&["block", "list"])?.to_string();
    for attacker in (0..attackers).map(live::attacker) {
        ensure!(listed.contains(&format!("\"{attacker}/32\"")), "{attacker} is not blocked: {listed}");
    }
    let metrics = daemon.metrics()?;
    let blocked = metrics.sum("sensor_blocks_active", &[]);
    ensure!(blocked == u64::from(attackers), "{blocked} blocks of {attackers} attackers");
    let lost = metrics.sum("sensor_mirror_lost_total", &[]);
    ensure!(lost == 0, "{lost} segments were lost: something else was measured");
    Ok(metrics)
}

/// Requests at an even pace from one address; dropping it ends them.
struct Others {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Others {
    fn start(net: &Net, way: &Way) -> Self {
        let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let threads = (0..CONNECTIONS).map(|number| {
            let (stop, answered, way) = (Arc::clone(&stop), Arc::clone(&answered), way.clone());
            net.world.spawn(move || ask_on(&way, number, &stop, &answered))
        });
        Self { threads: threads.collect(), stop, answered }
    }

    fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    fn stop(mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.drain(..).try_for_each(join).context("somebody legitimate was not answered")
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // Whoever drops it unasked has an error to tell already.
            let _ended = thread.join();
        }
    }
}

/// One connection's share. A late one sends at once, until it has caught up.
fn ask_on(way: &Way, number: u32, stop: &AtomicBool, answered: &AtomicU64) -> io::Result<()> {
    let (port, path, rate) = way.others;
    let server = SocketAddr::new(SERVER_V4, port);
    let stream = (way.connect)(&Client::new(v4(LEGITIMATE), server))?;
    let mut connection = KeepAlive::over(stream, server.to_string());
    let every = Duration::from_secs(1) * CONNECTIONS / rate;
    let begun = wait::now() + every * number / CONNECTIONS;
    for request in 0..rate / CONNECTIONS * MOST_SECONDS {
        if stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        wait::pace_until(begun + every * request);
        connection.ask("GET", path, "")?;
        answered.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// Each attacker in turn, until it considers itself blocked; returns their attempts.
fn attack(net: &Net, way: &Way, attackers: u16) -> u64 {
    let (next, attempts) = (AtomicU16::new(0), AtomicU64::new(0));
    let one_after_the_other = || {
        let turns = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
        for number in turns.take_while(|number| *number < attackers) {
            attempts.fetch_add(attack_from(way, number).into(), Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| net.world.enter(one_after_the_other));
        }
    });
    attempts.into_inner()
}

fn attack_from(way: &Way, number: u16) -> u32 {
    let server = SocketAddr::new(SERVER_V4, way.logins);
    let client = Client { timeout: TIMEOUT, ..Client::new(live::attacker(number), server) };
    let begun = wait::now();
    let mut unheard = 0;
    for attempt in 0..MOST_ATTEMPTS {
        wait::pace_until(begun + BETWEEN * attempt);
        let account = format!("{number}-{attempt}");
        unheard = if log_in(way, &client, &account).is_ok() { 0 } else { unheard + 1 };
        if unheard == 2 {
            return attempt + 1;
        }
    }
    MOST_ATTEMPTS
}

/// One attempt on an account of its own, with a password of its own.
fn log_in(way: &Way, client: &Client, account: &str) -> io::Result<()> {
    let body = format!("{{\"username\":\"user-{account}\",\"password\":\"stolen-{account}\"}}");
    let (host, length) = (client.server, body.len());
    let mut stream = (way.connect)(client)?;
    let request = format!(
        "POST /login HTTP/1.1\r\nHost: {host}\r\nUser-Agent: python-requests/2.32.3\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    if answer.starts_with(b"HTTP/1.1 401 ") { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// A histogram as it is served: upper bounds in seconds, each with the count of all up to it.
pub(crate) struct Histogram(Vec<(f64, u64)>);

impl Histogram {
    pub(crate) fn of(metrics: &Scrape, name: &str) -> Result<Self> {
        let mut buckets: Vec<(f64, u64)> = Vec::new();
        for sample in metrics.samples.iter().filter(|sample| sample.name == name) {
            let bound = sample.labels.get("le").context("a bucket without a bound")?;
            buckets.push((bound.parse()?, metrics.sum(name, &[("le", bound)])));
        }
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        Ok(Self(buckets))
    }

    fn count(&self) -> u64 {
        self.0.last().map_or(0, |(_, count)| *count)
    }

    /// As `histogram_quantile` of Prometheus: linear within a bucket, and where that is the one without an upper
    /// bound, its lower one.
    pub(crate) fn quantile(&self, quantile: f64) -> Option<f64> {
        let rank = quantile * ratio(self.count(), 1);
        let mut below = (0.0, 0);
        for (bound, count) in &self.0 {
            if *count > 0 && ratio(*count, 1) >= rank {
                let share = (rank - ratio(below.1, 1)) / ratio(count - below.1, 1);
                return Some(if bound.is_finite() { below.0 + (bound - below.0) * share } else { below.0 });
            }
            below = (*bound, *count);
        }
        None
    }
}

impl std::fmt::Display for Histogram {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("blocks within")?;
        let mut below = 0;
        for (bound, count) in self.0.iter().filter(|(_, count)| *count > 0) {
            if *count > below {
                write!(out, " {} ms: {},", bound * 1_000.0, count - below)?;
            }
            below = *count;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(lines: &str) -> Result<Histogram> {
        Histogram::of(&lines.parse()?, "t_bucket")
    }

    #[test]
    fn quantiles_are_those_of_prometheus() -> Result<()> {
        // Served out of order, beside another family.
        let histogram = served(
            "t_bucket{le=\"+Inf\"} 100\nt_bucket{le=\"0.002\"} 90\nt_bucket{le=\"0.001\"} 40\n\
             t_bucket{le=\"0.005\"} 98\nt_count 100\nother_bucket{le=\"0.001\"} 7\n",
        )?;
        // Each bucket's ends and middle; beyond the last bound, that bound.
        let cases =
            [(0.2, 0.000_5), (0.4, 0.001), (0.65, 0.001_5), (0.9, 0.002), (0.98, 0.005), (0.99, 0.005)];
        for (quantile, expected) in cases {
            let found = histogram.quantile(quantile).context("nothing")?;
            ensure!((found - expected).abs() < 1e-9, "{quantile}: {found}, not {expected}");
        }
        ensure!(histogram.count() == 100 && histogram.to_string().contains(" 2 ms: 50,"), "{histogram}");
        Ok(())
    }

    #[test]
    fn of_nothing_there_is_no_quantile() -> Result<()> {
        for text in ["", "t_bucket{le=\"0.001\"} 0\nt_bucket{le=\"+Inf\"} 0\n"] {
            ensure!(served(text)?.quantile(0.5).is_none(), "{text}");
        }
        Ok(())
    }
}
