//! `sensor replay`: capture files and access logs through the daemon's pipeline, with their own timestamps.

mod summary;

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use zeroize::Zeroizing;

use summary::Summary;

use super::args::ReplayArgs;
use super::check::problems_of;
use super::posture;
use super::say::{Out, SayError, complain, stdout};
use super::watch::Watch;
use crate::capture::file::{CaptureFile, FileCounters, FileError, Passed};
use crate::capture::keylog::{KeyLog, KeyLogCounters};
use crate::capture::log::{Layout, LogCounters, LogFile};
use crate::clock::Timestamp;
use crate::control::wire::PostureReport;
use crate::daemon::{Config, ConfigSource, KeyError, read_key};
use crate::decide::Alert;
use crate::event::{Event, Exchange, Held, Http2Abuse};
use crate::identity::Key;
use crate::pipeline::{Observer, Pipeline};
use crate::posture::{Ask, Documented, draft, report};
use crate::store::Unfit;
use crate::tls;

/// How often, in capture time, time passes for detectors.
const TICK: Duration = Duration::from_secs(1);

/// The key used if no installation's can be read: it makes hashes comparable between replays, and hides nothing from
/// anybody who has this program.
const PUBLIC_KEY: [u8; 32] = *b"sensor replay without a key file";

/// Runs the command.
pub(super) fn replay(args: &ReplayArgs, json: bool) -> Result<ExitCode> {
    let source = ConfigSource { file: args.config.clone(), ..ConfigSource::default() };
    let mut config = match source.load() {
        Ok(config) => config,
        Err(problems) => return Ok(problems_of(&problems)),
    };
    // If a table is full, evictions must not depend on the process.
    config.sense.pipeline.streams.seed = Some(0);
    config.sense.pipeline.tls =
        tls::Config { has_source: true, keeps_secrets: true, secrets: 1 << 20, ..config.sense.pipeline.tls };
    let out = stdout();
    let format = match (args.exchanges, json) {
        (false, _) => Format::None,
        (true, false) => Format::Text,
        (true, true) => Format::Json,
    };
    let shows_posture = args.posture || args.written.is_any();
    let watch = (!args.exchanges && !shows_posture).then(|| Watch::new(&config));
    let printer = Printer { out, format, watch, json, failure: None };
    let mut pipeline = Pipeline::new(&config.sense.pipeline, &key(&config), printer)?;
    for path in &args.keylog {
        read_keylog(path, &mut pipeline)?;
    }
    let mut summary = Summary::default();
    let mut failure = None;
    let mut ticked = Timestamp::default();
    for path in &args.files {
        let times = (&mut summary.last, &mut ticked);
        if let Some(layout) = &args.log {
            let counters = read_log((path, layout), &mut pipeline, times)?;
            summary.add_log(&counters);
            continue;
        }
        let counters = read(path, &mut pipeline, times, &mut failure);
        summary.add(&counters);
        if failure.is_some() {
            break;
        }
    }
    pipeline.finish(summary.last);
    pipeline.observer_mut().advance(summary.last);
    summary.conclude(&pipeline);
    summary.alerts = pipeline.observer().watch.as_ref().map_or(0, Watch::alerts);
    let printer = pipeline.observer_mut();
    let flushed = printer.out.flush();
    let failed = printer.failure.take().or(flushed.err());
    match failed {
        Some(error) => return Err(SayError::from(error)).context("writing exchanges"),
        None => summary.print(args.exchanges || shows_posture, json)?,
    }
    if shows_posture {
        show_posture(args, json, &config, (&pipeline, summary.last))?;
    }
    match failure {
        Some(error) => Err(error.into()),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Prints what the API looks like from outside.
fn show_posture(
    args: &ReplayArgs,
    json: bool,
    config: &Config,
    (pipeline, now): (&Pipeline<Printer<impl Write>>, Timestamp),
) -> Result<()> {
    let operations = config.sense.openapi.is_some().then(|| Documented::new(config.sense.operations.clone()));
    let ask = Ask { documented: operations.as_ref(), ..Ask::default() };
    let snapshot = pipeline.inventory().snapshot(now);
    let openapi = args.written.openapi.is_some().then(|| draft(&snapshot, &ask));
    let answer = PostureReport { report: report(&snapshot, &ask), openapi };
    posture::show(&answer, &args.written, json)
}

/// Reads all secrets of a key log.
fn read_keylog(path: &Path, pipeline: &mut Pipeline<Printer<impl Write>>) -> Result<()> {
    let mut learn = |secret| {
        let _nobody_waits = pipeline.secret(secret, Timestamp::default());
    };
    let mut file = File::open(path).with_context(|| format!("opening the key log {}", path.display()))?;
    let (mut log, mut buffer) = (KeyLog::default(), Zeroizing::new(vec![0; 1 << 16]));
    loop {
        match file.read(&mut buffer).with_context(|| format!("reading the key log {}", path.display()))? {
            0 => break,
            count => log.read(buffer.get(..count).unwrap_or_default(), &mut learn),
        }
    }
    log.finish(learn);
    let KeyLogCounters { secrets, malformed } = log.counters();
    if secrets == 0 {
        bail!("{}: no secrets in it; expected a key log in NSS format", path.display());
    }
    if malformed > 0 {
        complain(format!("sensor: {}: skipped {malformed} lines without a valid secret", path.display()));
    }
    Ok(())
}

fn key(config: &Config) -> Key {
    read_key(&config.paths.state_dir).unwrap_or_else(|error| {
        // It may not exist without a daemon, and only root can read it: both are usual.
        if !matches!(error, KeyError::Missing(_) | KeyError::Unfit { source: Unfit::Io(_), .. }) {
            complain(format!("sensor: {error}; principals are hashed with a well-known key"));
        }
        Key::from_bytes(PUBLIC_KEY)
    })
}

/// Reads a file to its end, or to the point where it becomes unreadable.
fn read(
    path: &Path,
    pipeline: &mut Pipeline<Printer<impl Write>>,
    (last, ticked): (&mut Timestamp, &mut Timestamp),
    failure: &mut Option<FileError>,
) -> FileCounters {
    let mut file = match CaptureFile::open(path) {
        Ok(file) => file,
        Err(error) => {
            *failure = Some(error);
            return FileCounters::default();
        }
    };
    let mut secrets = Vec::new();
    loop {
        match file.next_segment_and_secrets(&mut |secret| secrets.push(secret)) {
            Ok(Some(segment)) => {
                for secret in secrets.drain(..) {
                    let _instruction = pipeline.secret(secret, segment.time);
                }
                *last = segment.time.max(*last);
                let second = segment.time;
                // The file's content is fixed; there is nothing to instruct.
                let _instruction = pipeline.segment(&segment);
                if second.since(*ticked) >= TICK || second < *ticked {
                    *ticked = second;
                    pass(pipeline, second);
                }
            }
            Ok(None) => break,
            Err(error) => {
                *failure = Some(error);
                break;
            }
        }
        if pipeline.observer().failure.is_some() {
            break;
        }
    }
    let passed = file.counters().passed(Passed::LinkType);
    if let Some((number, name)) = file.unread_link() {
        complain(format!(
            "sensor: {}: skipped {passed} packets: link type {number} ({name}) is not supported",
            file.name()
        ));
    }
    *file.counters()
}

/// Lets time pass for connections and detectors.
fn pass(pipeline: &mut Pipeline<Printer<impl Write>>, now: Timestamp) {
    pipeline.advance(now);
    pipeline.observer_mut().advance(now);
}

/// Reads a log to its end.
fn read_log(
    (path, layout): (&Path, &Layout),
    pipeline: &mut Pipeline<Printer<impl Write>>,
    (last, ticked): (&mut Timestamp, &mut Timestamp),
) -> Result<LogCounters> {
    let reading = || format!("reading the access log {}", path.display());
    let mut file = LogFile::open(path, layout.clone()).with_context(reading)?;
    while let Some(recorded) = file.next_recorded().with_context(reading)? {
        let now = recorded.ended();
        *last = now.max(*last);
        pipeline.recorded(recorded);
        if now.since(*ticked) >= TICK {
            *ticked = now;
            pass(pipeline, now);
        }
        if pipeline.observer().failure.is_some() {
            break;
        }
    }
    let counters = *file.counters();
    if let Some((number, why)) = counters.first {
        let LogCounters { lines, unreadable, .. } = counters;
        if lines == unreadable {
            bail!("{}: none of {lines} lines could be read; of line {number}, {why}", path.display());
        }
        let which = format!("{unreadable} of {lines} lines; of line {number}, the first, {why}");
        complain(format!("sensor: {}: skipped {which}", path.display()));
    }
    Ok(counters)
}

enum Format {
    None,
    Text,
    Json,
}

/// Writes exchanges as they end.
struct Printer<W> {
    out: Out<W>,
    format: Format,
    /// If alerts are printed and not exchanges.
    watch: Option<Watch>,
    json: bool,
    failure: Option<io::Error>,
}

impl<W: Write> Printer<W> {
    fn advance(&mut self, now: Timestamp) {
        if let Some(watch) = &mut self.watch {
            let alerts = watch.advance(now);
            self.print(&alerts);
        }
    }

    fn write(&mut self, record: &Exchange<'_>) {
        let written = match self.format {
            Format::Text if self.failure.is_none() => self.out.text(&super::output::exchange(record)),
            Format::Json if self.failure.is_none() => self.out.json(record),
            Format::None | Format::Text | Format::Json => return,
        };
        self.failure = written.err();
    }

    fn print(&mut self, alerts: &[Alert]) {
        for alert in alerts {
            let written =
                if self.json { self.out.json(alert) } else { self.out.text(&super::alerts::line(alert)) };
            if let Err(error) = written {
                self.failure.get_or_insert(error);
            }
        }
    }
}

impl<W: Write> Observer for Printer<W> {
    fn websocket(&mut self, record: &Exchange<'_>) {
        self.write(record);
    }

    fn held(&mut self, held: &Held) {
        if let Some(watch) = &mut self.watch {
            let alerts = watch.observe(&Event::Held(held));
            self.print(&alerts);
        }
    }

    fn abuse(&mut self, abuse: &Http2Abuse) {
        if let Some(watch) = &mut self.watch {
            let alerts = watch.observe(&Event::Http2Abuse(abuse));
            self.print(&alerts);
        }
    }

    fn exchange(&mut self, exchange: &Exchange<'_>) {
        if self.failure.is_some() {
            return;
        }
        if let Some(watch) = &mut self.watch {
            let alerts = watch.observe(&Event::Exchange(exchange));
            self.print(&alerts);
        }
        self.write(exchange);
    }
}
