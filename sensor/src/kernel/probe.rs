//! Capabilities of this kernel and this process.

use std::fmt;
use std::fs;
use std::io;

use caps::{CapSet, Capability};

/// Oldest kernel that the object is tested on.
pub const OLDEST_KERNEL: (u32, u32) = (6, 1);

/// A kernel release, as printed by `uname -r`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Major and minor version.
    pub version: (u32, u32),
    /// The full text.
    pub text: String,
}

impl fmt::Display for Release {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

/// The running kernel; version 0.0 if its release cannot be parsed.
#[must_use]
pub fn kernel_release() -> Release {
    let text = nix::sys::utsname::uname()
        .map(|name| name.release().to_string_lossy().into_owned())
        .unwrap_or_default();
    Release { version: parse_version(&text).unwrap_or((0, 0)), text }
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let (major, rest) = text.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// What an older kernel lacks, each with the version that introduced it.
#[must_use]
pub fn missing_features(version: (u32, u32)) -> Vec<&'static str> {
    [
        ((5, 12), "atomic compare-and-exchange in BPF (5.12)"),
        ((5, 18), "XDP on multi-buffer frames (5.18)"),
        ((6, 1), "the verifier that the programs are tested with (6.1)"),
    ]
    .into_iter()
    .filter(|(needed, _)| version < *needed)
    .map(|(_, feature)| feature)
    .collect()
}

/// Capabilities that set-up needs: BPF to load, NET_ADMIN to attach, PERFMON for pointer arithmetic in the program, and
/// SYS_ADMIN only to mount a BPF file system.
pub const NEEDED: [Capability; 3] = [Capability::CAP_BPF, Capability::CAP_NET_ADMIN, Capability::CAP_PERFMON];

/// What it takes to look at the processes of others, see [`super::Lookout`].
pub const TO_LOOK: Capability = Capability::CAP_SYS_PTRACE;

/// Whether this process may.
#[must_use]
pub fn may_look() -> bool {
    caps::has_cap(None, CapSet::Effective, TO_LOOK).unwrap_or(false)
}

/// The needed capabilities that this process lacks.
#[must_use]
pub fn missing_capabilities() -> Vec<Capability> {
    NEEDED
        .into_iter()
        .filter(|capability| !caps::has_cap(None, CapSet::Effective, *capability).unwrap_or(false))
        .collect()
}

/// Drops every capability for good, for this thread and those it starts from now on.
///
/// # Errors
/// If the kernel refuses; the process must not go on then.
pub fn drop_capabilities() -> Result<(), caps::errors::CapsError> {
    // The bounding set first: shrinking it needs CAP_SETPCAP.
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
        caps::clear(None, CapSet::Bounding)?;
    }
    for set in [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        caps::clear(None, set)?;
    }
    Ok(())
}

/// Switches to another user with `change`, and keeps only these capabilities, which would otherwise be lost with root. No new
/// ones can be gained afterwards.
///
/// # Errors
/// If the kernel refuses; the process must not go on then.
pub fn keep_only(kept: &[Capability], change: impl FnOnce() -> nix::Result<()>) -> io::Result<()> {
    let kept = caps::CapsHashSet::from_iter(kept.iter().copied());
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).map_err(io::Error::other)? {
        caps::clear(None, CapSet::Bounding).map_err(io::Error::other)?;
    }
    nix::sys::prctl::set_keepcaps(true)?;
    change()?;
    nix::sys::prctl::set_keepcaps(false)?;
    // In this order: the effective ones have to be permitted at any time.
    for set in [CapSet::Effective, CapSet::Permitted] {
        caps::set(None, set, &kept).map_err(io::Error::other)?;
    }
    Ok(())
}

/// Whether a path lies on a BPF file system, where pins can be made.
#[must_use]
pub fn is_bpffs(path: &std::path::Path) -> bool {
    super::mount::is_bpffs(path)
}

/// Whether the kernel has type information (BTF), which tools such as bpftool use to show programs.
#[must_use]
pub fn has_btf() -> bool {
    fs::exists("/sys/kernel/btf/vmlinux").unwrap_or(false)
}

/// Whether BPF programs are compiled to machine code.
#[must_use]
pub fn has_jit() -> bool {
    fs::read_to_string("/proc/sys/net/core/bpf_jit_enable").map_or(true, |value| value.trim() != "0")
}

/// `net.ipv4.tcp_syncookies` of this network namespace, which holds for IPv6 as well; `None` in a kernel without them.
#[must_use]
pub fn syn_cookies() -> Option<u8> {
    fs::read_to_string("/proc/sys/net/ipv4/tcp_syncookies").ok()?.trim().parse().ok()
}

/// The lockdown mode, if it forbids BPF.
#[must_use]
pub fn lockdown() -> Option<String> {
    let text = fs::read_to_string("/sys/kernel/security/lockdown").ok()?;
    text.contains("[confidentiality]").then(|| "confidentiality".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(parse_version("6.1.0-13-amd64"), Some((6, 1)));
        assert_eq!(parse_version("6.12-rc1"), Some((6, 12)));
        assert_eq!(parse_version("nonsense"), None);
        assert!(missing_features((6, 1)).is_empty());
        assert_eq!(missing_features((5, 15)).len(), 2);
        assert_eq!(missing_features((5, 10)).len(), 3);
    }
}
