//! Giving up privileges: installing a filter of system calls, and querying the kernel's Landlock version.
#![expect(unsafe_code, reason = "system calls")]

use std::io;

use nix::libc;
use seccompiler::sock_filter;

/// Puts every thread of this process, and those it starts, under a filter, in addition to existing filters. If it
/// `logs`, refused calls are recorded in the kernel's log, as far as the sysctl `kernel.seccomp.actions_logged` allows.
///
/// # Errors
/// If the kernel refuses.
pub fn install_filter(filter: &[sock_filter], logs: bool) -> io::Result<()> {
    let len = u16::try_from(filter.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len, filter: filter.as_ptr().cast::<libc::sock_filter>().cast_mut() };
    let log = if logs { libc::SECCOMP_FILTER_FLAG_LOG } else { 0 };
    let flags = log | libc::SECCOMP_FILTER_FLAG_TSYNC;
    let mode = libc::c_long::from(libc::SECCOMP_SET_MODE_FILTER);
    // SAFETY: the program and its instructions, which have the kernel's layout, live until this returns, and the kernel
    // only reads them.
    let done = unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program) };
    match done {
        0 => Ok(()),
        // The ID of a thread that has a filter of its own, which the others lack.
        thread if thread > 0 => Err(io::Error::other(format!("thread {thread} has a filter of its own"))),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The kernel's Landlock version; 0 if it has none, or has it switched off.
#[must_use]
pub fn landlock_version() -> u32 {
    const VERSION: libc::c_ulong = 1;
    let nothing = std::ptr::null::<libc::c_void>();
    // SAFETY: with this flag the kernel takes no attributes and creates nothing (landlock_create_ruleset(2)).
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0_usize, VERSION) };
    u32::try_from(version).unwrap_or(0)
}
