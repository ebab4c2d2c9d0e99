//! Isolation for everything that is attached, mounted or sent.

use std::thread;

use anyhow::{Context as _, Result, anyhow};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, CpuSet, sched_getaffinity, sched_setaffinity, unshare};
use nix::unistd::Pid;

/// Where `xdp-filter` keeps its state.
const BPF_FILE_SYSTEM: &str = "/sys/fs/bpf";

/// Runs `work` in a thread with network and mount namespaces of its own, on one CPU.
///
/// The namespaces have no name. They end with the thread, however it ends, together with every interface, program, pin
/// and rule created there: there is nothing to clean up.
pub(crate) fn isolated<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let run = || enter().and_then(|()| work());
    thread::scope(|scope| scope.spawn(run).join())
        .map_err(|_panic| anyhow!("the measuring thread panicked"))?
}

fn enter() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)
        .context("making namespaces; this needs root")?;
    let nothing = None::<&str>;
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)
        .context("detaching the mount namespace")?;
    mount(Some("bpf"), BPF_FILE_SYSTEM, Some("bpf"), MsFlags::empty(), Some("mode=0700"))
        .context("mounting a BPF file system")?;
    stay_on_one_cpu()
}

/// The last one: the first gets most of a machine's interrupts. The flood's sender and receiver share it, so
/// that the time that passes is the time that both took.
fn stay_on_one_cpu() -> Result<()> {
    let this_thread = Pid::from_raw(0);
    let allowed = sched_getaffinity(this_thread).context("asking for the CPUs")?;
    let last = (0..CpuSet::count()).rev().find(|cpu| allowed.is_set(*cpu).unwrap_or(false));
    let mut chosen = CpuSet::new();
    chosen.set(last.context("no CPU is allowed")?)?;
    sched_setaffinity(this_thread, &chosen).context("choosing a CPU")
}
