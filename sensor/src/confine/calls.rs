//! Which system calls a running daemon may make.
//!
//! Three filters, of which the kernel takes the strictest answer. Calls that only an intruder would make end the
//! process: a compromised daemon is better dead, and the kernel enforces the last policy. Calls that a library may make
//! without need fail with `EPERM`, and their numbers appear in the kernel's log. `clone3` fails with `ENOSYS`, because
//! its arguments lie in memory, where no filter can look; the C library falls back to `clone`.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use nix::libc;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

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

/// Other programs, other processes' memory, other users, mounts, namespaces, the kernel itself.
const FATAL: &[libc::c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_personality,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_clock_settime,
    libc::SYS_settimeofday,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
];

/// Allowed whatever the arguments.
const PLAIN: &[libc::c_long] = &[
    // Files, within what Landlock allows.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_preadv,
    libc::SYS_pwritev,
    libc::SYS_preadv2,
    libc::SYS_pwritev2,
    libc::SYS_lseek,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_fcntl,
    libc::SYS_flock,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync_file_range,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_copy_file_range,
    libc::SYS_fadvise64,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_linkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_fchmod,
    libc::SYS_fchown,
    libc::SYS_umask,
    // Memory.
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_mlock,
    libc::SYS_msync,
    libc::SYS_brk,
    libc::SYS_membarrier,
    // Threads, signals, time.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_set_tid_address,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getscheduler,
    libc::SYS_getcpu,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_gettimeofday,
    // Waiting.
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_pipe2,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime,
    // Existing sockets. No new one may listen.
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvmmsg,
    libc::SYS_shutdown,
    // Properties of the process and its host.
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getresuid,
    libc::SYS_getresgid,
    libc::SYS_getgroups,
    libc::SYS_capget,
    libc::SYS_getrusage,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_getrandom,
];

/// What the process that looks at others may call.
const LOOKING: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    libc::SYS_ppoll,
    libc::SYS_accept4,
    libc::SYS_getsockopt,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_geteuid,
    libc::SYS_getrandom,
    // The C library's names for some of these, on x86-64.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
];

/// Calls that exist only on this architecture, and that its C library makes.
#[cfg(target_arch = "x86_64")]
const PLAIN_HERE: &[libc::c_long] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_link,
    libc::SYS_rename,
    libc::SYS_dup2,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_wait,
    libc::SYS_accept,
    libc::SYS_time,
    libc::SYS_getrlimit,
    libc::SYS_arch_prctl,
];

#[cfg(not(target_arch = "x86_64"))]
const PLAIN_HERE: &[libc::c_long] = &[];
