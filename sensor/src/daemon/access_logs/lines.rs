//! Lines on their way into the pipeline.

use std::path::Path;
use std::time::Duration;

use super::AccessLog;
use super::following::{AccessLogs, Batch};
use crate::capture::log::{Layout, MAX_LINE, Recorded, Unreadable};
use crate::clock::Timestamp;
use crate::control::wire::AccessLogReport;
use crate::pipeline::{Observer, Pipeline};
use crate::store::Damage;

/// Lines taken before segments have their turn again: about a millisecond.
const TURN: usize = 64;
/// Lines whose time is further than this from when they are read are counted, and not judged: what detectors would make
/// of them is old news, or their times are wrong.
const TIMELY: Duration = Duration::from_mins(15);

/// Reads lines with their log's format.
pub(in crate::daemon) struct Lines {
    logs: Vec<Log>,
    source: Option<AccessLogs>,
    current: Option<(Batch, usize)>,
    recorded: Recorded,
}

struct Log {
    layout: Layout,
    report: AccessLogReport,
    first: Option<Unreadable>,
}

impl Lines {
    /// Follows these logs.
    pub(in crate::daemon) fn start(
        logs: &[AccessLog],
        state_dir: &Path,
    ) -> anyhow::Result<(Self, Option<Damage>)> {
        let (source, damage) = match logs {
            [] => (None, None),
            _ => {
                let (source, damage) = AccessLogs::start(logs, state_dir)?;
                (Some(source), damage)
            }
        };
        let logs = logs.iter().map(|log| Log {
            layout: log.layout.clone(),
            report: AccessLogReport {
                path: log.path.display().to_string(),
                format: log.format.clone(),
                ..AccessLogReport::default()
            },
            first: None,
        });
        Ok((Self { logs: logs.collect(), source, current: None, recorded: Recorded::default() }, damage))
    }

    /// Gives the pipeline what waits, but for a moment only; how many lines that were.
    pub(in crate::daemon) fn take<O: Observer>(
        &mut self,
        pipeline: &mut Pipeline<O>,
        now: Timestamp,
    ) -> usize {
        let Some(source) = &self.source else { return 0 };
        let mut taken = 0_usize;
        while taken < TURN {
            if self.current.is_none() {
                self.current = source.next_batch().map(|batch| (batch, 0));
            }
            let Some((batch, place)) = &mut self.current else { break };
            let Some(log) = self.logs.get_mut(batch.log) else { break };
            let rest = batch.lines.get(*place..).unwrap_or_default();
            if let Some(end) = memchr::memchr(b'\n', rest) {
                *place = place.saturating_add(end).saturating_add(1);
                log.take(rest.get(..end).unwrap_or_default(), &mut self.recorded, pipeline, now);
            } else if let Some((batch, _)) = self.current.take() {
                log.refuse(batch.refused, Unreadable::TooLong);
                source.is_done(batch.log, batch.positions);
            }
            taken = taken.saturating_add(1);
        }
        taken
    }

    /// What is known of each log.
    pub(in crate::daemon) fn report(&self) -> Vec<AccessLogReport> {
        let states = self.source.as_ref().map(AccessLogs::states).unwrap_or_default();
        let told = self.logs.iter().zip(states).map(|(log, state)| {
            let AccessLogReport { lines, refused, untimely, .. } = log.report;
            let unread = log.first.filter(|_| lines > 0 && lines == refused);
            let mistimed = lines > 0 && lines == untimely;
            AccessLogReport {
                rotations: state.turns.rotations,
                truncations: state.turns.truncations,
                gaps: state.turns.gaps,
                unread_bytes: state.unread,
                is_readable: state.trouble.is_none(),
                trouble: state
                    .trouble
                    .or_else(|| unread.map(|why| format!("no line could be read: of the first, {why}")))
                    .or_else(|| mistimed.then(|| "no line has a time near the present".to_owned())),
                ..log.report.clone()
            }
        });
        told.collect()
    }
}

impl Log {
    fn refuse(&mut self, count: u64, why: Unreadable) {
        if count > 0 {
            self.report.lines = self.report.lines.saturating_add(count);
            self.report.refused = self.report.refused.saturating_add(count);
            self.first.get_or_insert(why);
        }
    }

    fn take<O: Observer>(
        &mut self,
        line: &[u8],
        recorded: &mut Recorded,
        pipeline: &mut Pipeline<O>,
        now: Timestamp,
    ) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // What a writer without O_APPEND leaves in front of a line when its file is truncated under it.
        let start = line.iter().position(|byte| *byte != 0).unwrap_or(line.len());
        let line = line.get(start..).unwrap_or_default();
        if line.is_empty() {
            return;
        }
        if line.len() > MAX_LINE {
            return self.refuse(1, Unreadable::TooLong);
        }
        if let Err(why) = self.layout.read(line, recorded) {
            return self.refuse(1, why);
        }
        let report = &mut self.report;
        report.lines = report.lines.saturating_add(1);
        let ended = recorded.ended();
        if now.since(ended).max(ended.since(now)) > TIMELY {
            report.untimely = report.untimely.saturating_add(1);
            return;
        }
        recorded.is_over_by(now);
        let before = pipeline.totals().seen_twice;
        pipeline.recorded(recorded);
        let again = pipeline.totals().seen_twice.saturating_sub(before);
        report.seen_twice = report.seen_twice.saturating_add(again);
        report.last = Some(ended);
    }
}
