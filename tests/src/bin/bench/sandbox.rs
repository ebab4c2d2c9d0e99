//! Isolation for everything that is attached, mounted or sent.

use std::thread;

use anyhow::{Context as _, Result, anyhow};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use sensor_tests::process::stay_on_one_cpu;

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
    // The flood's sender and receiver share it, so that the time that passes is the time that both took.
    stay_on_one_cpu()
}
