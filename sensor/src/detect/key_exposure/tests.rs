//! Routes that expose keys, and routes that look as if they did.

use super::super::testing::{address, exchange, finding, millis};
use super::*;
use crate::inspect::Side;

const WEB: &str = "Mozilla/5.0 (X11; Linux x86_64)";

/// What the detector says of a finding in a thousand exchanges of a route.
fn told(kind: (Side, &'static str, &'static str), change: impl Fn(&mut Exchange<'_>)) -> Vec<Signal> {
    let mut detector = KeyExposure::new(&Config::default(), 1);
    let findings = [finding(Kind::KeyExposure, kind.0, kind.1, kind.2)];
    let mut said = Vec::new();
    for number in 0..1_000 {
        let mut exchange =
            Exchange { client: address(number), findings: &findings, ..exchange(millis(number * 1_000)) };
        exchange.user_agent = Some(WEB.into());
        change(&mut exchange);
        detector.observe(&Event::Exchange(&exchange), &mut said);
        detector.advance(exchange.seen, &mut said);
    }
    said
}

#[test]
fn each_exposure_is_told_once_for_its_route_and_accuses_nobody() {
    for (side, class, rule, severity) in [
        (Side::Request, "in-url", "credential-parameter", Severity::Low),
        (Side::Request, "in-referer", "credential-parameter", Severity::Low),
        (Side::Request, "cleartext", "basic-over-http", Severity::Medium),
        (Side::Response, "private-key", "private-key", Severity::High),
        (Side::Response, "cloud-key", "aws-access-key", Severity::High),
        (Side::Response, "named", "secret-name", Severity::Medium),
    ] {
        let said = told((side, class, rule), |_| ());
        let told: Vec<_> = said.iter().map(|signal| (signal.severity, signal.offenders.len())).collect();
        assert_eq!(told, [(severity, 0)], "{class}");
        assert!(said[0].summary.starts_with("route /things/{id} "), "{}", said[0].summary);
    }
}

#[test]
fn a_route_for_each_is_told() {
    let mut detector = KeyExposure::new(&Config::default(), 1);
    let findings = [finding(Kind::KeyExposure, Side::Request, "in-url", "credential-parameter")];
    let mut said = Vec::new();
    for (number, route) in (0_u64..).zip(["/a", "/b", "/a", "/c", "/b"]) {
        let exchange = Exchange { route: Some(route), findings: &findings, ..exchange(millis(number)) };
        detector.observe(&Event::Exchange(&exchange), &mut said);
    }
    assert_eq!(said.len(), 3);
}

#[test]
fn what_is_no_exposure_is_not_told() {
    let said =
        told((Side::Request, "in-url", "credential-parameter"), |exchange| exchange.status = Some(404));
    assert!(said.is_empty(), "a scanner's address");
    let said =
        told((Side::Request, "cleartext", "basic-over-http"), |exchange| exchange.peer = Some(address(9)));
    assert!(said.is_empty(), "behind a proxy that is trusted");
    let local = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    let said = told((Side::Request, "cleartext", "basic-over-http"), |exchange| exchange.client = local);
    assert!(said.is_empty(), "on this host");
    let inner = std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7));
    let said = told((Side::Request, "cleartext", "password-over-http"), |exchange| exchange.client = inner);
    assert_eq!(
        said.iter().map(|signal| signal.severity).collect::<Vec<_>>(),
        [Severity::Info],
        "a load balancer, maybe"
    );
}

#[test]
fn a_route_that_makes_keys_is_told_mildly_and_once() {
    let said =
        told((Side::Response, "code-token", "github-token"), |exchange| exchange.method = Some("POST"));
    assert_eq!(said.iter().map(|signal| signal.severity).collect::<Vec<_>>(), [Severity::Low]);
}
