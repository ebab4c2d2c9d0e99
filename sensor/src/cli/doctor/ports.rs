//! Ports: which speak HTTP or TLS, and which peers look like undeclared proxies.
//!
//! No probing: the daemon knows from observed traffic.

use std::collections::BTreeSet;

use super::crowdsec;
use super::finding::Finding;
use super::logs;
use crate::cli::args::Remote;
use crate::control::Client;
use crate::control::wire::{Envelope, HttpReport, InnerReport, Request, StatusReport};
use crate::kernel;
use crate::metrics::{Degraded, Part};

/// Requests with forwarding headers from which on a peer is reported: a proxy soon sends that many, a curious client
/// seldom does.
const TOLD_FROM: u64 = 20;
/// Maximum peers reported.
const TOLD: usize = 5;

/// All findings.
pub(super) fn findings(remote: &Remote) -> Vec<Finding> {
    let listening = kernel::listening_ports();
    let request = Envelope { request: Request::Status, ssh: None };
    let status: Option<StatusReport> = Client::new(&remote.socket).ask_for(&request).ok();
    let inner = status.iter().flat_map(|status| inner(&status.inner_interfaces)).collect::<Vec<_>>();
    let groups = status.iter().flat_map(|status| groups(&status.degraded)).collect::<Vec<_>>();
    let crowdsec = status.as_ref().and_then(|status| status.crowdsec.as_ref()).map(crowdsec::findings);
    let mut findings = judge(&listening, status.map(|status| status.http));
    findings.extend(inner);
    findings.extend(groups);
    findings.extend(crowdsec.into_iter().flatten());
    findings
}

/// Groups whose databases cannot be read.
fn groups(degraded: &[Degraded]) -> impl Iterator<Item = Finding> + '_ {
    let of_groups = degraded.iter().filter(|found| found.part == Part::Groups);
    of_groups.map(|found| {
        Finding::problem(
            found.what.clone(),
            "databases of [names] have to be files in MaxMind's format that the daemon's user can read, in the place \
             that they had when it started",
        )
    })
}

/// Activity on inner interfaces.
fn inner(interfaces: &[InnerReport]) -> Option<Finding> {
    let names: Vec<String> =
        interfaces.iter().map(|row| format!("{} ({})", row.interface, row.state.label())).collect();
    (!names.is_empty()).then(|| {
        Finding::good(format!(
            "inner interfaces, where HTTP is read and nothing is limited or blocked: {}",
            names.join(", ")
        ))
    })
}

/// `told` is the daemon's report, if one runs; it is empty if the daemon does not read HTTP.
fn judge(listening: &BTreeSet<u16>, told: Option<Option<HttpReport>>) -> Vec<Finding> {
    match told {
        Some(Some(http)) => {
            let mut findings = vec![spoken(listening, &http)];
            findings.extend(encrypted(listening, &http));
            findings.extend(quic(&http));
            findings.extend(proxies(&http));
            findings.extend(logs::findings(&http));
            findings
        }
        Some(None) => vec![Finding::note(
            "the daemon does not see HTTP",
            "its log says why: perhaps `[http] enabled` is false, or the kernel refused the mirror",
        )],
        None => vec![Finding::note(
            format!("listening ports: {}; which speak HTTP is unknown without a daemon", list(listening)),
            "`sensor run` learns it from traffic, without connecting",
        )],
    }
}

fn spoken(listening: &BTreeSet<u16>, http: &HttpReport) -> Finding {
    let spoken: BTreeSet<u16> = http.http_ports.iter().copied().collect();
    let others: BTreeSet<u16> = listening.difference(&spoken).copied().collect();
    if spoken.is_empty() {
        return Finding::note(
            format!("no HTTP seen on any port yet; listening ports: {}", list(&others)),
            "the first exchange on a served interface reveals it; on loopback only requests from trusted or proven proxies count, or all if [http] inner_interfaces has \"lo\"",
        );
    }
    Finding::good(format!("HTTP ports: {}; other listening ports: {}", list(&spoken), list(&others)))
}

