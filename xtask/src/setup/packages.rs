//! What the tests and measurements run against: real servers, clients, firewalls and machines.

use anyhow::Error;

use super::apt;
use crate::outcome::Skip;
use crate::process;
use crate::progress::{self, Step};

/// A package of Debian, a program by which it is recognized elsewhere, and what cannot run without it.
struct Package {
    name: &'static str,
    program: &'static str,
    without: &'static str,
}

const fn package(name: &'static str, program: &'static str, without: &'static str) -> Package {
    Package { name, program, without }
}

const PACKAGES: &[Package] = &[
    package("iproute2", "ip", "every test in network namespaces"),
    package("ethtool", "ethtool", "traffic tests over veth pairs without an XDP program at both ends"),
    package("tcpdump", "tcpdump", "tests that compare with a packet capture"),
    package("tshark", "tshark", "comparisons with how tshark reads captures"),
    package("prometheus", "promtool", "the check of the metrics by promtool"),
    package("nftables", "nft", "comparisons with the packet filter"),
    package("nginx-light", "nginx", "end-to-end tests with a real server"),
    package("haproxy", "haproxy", "the test of the deny file with HAProxy"),
    package("systemd", "systemd-analyze", "checks of the systemd unit"),
    package("strace", "strace", "the check of the unit's system call filter"),
    package("skopeo", "skopeo", "the check of the container image by skopeo"),
    package("umoci", "umoci", "running the container image"),
    package(
        "python3-venv",
        "pyvenv",
        "the checks of manifests against the schemas of Kubernetes, and of the chart by Helm",
    ),
    package("npm", "npm", "the check of dashboards against Grafana's schema"),
    package("debootstrap", "debootstrap", "installing the package into a clean Debian"),
    package("tmux", "tmux", "the test of `sensor top` in a real terminal"),
    package("wrk", "wrk", "throughput measurements"),
    package("curl", "curl", "end-to-end tests with a real client"),
    package("python3", "python3", "end-to-end tests with another server"),
    package("chromium", "chromium", "the test of what pages of other sites make browsers send"),
    package("xdp-tools", "xdp-filter", "comparisons with xdp-filter"),
    package("bpftool", "bpftool", "checks of what the kernel has loaded"),
    package("busybox-static", "busybox", "tests on other kernels"),
    package("cpio", "cpio", "tests on other kernels"),
    package("xz-utils", "xz", "tests on kernels with compressed modules"),
    package("g++", "c++", "the fuzz targets"),
    package("zstd", "zstd", "tests on kernels with compressed modules"),
];

/// Only for Debian's compiler; rustup's nightly has its own as a component.
const CLIPPY: Package = package("rust-web-clippy", "cargo-clippy", "clippy of the eBPF programs");

/// Installs what is missing.
///
/// # Returns
///
/// What will not be tested: a machine without one of these packages can still test the rest.
pub(super) fn ensure() -> Vec<Skip> {
    let clippy = needs_clippy().then_some(&CLIPPY);
    let wanted: Vec<&Package> = PACKAGES.iter().chain(clippy).collect();
    let missing: Vec<&Package> = wanted.iter().copied().filter(|package| !package.is_there()).collect();
    if missing.is_empty() {
        progress::done(&format!("test tools: all {} packages", wanted.len()));
        return Vec::new();
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    let step = Step::start(&format!("installing test tools: {} (apt)", names.join(" ")));
    let skips = install(&missing);
    if skips.is_empty() {
        step.done(&format!("installed test tools: {}", names.join(" ")));
    }
    skips
}

fn needs_clippy() -> bool {
    apt::available() && sensor_toolchain::find_compiler().is_ok_and(|compiler| compiler.has_prebuilt_core())
}

impl Package {
    fn is_there(&self) -> bool {
        if apt::available() { apt::installed(self.name) } else { process::in_path(self.program).is_some() }
    }

    fn skip(&self, error: &Error) -> Skip {
        Skip::new(self.without, format!("package {} could not be installed: {error:#}", self.name))
    }
}

/// All at once, which is quick; one by one only when that fails, so that one package that this release
/// does not have costs no other.
fn install(missing: &[&Package]) -> Vec<Skip> {
    if let Err(error) = apt::update() {
        return missing.iter().map(|package| package.skip(&error)).collect();
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    if apt::install_listed(&names).is_ok() {
        return Vec::new();
    }
    let one_by_one = missing.iter().map(|package| (package, apt::install_listed(&[package.name])));
    one_by_one.filter_map(|(package, result)| result.err().map(|error| package.skip(&error))).collect()
}
