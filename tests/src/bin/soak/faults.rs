//! Faults around a daemon, each with the metric that must report it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use sensor_tests::netns::INTERFACE;
use sensor_tests::scene::config;
use sensor_tests::wait;
use tempfile::TempDir;

use crate::load;
use crate::report::Report;
use crate::stage::{self, BLOCKS, Stage};

/// A configuration that is refused.
const BROKEN: &str = "mode = \"perhaps\"\n";
/// How long the daemon is stopped: more than its ring has room for.
const STOPPED: Duration = Duration::from_secs(4);

/// Faults that the process survives.
pub(crate) fn gentle(stage: &Stage, report: &mut Report) -> Result<()> {
    let pid = stage.daemon.pid();
    reloads(stage, report)?;
    interface_down(stage, report)?;
    interface_gone(stage, report)?;
    full_ring(stage, report)?;
    full_disk(stage, report)?;
    report.check(
        "the process",
        "is the same after all these",
        stage.daemon.pid() == pid && stage.process().is_ok(),
    );
    Ok(())
}

/// Faults that end it.
pub(crate) fn run(stage: &mut Stage, report: &mut Report) -> Result<()> {
    stage.daemon.kill9()?;
    let holds = stage.blocks_hold();
    stage.daemon.run()?;
    restarted(stage, report, "kill -9 under load", holds)?;
    let ended = stage.daemon.terminate()?;
    let holds = stage.blocks_hold();
    let clock = Clock::of_next(stage)?;
    stage.daemon.run()?;
    restarted(stage, report, "SIGTERM under load", holds && ended.success())?;
    match clock {
        Some(clock) => clock.steps(stage, report)?,
        None => report.tell("the clock is set forth and back", "not tried: libfaketime is not installed"),
    }
    Ok(())
}

/// A daemon's clock: Linux has no namespace for civil time, so a library is inserted between the daemon and the C
/// library's functions.
struct Clock {
    offset: PathBuf,
    _directory: TempDir,
}

