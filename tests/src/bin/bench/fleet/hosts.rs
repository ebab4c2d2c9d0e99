//! Real hosts and a real server: how soon a block is in the kernel of the others, what they ask the server, and how soon
//! they agree after it was away.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon::PATIENCE;
use sensor_tests::peers::fleet::{Fleet, blocked_at, plain, status};
use sensor_tests::peers::keys::write_key;
use sensor_tests::wait::{now, pace_until, wait_until};
use serde_json::Value;

use super::resp::Connection;
use crate::clock::Stopwatch;
use crate::contest::Effort;
use crate::report::{MS, PER_SECOND, Report, Target};

/// Hosts: one that decides, and eight others.
const HOSTS: u8 = 9;
/// Time between two blocks, in milliseconds.
const PACE: u64 = 50;
/// Quantiles, and milliseconds that they should be.
const TARGETS: [(&str, usize, f64); 2] = [("p50", 50, 10.0), ("p99", 99, 50.0)];
/// Seconds within which hosts should agree.
const AGREE: f64 = 10.0;

pub(super) fn measure(report: &mut Report, effort: Effort) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let key = directory.path().join("evidence.key");
    write_key(&key)?;
    let mut fleet = Fleet::new(HOSTS, &plain(), &format!("evidence_key_file = {key:?}"))?;
    blocks(report, &fleet, if effort.quick { 40 } else { 200 })?;
    commands(report, &fleet, if effort.quick { 5 } else { 30 })?;
    partition(report, &mut fleet, Duration::from_secs(if effort.quick { 5 } else { 60 }))
}

/// From the block on one host to that on another, by their audit trails: they are written when the kernel has it.
fn blocks(report: &mut Report, fleet: &Fleet, count: u64) -> Result<()> {
    let (first, others) = fleet.hosts.split_first().context("no hosts")?;
    let began = now();
    for number in 0..count {
        pace_until(began + Duration::from_millis(number * PACE));
        first.ok(&["block", "add", &format!("203.0.113.{number}"), "--fleet", "--for", "1h"])?;
    }
    let everywhere =
        || others.iter().all(|host| status(host).get("blocks").and_then(Value::as_u64) == Some(count));
    ensure!(wait_until(PATIENCE, everywhere), "not everywhere: {}", fleet.logs());
    let here = blocked_at(first, "command")?;
    let mut took = Vec::new();
    for host in others {
        let recorded = || blocked_at(host, "fleet").is_ok_and(|found| found.len() as u64 == count);
        ensure!(wait_until(PATIENCE, recorded), "not in the audit trail");
        let there = blocked_at(host, "fleet")?;
        took.extend(there.iter().filter_map(|(prefix, at)| Some((at - here.get(prefix)?) * 1_000.0)));
    }
    took.sort_by(f64::total_cmp);
    for (name, hundredth, target) in TARGETS {
        let what = format!("block on one host to block in the kernel of 8 others, {name}");
        let value = took.get(took.len() * hundredth / 100).copied().unwrap_or(f64::INFINITY);
        report.compare(&what, (value, MS), ("target", target), Some(Target::AtMost(1.0)));
    }
    report.note(format!("{} blocks reached other hosts of those that were timed", took.len()));
    Ok(())
}

/// What a host asks the server while nothing happens but its own sums.
fn commands(report: &mut Report, fleet: &Fleet, seconds: u32) -> Result<()> {
    let (before, after) = fleet.redis.enter(|| -> Result<_> {
        let mut observer = Connection::open()?;
        let before = observer.info()?;
        pace_until(now() + Duration::from_secs(seconds.into()));
        Ok((before, observer.info()?))
    })?;
    let each = (after.commands - before.commands) / f64::from(seconds) / f64::from(HOSTS);
    report.compare(
        "commands of a host to the server, for 1,000 exchanges at 1,000 a second",
        (each, PER_SECOND),
        ("target", 20.0),
        Some(Target::AtMost(1.0)),
    );
    Ok(())
}

/// The server is killed, each host decides on its own, and the server comes back empty.
fn partition(report: &mut Report, fleet: &mut Fleet, away: Duration) -> Result<()> {
    fleet.redis.kill9()?;
    let end = now() + away;
    let mut expected = Vec::new();
    for (number, host) in fleet.hosts.iter().enumerate() {
        let address = format!("198.51.100.{number}");
        host.ok(&["block", "add", &address, "--fleet", "--for", "1h"])?;
        expected.push(format!("{address}/32"));
    }
    pace_until(end);
    fleet.redis.run()?;
    let back = Stopwatch::start();
    let all = 0..fleet.hosts.len();
    let agree = || expected.iter().all(|prefix| fleet.blocked_on(all.clone(), prefix));
    ensure!(wait_until(PATIENCE, agree), "they do not agree: {}", fleet.logs());
    let what = format!("hosts agree after the server was away for {} s and came back empty", away.as_secs());
    let took = back.elapsed().as_secs_f64() * 1_000.0;
    report.compare(&what, (took, MS), ("target", AGREE * 1_000.0), Some(Target::AtMost(1.0)));
    Ok(())
}
