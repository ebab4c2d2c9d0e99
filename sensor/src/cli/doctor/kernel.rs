//! The kernel, and this process's rights.

use std::path::Path;

use super::finding::Finding;
use crate::confine::missing_in_landlock;
use crate::kernel::{can_close, landlock_version, probe};

/// Facts that everything else depends on.
pub(super) fn essentials() -> Vec<Finding> {
    let release = probe::kernel_release();
    let missing: Vec<String> = probe::missing_capabilities().iter().map(ToString::to_string).collect();
    let mut findings = vec![version(&release.text, release.version), privileges(&missing)];
    findings.extend(lockdown(probe::lockdown().as_deref()));
    findings
}

/// All findings.
pub(super) fn findings(pin_dir: &Path) -> Vec<Finding> {
    let mut findings = essentials();
    findings.push(memory_lock(probe::kernel_release().version));
    findings.push(compiler(probe::has_jit()));
    findings.push(type_information(probe::has_btf()));
    findings.push(pins(pin_dir, probe::is_bpffs(pin_dir)));
    findings.push(sandbox(landlock_version()));
    findings.push(syn_cookies(probe::syn_cookies()));
    findings.push(connections(can_close()));
    findings
}

/// What `decide.close_connections` can do here.
fn connections(can_close: bool) -> Finding {
    if can_close {
        return Finding::good("blocks can end open connections (bpf_sock_destroy)");
    }
    Finding::note(
        "blocks do not end open connections (`decide.close_connections`): the server does, after its own time-out",
        "run Linux 6.5 or later, built with CONFIG_DEBUG_INFO_BTF=y",
    )
}

/// What `limits.syn_cookies` can do here.
fn syn_cookies(setting: Option<u8>) -> Finding {
    match setting {
        Some(2..) => Finding::good("SYN cookies of the XDP program are accepted (net.ipv4.tcp_syncookies=2)"),
        Some(1) => Finding::note(
            "`limits.syn_cookies` takes effect only while a listener's queue of half-open connections is full \
             (net.ipv4.tcp_syncookies=1)",
            "sysctl net.ipv4.tcp_syncookies=2, if `limits.syn_cookies` is `auto`",
        ),
        Some(0) | None => Finding::note(
            "`limits.syn_cookies` has no effect: the kernel accepts no SYN cookies",
            "sysctl net.ipv4.tcp_syncookies=2, if `limits.syn_cookies` is `auto`",
        ),
    }
}

fn version(release: &str, version: (u32, u32)) -> Finding {
    let missing = probe::missing_features(version);
    if missing.is_empty() {
        return Finding::good(format!("kernel {release}"));
    }
    Finding::problem(format!("kernel {release} lacks {}", missing.join(", ")), "run Linux 6.1 or later")
}

fn privileges(missing: &[String]) -> Finding {
    if missing.is_empty() {
        return Finding::good("privileges to load, attach and pin BPF programs");
    }
    Finding::problem(
        format!("missing privileges: {}", missing.join(", ")),
        "run as root; in a container, add these capabilities to it",
    )
}

fn lockdown(mode: Option<&str>) -> Option<Finding> {
    let what = format!("kernel lockdown in {} mode refuses BPF", mode?);
    Some(Finding::problem(what, "boot with lockdown=integrity or none"))
}

/// From 5.11 on, memory of BPF maps counts for the process's control group and not against `RLIMIT_MEMLOCK`.
fn memory_lock(version: (u32, u32)) -> Finding {
    if version >= (5, 11) {
        return Finding::good("BPF maps need no RLIMIT_MEMLOCK (since Linux 5.11)");
    }
    Finding::problem(
        "BPF maps count against RLIMIT_MEMLOCK, which is far too low by default",
        "run Linux 6.1 or later; on an older kernel, set LimitMEMLOCK=infinity in the unit",
    )
}

fn compiler(has_jit: bool) -> Finding {
    if has_jit {
        return Finding::good("BPF programs are compiled to machine code");
    }
    Finding::note(
        "BPF programs are interpreted, which is many times slower",
        "sysctl net.core.bpf_jit_enable=1",
    )
}