/// A port whose TLS cannot be read is protected only by packet and connection limits.
fn encrypted(listening: &BTreeSet<u16>, http: &HttpReport) -> Option<Finding> {
    let here = http.tls.iter().filter(|(port, counts)| listening.contains(port) && counts.dark() > 0);
    let (ports, counts): (BTreeSet<u16>, Vec<u64>) =
        here.map(|(port, counts)| (*port, counts.dark())).unzip();
    if ports.is_empty() {
        return None;
    }
    let connections = counts.iter().fold(0, |sum: u64, count| sum.saturating_add(*count));
    let all = http.tls.iter().filter(|(port, _)| ports.contains(port)).map(|(_, counts)| counts);
    let (before, read) = all.fold((0_u64, 0_u64), |(before, read), counts| {
        (before.saturating_add(counts.dark_before), read.saturating_add(counts.decrypted))
    });
    let (noun, verb, whose) =
        if ports.len() == 1 { ("port", "speaks", "its") } else { ("ports", "speak", "their") };
    Some(Finding::note(
        format!(
            "{noun} {} {verb} TLS that is not decrypted ({connections} connections, {before} of them opened before \
             they were watched; {read} others decrypted): {whose} requests and logins are not seen; packet, bit and \
             connection limits still apply",
            list(&ports)
        ),
        "earlier connections are decrypted once reopened; if the server came later than the sensor, with a library of its own \
         (in a container), see that sensor-lookout.service runs, or restart the sensor; if the server's TLS library is not OpenSSL (1.1.1 or later) or Go's, have it write a key log \
         and name that in [tls] keylog; or terminate TLS in a proxy in front of it, and serve the interface between proxy \
         and application",
    ))
}

/// HTTP/3 goes by, whatever the TCP port of the same number speaks.
fn quic(http: &HttpReport) -> Option<Finding> {
    let spoken = http.tls.iter().filter(|(_, counts)| counts.quic > 0);
    let (ports, counts): (BTreeSet<u16>, Vec<u64>) =
        spoken.map(|(port, counts)| (*port, counts.quic)).unzip();
    let connections = counts.iter().fold(0, |sum: u64, count| sum.saturating_add(*count));
    let noun = if ports.len() == 1 { "port" } else { "ports" };
    (connections > 0).then(|| {
        Finding::note(
            format!(
                "{connections} QUIC connections (HTTP/3) to UDP {noun} {} are not read: their requests and logins are not \
                 seen; packet and bit limits still apply",
                list(&ports)
            ),
            "to have all requests seen, stop offering HTTP/3 (no `Alt-Svc` header, no `quic` listener): clients then use \
             TCP, and those that remember the offer do so when the UDP port is closed",
        )
    })
}

/// Peers that report other clients' addresses without being trusted: their clients all count as one, which may be
/// blocked.
fn proxies(http: &HttpReport) -> Vec<Finding> {
    let told = http.forwarders.iter().filter(|forwarder| forwarder.requests >= TOLD_FROM).take(TOLD);
    let findings = told.map(|forwarder| {
        let (peer, requests) = (forwarder.peer, forwarder.requests);
        Finding::note(
            format!(
                "{peer} forwards other clients' addresses (X-Forwarded-For, Forwarded, X-Real-IP or the PROXY \
                 protocol; at least {requests} requests) but is not a trusted proxy: all its clients count as one, \
                 and may be limited or blocked together"
            ),
            format!("if it is your proxy, add \"{peer}\" to trusted_proxies in [identity]; if not, it forges these \
                     headers, and is rightly ignored"),
        )
    });
    let findings: Vec<Finding> = findings.collect();
    if findings.is_empty() && http.forwarding_untrusted > 0 {
        return vec![Finding::good(format!(
            "{} requests from untrusted peers had forwarding headers, only a few from each peer",
            http.forwarding_untrusted
        ))];
    }
    findings
}

