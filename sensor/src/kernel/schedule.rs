//! Scheduling policy of a thread.
#![expect(unsafe_code, reason = "a system call")]

use std::io;

use nix::libc;

/// Keeps the calling thread from preempting whatever runs on a CPU when work arrives: it waits until that thread
/// sleeps, its slice ends or another CPU is idle, and then gets its fair share (`SCHED_BATCH`, sched(7)).
///
/// # Errors
/// If the kernel or a filter of system calls refuses.
pub fn never_preempt() -> io::Result<()> {
    // SAFETY: queries the calling thread, and touches no memory. A service manager may have set this already, and not
    // allow setting it again.
    if unsafe { libc::sched_getscheduler(0) } == libc::SCHED_BATCH {
        return Ok(());
    }
    // SAFETY: all zeroes is a valid value of this type.
    let parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    // SAFETY: the parameters live until this returns; 0 is the calling thread.
    let done = unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameters) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_kernel_knows_the_policy() {
        // proc_pid_stat(5): field 41 is the policy; fields are counted from 3 after the name.
        let policy = || {
            let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
            let (_, fields) = stat.rsplit_once(") ").unwrap();
            fields.split(' ').nth(41 - 3).unwrap().parse::<i32>().unwrap()
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(policy(), libc::SCHED_OTHER);
                never_preempt().unwrap();
                assert_eq!(policy(), libc::SCHED_BATCH);
            });
        });
    }
}
