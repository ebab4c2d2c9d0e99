//! What the commands need of the machine besides Rust and the eBPF toolchain: the one list. `cargo xtask setup` installs
//! from it; the demonstration and the tests say by it what is missing.

/// What something is needed for. Each of these needs what stands before it as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Network namespaces with traffic between them: the demonstration, and most of what is tested and measured.
    Namespaces,
    /// One test or measurement or another.
    Tests,
}

/// A program.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// The package that has it, as Debian calls it.
    pub package: &'static str,
    /// The program, by which it is recognized where packages have other names.
    pub program: &'static str,
    /// The least that needs it.
    pub purpose: Purpose,
    /// What cannot run without it.
    pub without: &'static str,
}

const fn namespaces(package: &'static str, program: &'static str) -> Need {
    let without = "the demonstration, and every test in network namespaces";
    Need { package, program, purpose: Purpose::Namespaces, without }
}

const fn tests(package: &'static str, program: &'static str, without: &'static str) -> Need {
    Need { package, program, purpose: Purpose::Tests, without }
}

const ALL: &[Need] = &[
    namespaces("iproute2", "ip"),
    namespaces("util-linux", "nsenter"),
    namespaces("ethtool", "ethtool"),
    tests("util-linux", "setpriv", "tests of what the daemon may do"),
    tests("util-linux", "unshare", "tests in a clean Debian"),
    tests("util-linux", "chrt", "the test under a real-time scheduler"),
    tests("tcpdump", "tcpdump", "tests that compare with a packet capture"),
    tests("tshark", "tshark", "comparisons with how tshark reads captures"),
    tests("wireshark-common", "editcap", "captures with the secrets of TLS in them"),
    tests("prometheus", "promtool", "the check of the metrics by promtool"),
    tests("prometheus", "prometheus", "the test of alert rules and dashboards"),
    tests("prometheus-alertmanager", "prometheus-alertmanager", "the test of alerts in Alertmanager"),
    tests("nftables", "nft", "comparisons with the packet filter"),
    tests("nginx-light", "nginx", "end-to-end tests with a real server"),
    tests("apache2-bin", "apache2", "tests of HTTP/2 with Apache"),
    tests("haproxy", "haproxy", "tests with HAProxy"),
    tests("redis-server", "redis-server", "the tests of the fleet"),
    tests("crowdsec", "crowdsec", "the tests with CrowdSec"),
    tests("crowdsec", "cscli", "the tests with CrowdSec"),
    tests("rsyslog", "rsyslogd", "the tests of alerts by syslog"),
    // A library; by its package it is recognized anyway.
    tests("rsyslog-openssl", "lmnsd_ossl.so", "the tests of alerts by syslog over TLS"),
    tests("mount", "mount", "the tests of the container image and of names"),
    tests("skopeo", "skopeo", "the tests of the container image"),
    tests("umoci", "umoci", "the tests of the container image"),
    tests("npm", "npm", "the check of dashboards by Grafana's schema"),
    tests("nodejs", "node", "the check of dashboards by Grafana's schema, and TLS of Node.js"),
    tests("python3-pip", "pip3", "the check of the chart and the manifests by Kubernetes' schemas"),
    tests("qemu-user", "qemu-aarch64", "running the program for arm64"),
    tests("binutils", "readelf", "the container image"),
    tests("systemd", "systemd-analyze", "checks of the systemd unit"),
    tests("strace", "strace", "the check of the unit's system call filter"),
    tests("debootstrap", "debootstrap", "tests in a clean Debian"),
    tests("dpkg", "dpkg-deb", "installing the package"),
    tests("tmux", "tmux", "the test of `sensor top` in a real terminal"),
    tests("wrk", "wrk", "throughput measurements"),
    tests("curl", "curl", "end-to-end tests with a real client"),
    tests("wget", "wget", "end-to-end tests with a client that has no OpenSSL"),
    tests("nghttp2-client", "h2load", "tests of HTTP/2 with many streams"),
    tests("nghttp2-client", "nghttp", "tests of HTTP/2 with priorities"),
    tests("openssl", "openssl", "end-to-end tests with certificates"),
    tests("python3", "python3", "end-to-end tests with another server"),
    tests("chromium", "chromium", "the test of what pages of other sites make browsers send"),
    tests("xdp-tools", "xdp-filter", "comparisons with xdp-filter"),
    tests("bpftool", "bpftool", "checks of what the kernel has loaded"),
    tests("busybox-static", "busybox", "tests on other kernels"),
    tests("cpio", "cpio", "tests on other kernels"),
    tests("xz-utils", "xz", "tests on kernels with compressed modules"),
    tests("gcc", "cc", "tests with a program of their own"),
    tests("g++", "c++", "the fuzz targets"),
    tests("zstd", "zstd", "tests on kernels with compressed modules"),
];

/// What this purpose takes.
pub fn needs(purpose: Purpose) -> impl Iterator<Item = &'static Need> {
    ALL.iter().filter(move |need| need.purpose <= purpose)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_need_what_namespaces_need() {
        let programs = |purpose| needs(purpose).map(|need| need.program).collect::<Vec<_>>();
        assert_eq!(programs(Purpose::Namespaces), ["ip", "nsenter", "ethtool"]);
        assert_eq!(programs(Purpose::Tests).len(), ALL.len());
        let mut sorted = programs(Purpose::Tests);
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), ALL.len(), "a program is listed twice");
    }
}
