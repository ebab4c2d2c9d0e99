//! Commands of `bpf(2)` for which the loader's library has no function.
#![expect(unsafe_code, reason = "a system call")]

use std::io;

use nix::libc;

/// `BPF_MAP_CREATE`: creates a map.
pub(super) const MAP_CREATE: libc::c_long = 0;
/// `BPF_MAP_LOOKUP_ELEM`: reads an entry.
pub(super) const MAP_LOOKUP: libc::c_long = 1;
/// `BPF_MAP_UPDATE_ELEM`: writes one.
pub(super) const MAP_UPDATE: libc::c_long = 2;
/// `BPF_MAP_DELETE_ELEM`: removes one.
pub(super) const MAP_DELETE: libc::c_long = 3;
/// `BPF_ITER_CREATE`: begins a run of an iterator.
pub(super) const ITER_CREATE: libc::c_long = 33;
/// `BPF_PROG_LOAD`: loads a program.
pub(super) const PROG_LOAD: libc::c_long = 5;
/// `BPF_LINK_CREATE`: attaches one.
pub(super) const LINK_CREATE: libc::c_long = 28;
/// `BPF_OBJ_GET`: opens a pin.
pub(super) const OBJ_GET: libc::c_long = 7;
/// `BPF_MAP_LOOKUP_BATCH`: reads many entries of a map.
pub(super) const MAP_LOOKUP_BATCH: libc::c_long = 24;
/// `BPF_MAP_UPDATE_BATCH`: writes many.
pub(super) const MAP_UPDATE_BATCH: libc::c_long = 26;
/// `BPF_MAP_DELETE_BATCH`: removes many.
pub(super) const MAP_DELETE_BATCH: libc::c_long = 27;

/// Commands that a daemon uses after set-up: reading and writing its maps (1 to 4, 21, 24 to 27), attaching to an
/// interface that came back and pinning that link (6, 7, 15, 28, 29), and running the program that reads the clock
/// (10), and running the iterator that ends connections (33). Not included: loading a program (5), creating a map (0), and finding other processes' objects.
pub const COMMANDS_OF_A_RUNNING_DAEMON: [u32; 16] =
    [1, 2, 3, 4, 6, 7, 10, 15, 21, 24, 25, 26, 27, 28, 29, 33];

/// Has the kernel execute a command; `attributes` are as much of `union bpf_attr` as it reads and writes.
///
/// # Errors
/// If the kernel refuses.
///
/// # Safety
/// Every address among the attributes must be of memory that is as long as the command takes it for, that lives until
/// this returns, and that nobody else uses meanwhile.
pub(super) unsafe fn bpf<T>(command: libc::c_long, attributes: &mut T) -> io::Result<libc::c_long> {
    // SAFETY: the attributes are alive and exclusive to this call, and their length is given; the caller guarantees the
    // rest.
    let done = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attributes, size_of::<T>()) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(done) }
}

/// The answer of the kernel, or of a seccomp filter, to a command without attributes.
#[cfg(test)]
pub(crate) fn answer_to(command: libc::c_long) -> Option<i32> {
    let mut nothing = [0_u64; 16];
    // SAFETY: all-zero attributes contain no address.
    unsafe { bpf(command, &mut nothing) }.err().and_then(|error| error.raw_os_error())
}
