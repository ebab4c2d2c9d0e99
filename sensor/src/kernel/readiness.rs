//! Awaits the rings that programs write to.
#![expect(unsafe_code, reason = "tokio's AsyncFd asks for a promise about the descriptor")]

use std::io;

use aya_log::EbpfLogger;
use tokio::io::unix::AsyncFd;

use super::load::Dataplane;
use super::notices::Notices;
use super::presence::LinkEvents;

/// Diagnostics of the eBPF programs, as `log` records once flushed.
pub type Diagnostics = EbpfLogger<&'static dyn log::Log>;

/// Notices, to be awaited.
///
/// # Errors
/// If the runtime refuses the descriptor.
pub fn watch_notices(notices: Notices) -> io::Result<AsyncFd<Notices>> {
    // SAFETY: `Notices` owns its ring buffer, and with it the descriptor, until it is dropped.
    unsafe { AsyncFd::register(notices) }.map_err(io::Error::from)
}

/// Interface changes, to be awaited.
///
/// # Errors
/// If the runtime refuses the descriptor.
pub fn watch_links(events: LinkEvents) -> io::Result<AsyncFd<LinkEvents>> {
    // SAFETY: `LinkEvents` owns its socket, and with it the descriptor, until it is dropped.
    unsafe { AsyncFd::register(events) }.map_err(io::Error::from)
}

/// The programs' own diagnostics, to be awaited; they end up in the daemon's log.
///
/// # Errors
/// If the object has none, or the runtime refuses the descriptor.
pub fn watch_diagnostics(dataplane: &mut Dataplane) -> io::Result<AsyncFd<Diagnostics>> {
    let logger = EbpfLogger::init(dataplane.ebpf()).map_err(io::Error::other)?;
    // SAFETY: the logger owns its ring buffer, and with it the descriptor, until it is dropped.
    unsafe { AsyncFd::register(logger) }.map_err(io::Error::from)
}
