//! `sensor selftest`: this program, on this host's kernel, against an attack that only it sees.
//!
//! A thread moves into new namespaces and runs the daemon, a server and its clients there. They have no names outside
//! and end with the process, however that ends: the daemon is killed with the thread that started it, and namespaces,
//! interfaces, mounts and pins disappear with the last process in them.

mod client;
mod network;
mod pace;
mod report;
mod server;
mod steps;
mod subject;

use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::say::{complain, say, say_json};
use crate::clock;
use report::{Check, Report};
use steps::News;

/// Time limit of the test; six seconds are usual.
const LONGEST: Duration = Duration::from_secs(20);

/// Runs the test, reports each check as it ends, and exits with 1 if one does not pass.
pub(super) fn selftest(json: bool) -> Result<ExitCode> {
    let start = clock::monotonic();
    let took = || clock::monotonic().saturating_sub(start);
    let (sender, news) = mpsc::channel();
    let test = thread::Builder::new().name("selftest".to_owned());
    let test = test.spawn(move || steps::run(&sender)).context("starting a thread")?;
    let mut report = Report::default();
    let show = |check: &Check| {
        // The test continues, and cleans up, whether or not anybody reads.
        if !json {
            say(check.text()).unwrap_or_default();
        }
    };
    loop {
        match news.recv_timeout(LONGEST.saturating_sub(took())) {
            Ok(News::Check(check)) => {
                show(&check);
                report.checks.push(check);
            }
            Ok(News::Log(log)) => report.log = log,
            Err(RecvTimeoutError::Timeout) => {
                let why = format!("not finished after {LONGEST:?}");
                show(&report.ended_early(why));
                break;
            }
            Err(RecvTimeoutError::Disconnected) => {
                if test.join().is_err() {
                    show(&report.ended_early("a thread of the test died".to_owned()));
                }
                break;
            }
        }
    }
    report.complete().iter().for_each(show);
    let passed = report.passed();
    if passed {
        report.log.clear();
    }
    if json {
        say_json(&report.document(took()))?;
    } else {
        say(format!("\n{}", report.verdict(took())))?;
        for line in &report.log {
            complain(line);
        }
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