impl Clock {
    /// That of the next daemon, where there is the library (Debian's package `libfaketime`).
    fn of_next(stage: &mut Stage) -> Result<Option<Self>> {
        let libraries = Path::new("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1");
        if !libraries.exists() {
            return Ok(None);
        }
        let directory = tempfile::Builder::new().prefix("sensor-soak-").tempdir()?;
        let offset = directory.path().join("offset");
        fs::write(&offset, "+0\n")?;
        stage.daemon.set_environment(&[
            ("LD_PRELOAD", libraries.as_os_str()),
            ("FAKETIME_TIMESTAMP_FILE", offset.as_os_str()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".as_ref()),
            ("FAKETIME_CACHE_DURATION", "1".as_ref()),
        ]);
        Ok(Some(Self { offset, _directory: directory }))
    }

    fn steps(&self, stage: &Stage, report: &mut Report) -> Result<()> {
        let steps = "sensor_clock_steps_total";
        let mut told = true;
        for (number, offset) in (1..).zip(["+600\n", "-600\n", "+0\n"]) {
            fs::write(&self.offset, offset)?;
            told &= stage.becomes(steps, &[], |now| now >= number);
            stage.flows()?;
        }
        let found = format!("{steps}: {}", stage.sum(steps, &[]));
        report.check("the clock is set forth and back", found, told && stage.blocks_hold());
        Ok(())
    }
}

fn restarted(stage: &Stage, report: &mut Report, what: &str, held: bool) -> Result<()> {
    stage.flows()?;
    let blocks = stage.sum("sensor_blocks_active", &[]);
    let found = format!("blocks held without the daemon: {held}, with the next: {blocks}");
    report.check(what, found, held && blocks >= BLOCKS.into() && stage.blocks_hold());
    Ok(())
}

fn reloads(stage: &Stage, report: &mut Report) -> Result<()> {
    let taken = "sensor_config_reload_success";
    stage.daemon.write_config(BROKEN)?;
    let refused =
        !stage.daemon.cli(&["reload"])?.status.success() && stage.becomes(taken, &[], |now| now == 0);
    stage.daemon.write_config(&config("enforce", "off"))?;
    stage.daemon.ok(&["reload"])?;
    let good = stage.becomes(taken, &[], |now| now == 1);
    report.check("a broken reload, and a good one", taken, refused && good);
    stage.daemon.write_config(BROKEN)?;
    stage.daemon.signal(Signal::SIGHUP)?;
    let refused = stage.becomes(taken, &[], |now| now == 0);
    stage.daemon.write_config(&config("enforce", "off"))?;
    stage.daemon.signal(Signal::SIGHUP)?;
    let good = stage.becomes(taken, &[], |now| now == 1);
    report.check("the same by SIGHUP", taken, refused && good && stage.blocks_hold());
    Ok(())
}

fn interface_down(stage: &Stage, report: &mut Report) -> Result<()> {
    let (up, of_it) = ("sensor_interface_up", [("interface", INTERFACE)]);
    stage.net.server.ip(&format!("link set {INTERFACE} down\n"))?;
    let told = stage.becomes(up, &of_it, |now| now == 0);
    stage.net.server.ip(&format!("link set {INTERFACE} up\n"))?;
    stage::route(&stage.net)?;
    let back = stage.becomes(up, &of_it, |now| now == 1);
    stage.flows()?;
    report.check("the interface goes down and up", up, told && back && stage.blocks_hold());
    Ok(())
}

fn interface_gone(stage: &Stage, report: &mut Report) -> Result<()> {
    let (up, again) = ("sensor_interface_up", "sensor_interface_reattached_total");
    let of_it = [("interface", INTERFACE)];
    stage.net.disconnect()?;
    let told = stage.becomes(up, &of_it, |now| now == 0);
    stage.net.connect()?;
    stage::route(&stage.net)?;
    let back = stage.becomes(again, &of_it, |now| now == 1) && stage.becomes(up, &of_it, |now| now == 1);
    stage.flows()?;
    report.check("the interface is deleted and made again", again, told && back && stage.blocks_hold());
    Ok(())
}

fn full_ring(stage: &Stage, report: &mut Report) -> Result<()> {
    let (lost, labels) = ("sensor_mirror_lost_total", [("cause", "ring_full")]);
    let before = stage.sum(lost, &labels);
    // Until the ring is full, nothing can be asked of the daemon.
    stage.daemon.signal(Signal::SIGSTOP)?;
    let mut stopped = Duration::ZERO;
    let answered = stage.load.answered();
    let enough = || stage.load.answered() > answered + 40_000;
    while stopped < STOPPED || (!enough() && stopped < STOPPED * 8) {
        wait::pace_until(wait::now() + Duration::from_millis(100));
        stopped += Duration::from_millis(100);
    }
    let holds = stage.blocks_hold();
    stage.daemon.signal(Signal::SIGCONT)?;
    let told = stage.becomes(lost, &labels, |now| now > before);
    stage.flows()?;
    let found = format!("{lost}: {}", stage.sum(lost, &labels) - before);
    report.check("the consumer stands still, the ring is full", found, told && holds);
    Ok(())
}

fn full_disk(stage: &Stage, report: &mut Report) -> Result<()> {
    let (state, events) = ("sensor_state_write_errors_total", "sensor_event_write_errors_total");
    stage.fill_disk(true)?;
    let extra = load::blocked(200).to_string();
    stage.daemon.ok(&["block", "add", &extra, "--for", "2h"])?;
    // A change that fits into the space of the version it replaces is stored; any other is reported.
    let file = stage.daemon.state_dir().join("commands.json");
    let is_kept = || fs::read_to_string(&file).is_ok_and(|text| text.contains(&extra));
    let told = is_kept() || stage.becomes(state, &[], |now| now > 0);
    let events_told = stage.becomes(events, &[], |now| now > 0);
    let in_force = !stage.is_answered(load::blocked(200));
    stage.fill_disk(false)?;
    let errors = stage.sum(state, &[]);
    stage.daemon.ok(&["block", "remove", &extra])?;
    let healed = stage.becomes("sensor_events_waiting", &[], |now| now == 0);
    ensure!(stage.sum(state, &[]) == errors, "the state file cannot be written though there is room again");
    let found = format!("{state}: {errors}, {events}: {}", stage.sum(events, &[]));
    report.check("the disk is full, and has room again", found, told && events_told && in_force && healed);
    Ok(())
}
