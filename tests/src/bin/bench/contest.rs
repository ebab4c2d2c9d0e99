//! Measuring programs side by side, one run of `BPF_PROG_TEST_RUN` after the other.

use anyhow::{Context as _, Result, ensure};
use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use sensor::kernel::Dataplane;
use sensor_common::abi::programs;
use serde::Deserialize;

use crate::command;

use crate::report::Report;

/// Length of a measurement.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// Whether this is just a quick look.
    pub(crate) quick: bool,
    /// Rounds of each measurement; the best one counts, since disturbance only ever adds.
    pub(crate) rounds: u32,
    /// Runs of a program in one round.
    pub(crate) runs: u32,
    /// Frames of a flood in one round.
    pub(crate) frames: u32,
    /// Rounds of a flood.
    pub(crate) floods: u32,
}

impl Effort {
    /// For a recorded result.
    pub(crate) const FULL: Self =
        Self { quick: false, rounds: 50, runs: 250_000, frames: 4_000_000, floods: 5 };
    /// For a quick look.
    pub(crate) const QUICK: Self =
        Self { quick: true, rounds: 5, runs: 250_000, frames: 1_000_000, floods: 1 };
}

/// What a program answers; the kernel's `XDP_PASS` and `XDP_DROP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// To the network stack.
    Pass = 2,
    /// Nowhere.
    Drop = 1,
}

impl Action {
    const ALL: [u32; 2] = [Self::Pass as u32, Self::Drop as u32];
}

/// A loaded program.
#[derive(Clone, Copy)]
pub(crate) enum Program<'a> {
    /// One of the benchmarks' own.
    Own(&'a Xdp),
    /// The sensor's.
    Sensor(&'a Dataplane),
    /// Somebody else's, by its number; bpftool runs it.
    Numbered(u32),
}

impl Program<'_> {
    /// Runs it on a frame; the last run's answer, and the kernel's mean time of a run in nanoseconds.
    pub(crate) fn run(self, frame: &[u8], runs: u32) -> Result<(u32, u64)> {
        match self {
            Self::Own(program) => {
                let options =
                    TestRunOptions { data_in: Some(frame), repeat: runs, ..TestRunOptions::default() };
                let result = program.test_run(options)?;
                Ok((result.return_value, u64::try_from(result.duration.as_nanos())?))
            }
            Self::Sensor(dataplane) => Ok(dataplane.run(programs::XDP, frame, runs)?),
            Self::Numbered(id) => run_numbered(id, frame, runs),
        }
    }
}

/// What bpftool prints.
#[derive(Deserialize)]
struct Ran {
    retval: u32,
    duration: u64,
}

fn run_numbered(id: u32, frame: &[u8], runs: u32) -> Result<(u32, u64)> {
    let (id, runs) = (id.to_string(), runs.to_string());
    let args = ["--json", "prog", "run", "id", &id, "data_in", "-", "repeat", &runs];
    let printed = command::run_with_input("bpftool", &args, frame)?;
    let ran: Ran = serde_json::from_str(&printed).with_context(|| format!("bpftool printed {printed}"))?;
    Ok((ran.retval, ran.duration))
}

/// A program on a frame.
pub(crate) struct Contestant<'a> {
    /// What it is called in the report.
    pub(crate) name: String,
    program: Program<'a>,
    frame: &'a [u8],
    action: Option<Action>,
}

impl<'a> Contestant<'a> {
    /// A program that must answer `action` to `frame`; `None` if either answer may come last.
    pub(crate) fn new(
        name: impl Into<String>,
        program: Program<'a>,
        frame: &'a [u8],
        action: impl Into<Option<Action>>,
    ) -> Self {
        Self { name: name.into(), program, frame, action: action.into() }
    }

    /// Nanoseconds of one run, the kernel's mean over `runs`.
    fn run(&self, runs: u32) -> Result<u32> {
        let (action, nanoseconds) = self.program.run(self.frame, runs)?;
        let is_expected = match self.action {
            Some(expected) => action == expected as u32,
            None => Action::ALL.contains(&action),
        };
        ensure!(is_expected, "{} answered {action} where {:?} was expected", self.name, self.action);
        Ok(u32::try_from(nanoseconds)?)
    }
}

/// Measures all of them in turn, round by round, so that what disturbs one disturbs all. The least time of
/// each, in nanoseconds; one more round than `effort` says runs beforehand, to warm up.
pub(crate) fn measure<const N: usize>(
    report: &mut Report,
    effort: Effort,
    contestants: [&Contestant<'_>; N],
) -> Result<[f64; N]> {
    for contestant in contestants {
        contestant.run(effort.runs)?;
    }
    let mut rounds = [const { Vec::new() }; N];
    for _ in 0..effort.rounds {
        for (contestant, times) in contestants.iter().zip(&mut rounds) {
            times.push(contestant.run(effort.runs)?);
        }
    }
    let least = rounds.each_ref().map(|times| f64::from(times.iter().copied().min().unwrap_or(0)));
    for (contestant, times) in contestants.iter().zip(rounds) {
        report.note_rounds(&contestant.name, times);
    }
    Ok(least)
}

/// Runs of one contestant in [`measure`].
pub(crate) const fn runs_of(effort: Effort) -> u64 {
    effort.runs as u64 * (effort.rounds as u64 + 1)
}
