//! Which system calls a running daemon may make.
//!
//! Three filters, of which the kernel takes the strictest answer. Calls that only an intruder would make end the
//! process: a compromised daemon is better dead, and the kernel enforces the last policy. Calls that a library may make
//! without need fail with `EPERM`, and their numbers appear in the kernel's log. `clone3` fails with `ENOSYS`, because
//! its arguments lie in memory, where no filter can look; the C library falls back to `clone`.

mod lists;

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use nix::libc;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use self::lists::{FATAL, LOOKING, PLAIN, PLAIN_HERE};
use super::Reach;
use crate::kernel::{self, COMMANDS_OF_A_RUNNING_DAEMON};

/// Why the filters are not in force.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallsError {
    #[error("the filter cannot be made: {0}")]
    Filter(#[from] BackendError),
    #[error("the kernel refuses it: {0}")]
    Kernel(#[from] std::io::Error),
}

/// Puts all threads under the filters.
pub(super) fn restrict(reach: &Reach) -> Result<(), CallsError> {
    kernel::install_filter(&fatal()?, true)?;
    // Every thread starts with that call: logging it would be noise.
    kernel::install_filter(&unknown()?, false)?;
    // The list comes last: it does not allow installing another filter.
    Ok(kernel::install_filter(&allowed(reach)?, true)?)
}

/// Puts this process under the filters of one that looks at other processes and hands over open files.
pub(super) fn restrict_to_look() -> Result<(), CallsError> {
    kernel::install_filter(&fatal()?, true)?;
    kernel::install_filter(&unknown()?, false)?;
    Ok(kernel::install_filter(&allowed_to_look()?, true)?)
}

type Rules = BTreeMap<libc::c_long, Vec<SeccompRule>>;

fn compile(rules: Rules, otherwise: SeccompAction, then: SeccompAction) -> Result<BpfProgram, BackendError> {
    SeccompFilter::new(rules, otherwise, then, ARCH.try_into()?)?.try_into()
}

fn errno(number: libc::c_int) -> SeccompAction {
    SeccompAction::Errno(number.unsigned_abs())
}

fn whole(calls: &[libc::c_long]) -> Rules {
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

fn fatal() -> Result<BpfProgram, BackendError> {
    compile(whole(FATAL), SeccompAction::Allow, SeccompAction::KillProcess)
}

fn unknown() -> Result<BpfProgram, BackendError> {
    compile(whole(&[libc::SYS_clone3]), SeccompAction::Allow, errno(libc::ENOSYS))
}

fn allowed(reach: &Reach) -> Result<BpfProgram, BackendError> {
    let mut rules = whole(PLAIN);
    rules.extend(whole(PLAIN_HERE));
    // The other filters decide about these.
    rules.extend(whole(FATAL));
    rules.extend(whole(&[libc::SYS_clone3]));
    rules.extend(of_processes()?);
    rules.extend(of_memory()?);
    rules.extend(of_kernel()?);
    rules.insert(libc::SYS_socket, sockets(reach)?);
    compile(rules, errno(libc::EPERM), SeccompAction::Allow)
}

/// Reading, waiting, and its socket: it opens nothing to write, and makes nothing.
fn allowed_to_look() -> Result<BpfProgram, BackendError> {
    let mut rules = whole(LOOKING);
    rules.extend(whole(FATAL));
    rules.extend(whole(&[libc::SYS_clone3]));
    rules.extend(of_memory()?);
    let changes = bits(libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC);
    rules.insert(libc::SYS_openat, vec![when(vec![masked(2, changes, bits(libc::O_RDONLY))?])?]);
    compile(rules, errno(libc::EPERM), SeccompAction::Allow)
}

/// Argument `number`, masked, equals a value.
fn masked(number: u8, mask: u64, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(number, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(mask), value)
}

/// Argument `number`, of 32 bits, equals a value.
fn is(number: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(number, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn when(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions)
}

fn one_of(number: u8, values: impl IntoIterator<Item = u64>) -> Result<Vec<SeccompRule>, BackendError> {
    values.into_iter().map(|value| when(vec![is(number, value)?])).collect()
}

fn bits(flags: libc::c_int) -> u64 {
    u64::from(flags.cast_unsigned())
}

/// Threads, but no processes and no namespaces; signals only to itself.
fn of_processes() -> Result<Rules, BackendError> {
    let namespaces = libc::CLONE_NEWNS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET;
    let thread = libc::CLONE_VM | libc::CLONE_THREAD;
    let own = u64::from(std::process::id());
    // Names of threads and of memory; capability bounds, which glibc and others read.
    let prctl = [libc::PR_SET_NAME, libc::PR_GET_NAME, libc::PR_SET_VMA, libc::PR_GET_DUMPABLE];
    Ok(Rules::from([
        (libc::SYS_clone, vec![when(vec![masked(0, bits(namespaces | thread), bits(thread))?])?]),
        (libc::SYS_tgkill, one_of(0, [own])?),
        (libc::SYS_prctl, one_of(0, prctl.map(bits))?),
        (libc::SYS_sched_setscheduler, one_of(1, [bits(libc::SCHED_BATCH)])?),
        // Limits may be read, not set.
        (libc::SYS_prlimit64, vec![when(vec![masked(2, u64::MAX, 0)?])?]),
    ]))
}

/// Writable memory is not executable. The only executable mappings are libraries, which the name resolver loads.
fn of_memory() -> Result<Rules, BackendError> {
    let (write, exec) = (bits(libc::PROT_WRITE), bits(libc::PROT_EXEC));
    Ok(Rules::from([
        (libc::SYS_mmap, vec![when(vec![masked(2, exec, 0)?])?, when(vec![masked(2, write, 0)?])?]),
        (libc::SYS_mprotect, vec![when(vec![masked(2, exec, 0)?])?]),
    ]))
}

/// `FIONREAD`, `FIONBIO`, `FIOCLEX`, whether a descriptor is a terminal, an interface's index and name, and what of a
/// connection's data is not acknowledged (`SIOCOUTQ`).
const CONTROLS: [u64; 7] = [0x541b, 0x5421, 0x5451, 0x5401, 0x8933, 0x8910, 0x5411];

fn of_kernel() -> Result<Rules, BackendError> {
    Ok(Rules::from([
        (libc::SYS_bpf, one_of(0, COMMANDS_OF_A_RUNNING_DAEMON.map(u64::from))?),
        (libc::SYS_ioctl, one_of(1, CONTROLS)?),
        (libc::SYS_socketpair, one_of(0, [bits(libc::AF_UNIX)])?),
    ]))
}

/// Flags that may be combined with a socket's type.
const KIND: u64 = 0xf;

/// Sockets to the service manager and for user names; for interfaces, routes and listening sockets. To other hosts only
/// if alerts are sent to one.
fn sockets(reach: &Reach) -> Result<Vec<SeccompRule>, BackendError> {
    let mut rules = one_of(0, [bits(libc::AF_UNIX)])?;
    for protocol in [libc::NETLINK_ROUTE, libc::NETLINK_SOCK_DIAG] {
        rules.push(when(vec![is(0, bits(libc::AF_NETLINK))?, is(2, bits(protocol))?])?);
    }
    if reach.ports.is_empty() {
        return Ok(rules);
    }
    // The resolver uses datagrams.
    for (kind, protocol) in [(libc::SOCK_STREAM, libc::IPPROTO_TCP), (libc::SOCK_DGRAM, libc::IPPROTO_UDP)] {
        for family in [libc::AF_INET, libc::AF_INET6] {
            for protocol in [libc::IPPROTO_IP, protocol] {
                let kind = masked(1, KIND, bits(kind))?;
                rules.push(when(vec![is(0, bits(family))?, kind, is(2, bits(protocol))?])?);
            }
        }
    }
    Ok(rules)
}