/// Ports as text; a host may have thousands.
pub(in crate::cli) fn list(ports: &BTreeSet<u16>) -> String {
    const SHOWN: usize = 32;
    let shown: Vec<String> = ports.iter().take(SHOWN).map(u16::to_string).collect();
    match ports.len().saturating_sub(SHOWN) {
        _ if ports.is_empty() => "none".to_owned(),
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::{Severity, check};
    use super::*;
    use crate::identity::Forwarder;
    use crate::tls::PortCounts;

    #[test]
    fn groups_without_a_database_are_problems() {
        let found = |part| Degraded { part, what: "asn:64500: no such file".to_owned() };
        let told: Vec<Finding> = groups(&[found(Part::Groups), found(Part::Events)]).collect();
        assert_eq!(told.len(), 1);
        check(&told[0], Severity::Problem, "asn:64500", "[names]");
    }

    #[test]
    fn ports_that_speak_http_are_told_apart() {
        let listening = BTreeSet::from([22, 80, 8080]);
        let report = |http_ports| HttpReport { http_ports, ..HttpReport::default() };
        let finding = spoken(&listening, &report(vec![80]));
        assert_eq!(finding.what, "HTTP ports: 80; other listening ports: 22, 8080");
        check(&spoken(&listening, &report(vec![])), Severity::Note, "22, 80, 8080", "first exchange");
        assert_eq!(list(&(1..=40).collect()).rsplit_once(' ').map(|(_, end)| end), Some("more"));
        assert_eq!(list(&BTreeSet::new()), "none");
    }

    #[test]
    fn ports_that_speak_tls_are_told_while_somebody_listens() {
        let listening = BTreeSet::from([80, 443, 8443]);
        for (ports, expected) in [
            (&[][..], None),
            (&[(9_999, 3)], None),
            (
                &[(443, 12)],
                Some("port 443 speaks TLS that is not decrypted (12 connections, 0 of them opened before"),
            ),
            (
                &[(443, 12), (8_443, 1), (9_999, 3)],
                Some("ports 443, 8443 speak TLS that is not decrypted (13 connections"),
            ),
        ] {
            let dark = |(port, dark_library): &(u16, u64)| {
                (
                    *port,
                    PortCounts {
                        connections: *dark_library,
                        dark_library: *dark_library,
                        ..PortCounts::default()
                    },
                )
            };
            let report = HttpReport { tls: ports.iter().map(dark).collect(), ..HttpReport::default() };
            let finding = encrypted(&listening, &report);
            assert_eq!(finding.is_some(), expected.is_some(), "{finding:?}");
            if let Some((finding, expected)) = finding.zip(expected) {
                check(&finding, Severity::Note, expected, "[tls] keylog");
            }
        }
    }

    #[test]
    fn connections_of_quic_are_told_by_port() {
        let report = |ports: &[(u16, u64)]| {
            let counts =
                |(port, quic): &(u16, u64)| (*port, PortCounts { quic: *quic, ..PortCounts::default() });
            HttpReport { tls: ports.iter().map(counts).collect(), ..HttpReport::default() }
        };
        assert!(quic(&report(&[])).is_none() && quic(&report(&[(443, 0)])).is_none());
        let found = quic(&report(&[(80, 0), (443, 7), (8_443, 1)])).unwrap();
        check(
            &found,
            Severity::Note,
            "8 QUIC connections (HTTP/3) to UDP ports 443, 8443 are not read",
            "Alt-Svc",
        );
    }

    #[test]
    fn proxies_that_nobody_named_are_told() {
        let forwarder = |number: u8, requests| Forwarder { peer: [10, 0, 0, number].into(), requests };
        let report = |forwarders: Vec<Forwarder>| {
            let forwarding_untrusted = forwarders.iter().map(|forwarder| forwarder.requests).sum();
            HttpReport { forwarders, forwarding_untrusted, ..HttpReport::default() }
        };
        assert!(proxies(&report(vec![])).is_empty());
        let few = proxies(&report(vec![forwarder(5, 19)]));
        check(&few[0], Severity::Good, "19 requests", "");
        let found = proxies(&report(vec![forwarder(5, 12_345), forwarder(6, 20), forwarder(7, 2)]));
        assert_eq!(found.len(), 2);
        check(
            &found[0],
            Severity::Note,
            "10.0.0.5 forwards",
            "add \"10.0.0.5\" to trusted_proxies in [identity]",
        );
        assert!(found[0].what.contains("12345 requests"), "{found:?}");
        let many = (0..16).map(|number| forwarder(number, 100)).collect();
        assert_eq!(proxies(&report(many)).len(), TOLD);
    }

    #[test]
    fn inner_interfaces_are_told() {
        assert!(inner(&[]).is_none());
        let row = |interface: &str, state| InnerReport { interface: interface.to_owned(), state };
        let told = inner(&[row("lo", kernel::Presence::Up), row("docker0", kernel::Presence::Gone)]).unwrap();
        check(&told, Severity::Good, "nothing is limited or blocked: lo (up), docker0 (gone)", "");
    }

    #[test]
    fn what_the_daemon_does_not_say_is_told() {
        let listening = BTreeSet::from([22]);
        check(&judge(&listening, None)[0], Severity::Note, "without a daemon", "sensor run");
        check(&judge(&listening, Some(None))[0], Severity::Note, "does not see HTTP", "its log");
    }

    #[test]
    fn without_a_daemon_the_listeners_are_told() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let finding = &findings(&Remote { socket: "/nonexistent/sensor.sock".into() })[0];
        check(finding, Severity::Note, "without a daemon", "sensor run");
        assert!(kernel::listening_ports().contains(&listener.local_addr().unwrap().port()));
    }
}