fn type_information(has_btf: bool) -> Finding {
    if has_btf {
        return Finding::good("kernel type information (BTF)");
    }
    Finding::note(
        "no kernel type information (BTF)",
        "the sensor works without it; tools show its maps in less detail. Kernels built with CONFIG_DEBUG_INFO_BTF=y \
         have it",
    )
}

fn pins(directory: &Path, is_bpffs: bool) -> Finding {
    let place = directory.display();
    if is_bpffs {
        return Finding::good(format!("BPF file system at {place}"));
    }
    Finding::note(
        format!("no BPF file system at {place} yet"),
        "`sensor run` mounts one; without it enforcement ends with the daemon",
    )
}

/// The daemon's sandbox after set-up; `sensor status` shows what is in force.
fn sandbox(landlock: u32) -> Finding {
    let missing = missing_in_landlock(landlock);
    if landlock == 0 {
        return Finding::note(
            "no Landlock: the daemon's sandbox is only its user, its unit and the system call filter",
            "use a kernel with CONFIG_SECURITY_LANDLOCK=y, and boot with `landlock` in `lsm=`",
        );
    }
    if missing.is_empty() {
        return Finding::good(format!("Landlock {landlock} for the daemon's sandbox"));
    }
    Finding::note(
        format!("Landlock {landlock} for the daemon's sandbox{missing}"),
        "Linux 6.12 or later supports all of it",
    )
}

#[cfg(test)]
mod tests {
    use super::super::finding::{Severity, check};
    use super::*;

    #[test]
    fn syn_cookies_take_the_kernels_consent() {
        use Severity::{Good, Note};
        check(&syn_cookies(Some(2)), Good, "accepted", "");
        check(&syn_cookies(Some(1)), Note, "only while a listener's queue", "tcp_syncookies=2");
        check(&syn_cookies(Some(0)), Note, "no effect", "tcp_syncookies=2");
        check(&syn_cookies(None), Note, "no effect", "tcp_syncookies=2");
        check(&connections(true), Good, "can end", "");
        check(&connections(false), Note, "do not end", "6.5");
    }

    #[test]
    fn facts_are_judged() {
        use Severity::{Good, Note, Problem};
        let place = Path::new("/sys/fs/bpf/sensor");
        let missing = ["CAP_BPF".to_owned(), "CAP_PERFMON".to_owned()];
        for (finding, severity, what, remedy) in [
            (version("6.1.0-13-amd64", (6, 1)), Good, "kernel 6.1.0-13-amd64", ""),
            (version("5.15.0", (5, 15)), Problem, "multi-buffer", "Linux 6.1 or later"),
            (privileges(&[]), Good, "privileges", ""),
            (privileges(&missing), Problem, "CAP_BPF, CAP_PERFMON", "run as root"),
            (lockdown(Some("confidentiality")).unwrap(), Problem, "confidentiality", "lockdown=integrity"),
            (memory_lock((6, 1)), Good, "no RLIMIT_MEMLOCK", ""),
            (memory_lock((5, 10)), Problem, "RLIMIT_MEMLOCK", "LimitMEMLOCK=infinity"),
            (compiler(true), Good, "compiled", ""),
            (compiler(false), Note, "interpreted", "bpf_jit_enable=1"),
            (type_information(true), Good, "BTF", ""),
            (type_information(false), Note, "no kernel type information", "CONFIG_DEBUG_INFO_BTF"),
            (pins(place, true), Good, "/sys/fs/bpf/sensor", ""),
            (sandbox(7), Good, "Landlock 7 for the daemon's sandbox", ""),
            (sandbox(3), Note, "neither TCP ports", "Linux 6.12"),
            (sandbox(0), Note, "no Landlock", "lsm="),
            (pins(place, false), Note, "no BPF file system", "mounts one"),
        ] {
            check(&finding, severity, what, remedy);
        }
        assert!(lockdown(None).is_none());
    }
}
