//! `sensor replay` on a large capture: the whole process, with every exchange written as JSON.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use sensor_tests::daemon;

use super::conversation::{self, Conversation, REQUEST, response};
use crate::clock::Stopwatch;
use crate::command;
use crate::contest::Effort;
use crate::report::{INSTRUCTIONS, PER_SECOND, Report, Target};

/// As it was measured of Suricata: 300 MB of keep-alive exchanges with nginx.
const EXCHANGES: u32 = 210_000;
const BODY: usize = 800;
const CONNECTIONS: u32 = 64;
const TARGET: f64 = 300_000.0;
/// Exchanges that callgrind counts the instructions of.
const COUNTED: u32 = 5_000;

/// Writes captures to a scratch directory in memory, replays them, and takes the best time.
pub(crate) fn measure(report: &mut Report, effort: Effort) -> Result<()> {
    let directory = tempfile::Builder::new().prefix("sensor-bench-").tempdir_in("/dev/shm")?;
    let file = directory.path().join("bench.pcap");
    let bytes = write_capture(&file, EXCHANGES)?;
    let out = directory.path().join("out.jsonl");
    let mut best = f64::MAX;
    for _ in 0..if effort.quick { 1 } else { 5 } {
        let stopwatch = Stopwatch::start();
        replay(&file, &out)?;
        best = best.min(stopwatch.elapsed().as_secs_f64());
    }
    let lines = fs::read(&out)?.iter().filter(|byte| **byte == b'\n').count();
    ensure!(lines == EXCHANGES as usize, "{lines} of {EXCHANGES} exchanges");
    let what = format!("replay --exchanges --json, {} MB, whole process", bytes / 1_000_000);
    let rate = f64::from(EXCHANGES) / best;
    report.compare(&what, (rate, PER_SECOND), ("target", TARGET), Some(Target::AtLeast(1.0)));
    count_instructions(report, directory.path())
}

fn replay(file: &Path, out: &Path) -> Result<()> {
    let mut replay = Command::new(daemon::binary()?);
    replay.args(["replay", "--exchanges", "--json"]).arg(file);
    let status = replay.stdout(File::create(out)?).stderr(Stdio::null()).status()?;
    ensure!(status.success(), "the replay failed");
    Ok(())
}

/// A pcap file with handshakes, requests, responses and the acknowledgements between them; its size.
fn write_capture(path: &Path, exchanges: u32) -> Result<u64> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    file.write_all(&[0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0])?;
    let response = response(BODY);
    let mut conversations: Vec<Conversation> = (0..CONNECTIONS).map(Conversation::new).collect();
    let mut frame = Vec::new();
    let mut failed = None;
    let mut write = |segment: &sensor::capture::Segment<'_>| {
        conversation::frame(segment, &mut frame);
        let nanoseconds = segment.time.unix_nanos();
        let part = |value: u64| u32::try_from(value).unwrap_or(0).to_le_bytes();
        let length = frame.len() as u64;
        let header = [
            part(nanoseconds / 1_000_000_000),
            part(nanoseconds % 1_000_000_000),
            part(length),
            part(length),
        ];
        failed =
            file.write_all(&header.concat()).and_then(|()| file.write_all(&frame)).err().or(failed.take());
    };
    conversations.iter_mut().for_each(|conversation| conversation.open(&mut write));
    for number in 0..exchanges {
        let turn = usize::try_from(number % CONNECTIONS)?;
        let conversation = conversations.get_mut(turn).context("no conversation")?;
        conversation.exchange(REQUEST, &response, &mut write);
    }
    failed.map_or(Ok(()), Err)?;
    file.flush()?;
    Ok(fs::metadata(path)?.len())
}

/// Instructions of one exchange: callgrind's count of a longer run less that of a shorter one. Each run is
/// kept, so that a regression shows over time.
fn count_instructions(report: &mut Report, directory: &Path) -> Result<()> {
    if !command::exists("valgrind") {
        report.note("valgrind IS NOT INSTALLED: instructions were not counted");
        return Ok(());
    }
    let mut counts = Vec::new();
    for exchanges in [COUNTED, COUNTED * 2] {
        let file = directory.join(format!("{exchanges}.pcap"));
        write_capture(&file, exchanges)?;
        counts.push(instructions(&file)?);
    }
    let [few, many] = counts[..] else { return Ok(()) };
    let each = (many - few) / f64::from(COUNTED);
    report.value("replay --exchanges --json, per exchange", each, INSTRUCTIONS);
    let history = history();
    if let Some(parent) = history.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut lines = File::options().append(true).create(true).open(&history)?;
    writeln!(lines, "{} {each:.0}", env!("CARGO_PKG_VERSION"))?;
    report.note(format!("instructions of every run so far are in {}", history.display()));
    Ok(())
}

fn history() -> PathBuf {
    PathBuf::from("target/bench/replay-instructions.history")
}

fn instructions(file: &Path) -> Result<f64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind.arg(daemon::binary()?).args(["replay", "--exchanges", "--json"]).arg(file);
    let output = valgrind.stdout(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let count = said.lines().find_map(|line| line.split_once("Collected : "));
    let (_, count) = count.with_context(|| format!("valgrind said {said}"))?;
    Ok(count.trim().parse()?)
}
