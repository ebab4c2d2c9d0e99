//! This process and others: what the kernel says of them, a name that no other one has, and where a thread runs.

use std::fs;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use sensor::clock;

/// A name for what only this process makes, such as a namespace. The ID of a process alone comes back: after a restart of
/// the machine's counter, and in a container that shares the directory.
#[must_use]
pub fn unique() -> &'static str {
    static NAME: LazyLock<String> =
        LazyLock::new(|| format!("{}-{:x}", std::process::id(), clock::monotonic().as_nanos()));
    &NAME
}

/// Has this thread, and those that it starts from now on, run on one CPU: the last one, for the first gets most of a
/// machine's interrupts. For what is counted or budgeted by CPU, and for measuring.
///
/// # Errors
/// If the kernel refuses.
pub fn stay_on_one_cpu() -> Result<()> {
    let this_thread = Pid::from_raw(0);
    let allowed = sched_getaffinity(this_thread).context("asking for the CPUs")?;
    let last = (0..CpuSet::count()).rev().find(|cpu| allowed.is_set(*cpu).unwrap_or(false));
    let mut chosen = CpuSet::new();
    chosen.set(last.context("no CPU is allowed")?)?;
    sched_setaffinity(this_thread, &chosen).context("choosing a CPU")
}

/// Resident memory in bytes.
///
/// # Errors
/// If there is no such process.
pub fn resident(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse::<u64>()? << 10)
}

/// Time that all threads of a process have run.
///
/// # Errors
/// If there is no such process.
pub fn used(pid: u32) -> Result<Duration> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // In nanoseconds.
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        sum += text.split_whitespace().next().context("an empty schedstat")?.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(sum))
}

/// The same of a process and of its children, such as nginx's workers.
///
/// # Errors
/// If there is no such process.
pub fn used_by_family(pid: u32) -> Result<Duration> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    children
        .split_whitespace()
        .try_fold(used(pid)?, |sum, child| Ok(sum.saturating_add(used(child.parse()?)?)))
}
