//! One process for the whole time, with load, churn, scrapes and reloads. Does it grow?

use std::time::Duration;

use anyhow::Result;
use sensor_tests::scene::config;
use sensor_tests::wait;

use crate::faults;
use crate::report::Report;
use crate::stage::Stage;
use crate::watch::Process;

/// Growth of resident memory after the warm-up, in percent.
const MOST_GROWTH: f64 = 2.0;
/// Growth that is noise of the allocator's arenas at any size, in KiB.
const NOISE: u64 = 256;
/// The slowest scrape of a hundred.
const MOST_SCRAPE: Duration = Duration::from_millis(5);
/// Longest text of a scrape.
const MOST_TEXT: usize = 64 << 10;
/// The first part of the time, in which tables fill: no less than all addresses once, at any rate that is kept.
const WARM_UP: u32 = 3;

/// Runs for so long; latencies are judged only where the machine is given to this.
pub(crate) fn run(stage: &mut Stage, report: &mut Report, steady: Duration, judge_time: bool) -> Result<()> {
    let begun = wait::now();
    let answered = stage.load.answered();
    let exchanges = stage.sum("sensor_http_exchanges_total", &[]);
    let (mut at, mut warm, mut samples) = (begun, None, Vec::new());
    while wait::now() < begun + steady {
        at += Duration::from_secs(1);
        wait::pace_until(at);
        let process = stage.process()?;
        samples.push(process);
        if warm.is_none() && wait::now() >= begun + steady / WARM_UP {
            warm = Some(largest(&samples));
            samples.clear();
        }
        // Reloads are part of a long life; those that are refused, too.
        if samples.len() % 10 == 5 {
            stage.daemon.write_config(&config("enforce", "off"))?;
            stage.daemon.ok(&["reload"])?;
        }
    }
    let took = begun.elapsed();
    let warm = warm.unwrap_or_default();
    let tail = samples.len().saturating_sub(10);
    let last = largest(samples.get(tail..).unwrap_or_default());
    let growth = percent(last.rss.saturating_sub(warm.rss), warm.rss);
    report.check(
        "memory after the warm-up",
        format_args!("{} KiB, then {} KiB: {growth:+.2} % (at most {MOST_GROWTH} %)", warm.rss, last.rss),
        growth <= MOST_GROWTH || last.rss <= warm.rss + NOISE,
    );
    let (first, then) = (warm.descriptors, last.descriptors);
    report.check("descriptors", format_args!("{first}, then {then}"), then <= first + 2);
    report.tell(
        "kernel memory of the maps",
        format_args!("{} MiB", stage.sum("sensor_kernel_memory_bytes", &[]) >> 20),
    );
    let rate = |count: u64| u128::from(count) * 1_000 / took.as_millis().max(1);
    report.tell("exchanges a second, answered", rate(stage.load.answered() - answered));
    report.tell("exchanges a second, seen", rate(stage.sum("sensor_http_exchanges_total", &[]) - exchanges));
    report.tell("segments lost for want of room", stage.sum("sensor_mirror_lost_total", &[]));
    scrapes(stage, report, judge_time);
    faults::gentle(stage, report)
}

fn scrapes(stage: &Stage, report: &mut Report, judge_time: bool) {
    let mut scraped = stage.scraper.take();
    scraped.sort_by_key(|one| one.took);
    let quantile =
        |percent: usize| scraped.get((scraped.len() * percent / 100).min(scraped.len().saturating_sub(1)));
    let took = |percent| quantile(percent).map_or(Duration::MAX, |one| one.took);
    let bytes = scraped.iter().map(|one| one.bytes).max().unwrap_or(usize::MAX);
    let found = format!("p50 {:.1?}, p99 {:.1?}, {} of them", took(50), took(99), scraped.len());
    if judge_time {
        report.check("scrape of /metrics", found, took(99) <= MOST_SCRAPE);
    } else {
        report.tell("scrape of /metrics", found);
    }
    report.check("its text", format_args!("{bytes} bytes"), bytes <= MOST_TEXT);
}

fn largest(samples: &[Process]) -> Process {
    let rss = samples.iter().rev().take(10).map(|one| one.rss).max().unwrap_or(0);
    let descriptors = samples.iter().rev().take(10).map(|one| one.descriptors).max().unwrap_or(0);
    Process { rss, descriptors }
}

#[expect(clippy::cast_precision_loss, reason = "sizes of a process in KiB")]
fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}
