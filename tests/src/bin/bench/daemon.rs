//! What an idle daemon takes, how soon one with many blocks is ready, and what its limits leave of downloads.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ipnet::{IpNet, Ipv4Net};
use sensor::clock::{self, Timestamp};
use sensor::decide::{Decision, Measure, RecordId};
use sensor::detect::Threat;
use sensor::enforce::{BlockRule, Origin};
use sensor::store::{COMMANDS, CommandStore, EventStore, Saved, StoreConfig};
use sensor_tests::daemon::{Daemon, PATIENCE};
use sensor_tests::netns::Net;
use sensor_tests::peers::bulk;
use sensor_tests::process::{resident, used};
use sensor_tests::wait;

use crate::contest::Effort;
use crate::plane::ratio;
use crate::report::{MIB, MIB_PER_SECOND, MS, PERCENT, Report, Target};

/// Blocks that are restored.
const BLOCKS: u32 = 100_000;
/// When a newly started daemon counts as idle: it has unmapped what it can.
const SETTLED: Duration = Duration::from_secs(12);

/// A hundredth of what a virtual link carries.
const DOWNLOAD_LIMITS: &str = "[limits.default]\npackets = \"1000/s:1000\"\nbits = \"10M:10M\"\n";

/// All of it.
pub(crate) fn measure(report: &mut Report, effort: Effort) -> Result<()> {
    idle(report, effort)?;
    for (kind, keep) in
        [("by command", by_command as fn(&Path) -> Result<()>), ("by detectors", by_detectors)]
    {
        start(report, effort, kind, keep)?;
    }
    downloads(report, effort)
}

/// Memory and CPU time of a default-sized daemon on one interface, without requests.
fn idle(report: &mut Report, effort: Effort) -> Result<()> {
    let net = Net::new()?;
    let mut daemon = Daemon::start(&net, "")?;
    daemon.hide_log();
    let pid = daemon.pid().context("it does not run")?;
    wait::pace_until(wait::now() + SETTLED);
    let (begun, before) = (wait::now(), used(pid)?);
    wait::pace_until(begun + Duration::from_secs(if effort.quick { 5 } else { 30 }));
    let (took, used) = (begun.elapsed(), used(pid)?.saturating_sub(before));
    let share = 100.0 * used.as_secs_f64() / took.as_secs_f64();
    let memory = ratio(resident(pid)?, 1 << 20);
    report.compare("idle daemon, memory", (memory, MIB), ("budget", 25.0), Some(Target::AtMost(1.0)));
    report.compare("idle daemon, of one core", (share, PERCENT), ("budget", 0.2), Some(Target::AtMost(1.0)));
    Ok(())
}

/// From the start of the process until `/readyz` answers, with all blocks in force.
fn start(report: &mut Report, effort: Effort, kind: &str, keep: fn(&Path) -> Result<()>) -> Result<()> {
    let net = Net::new()?;
    let mut daemon = Daemon::prepare(&net, "")?;
    daemon.hide_log();
    fs::create_dir_all(daemon.state_dir())?;
    keep(&daemon.state_dir())?;
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for _ in 0..if effort.quick { 1 } else { 5 } {
        cold.push(ready(&mut daemon)?);
        daemon.terminate()?;
        warm.push(ready(&mut daemon)?);
        daemon.terminate()?;
        daemon.unload()?;
    }
    for (maps, mut rounds) in [("new maps", cold), ("pinned maps", warm)] {
        rounds.sort();
        let median = rounds.get(rounds.len() / 2).copied().context("no round")?;
        let what = format!("start with 100,000 blocks {kind}, {maps}");
        let budget = ("budget", 1_000.0);
        report.compare(&what, (median.as_secs_f64() * 1_000.0, MS), budget, Some(Target::AtMost(1.0)));
    }
    Ok(())
}

fn ready(daemon: &mut Daemon) -> Result<Duration> {
    let begun = wait::now();
    daemon.run()?;
    let took = begun.elapsed();
    let blocks = daemon.metrics()?.sum("sensor_blocks_active", &[]);
    ensure!(blocks == u64::from(BLOCKS), "{blocks} blocks, not {BLOCKS}: {}", daemon.log());
    Ok(took)
}

/// What is left of a download by this host, far beyond all limits, when they are enforced. In alternating turns, since
/// a machine's speed changes from minute to minute.
fn downloads(report: &mut Report, effort: Effort) -> Result<()> {
    let net = Net::new()?;
    let mut daemon = Daemon::prepare(&net, DOWNLOAD_LIMITS)?;
    daemon.hide_log();
    daemon.run()?;
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..if effort.quick { 3 } else { 40 } {
        for (mode, rates) in ["monitor", "enforce"].iter().zip(&mut rates) {
            daemon.ok(&["mode", mode])?;
            rates.push(f64::from(bulk::MIB) / bulk::download(&net)?.as_secs_f64());
        }
    }
    let [monitor, enforce] = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied().unwrap_or_default()
    });
    let what = "download by this host, enforced limits of 10 Mbit/s";
    report.compare(what, (enforce, MIB_PER_SECOND), ("monitor", monitor), Some(Target::AtLeast(0.95)));
    Ok(())
}

/// Hosts of 20.0.0.0/8, each in a network of its own.
fn prefixes() -> impl Iterator<Item = IpNet> {
    let first = u32::from(Ipv4Addr::new(20, 0, 0, 7));
    (0..BLOCKS).map(move |number| IpNet::from(Ipv4Net::from(Ipv4Addr::from_bits(first + (number << 6)))))
}

fn ends(now: Timestamp, number: u64) -> Timestamp {
    now.plus(Duration::from_secs(7_200) + Duration::from_millis(number))
}

fn by_command(state_dir: &Path) -> Result<()> {
    let now = clock::now();
    let mut saved = Saved::default();
    for (number, prefix) in (0..).zip(prefixes()) {
        let (until, reason) = (Some(ends(now, number)), Some("made up".to_owned()));
        saved
            .commands
            .blocks
            .insert(prefix, BlockRule { until, reason, origin: Origin::Command, since: now });
    }
    Ok(CommandStore::open(state_dir, COMMANDS)?.save(&saved)?)
}

fn by_detectors(state_dir: &Path) -> Result<()> {
    let now = clock::now();
    let config = StoreConfig { queue: BLOCKS as usize + 1, ..StoreConfig::default() };
    let store = EventStore::open(state_dir, &config, now)?;
    for (number, prefix) in (0_u64..).zip(prefixes()) {
        let since = now.plus(Duration::from_micros(number));
        store.decision(Decision {
            prefix,
            measure: Measure::Block,
            since,
            until: Some(ends(now, number)),
            threat: Threat::CredentialStuffing,
            alert_id: RecordId::new(since, number, 0),
            repetition: 0,
            lifted: false,
        });
    }
    ensure!(store.flush(PATIENCE), "the decisions were not written in time");
    Ok(())
}
