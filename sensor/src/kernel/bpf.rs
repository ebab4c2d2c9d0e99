//! Commands of `bpf(2)` that the loader's library has no call for.
#![expect(unsafe_code, reason = "a system call")]

use std::io;

use nix::libc;

/// `BPF_OBJ_GET`: opens a pin.
pub(super) const OBJ_GET: libc::c_long = 7;
/// `BPF_MAP_LOOKUP_BATCH`: reads many entries of a map.
pub(super) const MAP_LOOKUP_BATCH: libc::c_long = 24;

/// Has the kernel carry out a command; `attributes` are as much of `union bpf_attr` as it reads and writes.
///
/// # Errors
/// Where the kernel refuses.
///
/// # Safety
/// Every address among the attributes must be of memory that is as long as the command takes it for, that lives until
/// this returns, and that nobody else uses meanwhile.
pub(super) unsafe fn bpf<T>(command: libc::c_long, attributes: &mut T) -> io::Result<libc::c_long> {
    // SAFETY: the attributes live and are this call's alone, and their length is given; the caller answers for the rest.
    let done = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attributes, size_of::<T>()) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(done) }
}
