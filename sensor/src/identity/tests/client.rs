use proptest::prelude::*;

use super::super::{Anomaly, Config, ForwardedHeader, Identifier, Mechanism};
use super::{Exchange, address, identifier, identify};

const PROXY: &str = "10.0.0.1";
const OTHER_PROXY: &str = "10.0.0.2";
const CDN: &str = "198.51.100.7";
const CLIENT: &str = "203.0.113.9";
const V6_CLIENT: &str = "2001:db8::9";

fn trusting(headers: Vec<ForwardedHeader>) -> Identifier {
    let trusted = ["10.0.0.0/8", "198.51.100.0/24", "fd00::/8"];
    identifier(&Config {
        trusted_proxies: trusted.iter().map(|prefix| prefix.parse().unwrap()).collect(),
        forwarded_headers: headers,
        ..Config::default()
    })
}

fn default_trusting() -> Identifier {
    trusting(Config::default().forwarded_headers)
}

fn trusting_all() -> Identifier {
    trusting(["Forwarded", "X-Forwarded-For", "X-Real-IP"].map(ForwardedHeader::named).into())
}

/// Headers from a trusted proxy, the client that they tell, by which mechanism, the findings.
type Case<'a> = (&'a [&'a str], &'a str, Mechanism, &'a [Anomaly]);

fn check(mut identifier: Identifier, cases: &[Case<'_>]) {
    for (headers, client, mechanism, anomalies) in cases {
        let exchange = Exchange { peer: PROXY, proxied: None, headers, query: "" };
        let identity = identify(&mut identifier, &exchange);
        assert_eq!(identity.client, address(client), "{headers:?}");
        assert_eq!(identity.mechanism, *mechanism, "{headers:?}");
        assert_eq!(identity.anomalies.iter().collect::<Vec<_>>(), *anomalies, "{headers:?}");
        assert_eq!(identity.peer, (*client != PROXY).then(|| address(PROXY)), "{headers:?}");
    }
}

#[test]
fn x_forwarded_for() {
    let list = Mechanism::XForwardedFor;
    check(
        default_trusting(),
        &[
            (&["X-Forwarded-For: 203.0.113.9"], CLIENT, list, &[]),
            (&["x-forwarded-for:203.0.113.9:4711"], CLIENT, list, &[]),
            (&["X-Forwarded-For: [2001:db8::9]:4711"], V6_CLIENT, list, &[]),
            (&["X-Forwarded-For: 2001:db8::9"], V6_CLIENT, list, &[]),
            (&["X-Forwarded-For: ::ffff:203.0.113.9"], CLIENT, list, &[]),
            // The right-most untrusted one; what stands left of it is the client's word.
            (&["X-Forwarded-For: 192.0.2.1, 203.0.113.9"], CLIENT, list, &[]),
            (&["X-Forwarded-For: 192.0.2.1, 203.0.113.9, 10.0.0.2, 198.51.100.7"], CLIENT, list, &[]),
            // Several lines are one list (RFC 9110, section 5.3).
            (&["X-Forwarded-For: 192.0.2.1", "A: b", "X-Forwarded-For: 203.0.113.9"], CLIENT, list, &[]),
            (&["X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 10.0.0.2"], CLIENT, list, &[]),
            // Empty elements are none (RFC 9110, section 5.6.1.2).
            (&["X-Forwarded-For: 203.0.113.9,, ,"], CLIENT, list, &[]),
            // All are trusted: the left-most.
            (&["X-Forwarded-For: 10.0.0.2, 10.0.0.3"], OTHER_PROXY, list, &[]),
            (&["X-Forwarded-For: garbage, 10.0.0.2"], OTHER_PROXY, list, &[Anomaly::ForwardedMalformed]),
            (&["X-Forwarded-For: unknown, 10.0.0.2"], OTHER_PROXY, list, &[Anomaly::ForwardedHidden]),
            (&["X-Forwarded-For: garbage"], PROXY, Mechanism::Peer, &[Anomaly::ForwardedMalformed]),
            (&["X-Forwarded-For: garbage, 203.0.113.9"], CLIENT, list, &[]),
            (&["X-Forwarded-For:"], PROXY, Mechanism::Peer, &[]),
        ],
    );
}

#[test]
fn forwarded_of_rfc_7239() {
    let forwarded = Mechanism::Forwarded;
    check(
        trusting_all(),
        &[
            (&["Forwarded: for=203.0.113.9;proto=http;by=10.0.0.1"], CLIENT, forwarded, &[]),
            (&["Forwarded: For=\"[2001:db8::9]:4711\""], V6_CLIENT, forwarded, &[]),
            (&["Forwarded: for=192.0.2.1, for=203.0.113.9, for=10.0.0.2"], CLIENT, forwarded, &[]),
            (&["Forwarded: for=203.0.113.9;by=\"a,b\", for=10.0.0.2"], CLIENT, forwarded, &[]),
            (&["Forwarded: for=203.0.113.9", "Forwarded: for=10.0.0.2"], CLIENT, forwarded, &[]),
            (&["Forwarded: for=unknown, for=10.0.0.2"], OTHER_PROXY, forwarded, &[Anomaly::ForwardedHidden]),
            (&["Forwarded: for=_id, for=10.0.0.2"], OTHER_PROXY, forwarded, &[Anomaly::ForwardedHidden]),
            (&["Forwarded: for=1.2, for=10.0.0.2"], OTHER_PROXY, forwarded, &[Anomaly::ForwardedMalformed]),
            // An open quote does not swallow what the proxy appended.
            (&["Forwarded: for=\"1.1.1.1, for=203.0.113.9"], CLIENT, forwarded, &[]),
            (&["Forwarded: proto=https"], PROXY, Mechanism::Peer, &[Anomaly::ForwardedHidden]),
        ],
    );
}

#[test]
fn a_header_that_tells_nothing_gives_way_to_the_next() {
    let list = Mechanism::XForwardedFor;
    check(
        trusting_all(),
        &[
            (
                &["Forwarded: proto=https", "X-Forwarded-For: 203.0.113.9"],
                CLIENT,
                list,
                &[Anomaly::ForwardedHidden],
            ),
            (&["X-Real-IP: 203.0.113.9"], CLIENT, Mechanism::XRealIp, &[]),
            (&["X-Real-IP: 203.0.113.9", "X-Forwarded-For: 203.0.113.9"], CLIENT, list, &[]),
            // A proxy behind a CDN: its peer is the CDN, which contradicts nobody.
            (&["X-Real-IP: 198.51.100.7", "X-Forwarded-For: 203.0.113.9"], CLIENT, list, &[]),
            (
                &["X-Real-IP: 192.0.2.1", "X-Forwarded-For: 203.0.113.9"],
                CLIENT,
                list,
                &[Anomaly::ForwardedConflict],
            ),
        ],
    );
}

/// Only `X-Forwarded-For` is believed by default, and what contradicts it is told.
#[test]
fn headers_that_are_not_listed_are_compared() {
    let list = Mechanism::XForwardedFor;
    let conflict: &[Anomaly] = &[Anomaly::ForwardedConflict];
    check(
        default_trusting(),
        &[
            (&["X-Real-IP: 203.0.113.9"], PROXY, Mechanism::Peer, &[]),
            (&["Forwarded: for=203.0.113.9"], PROXY, Mechanism::Peer, &[]),
            (
                &["X-Forwarded-For: unknown", "Forwarded: for=1.1.1.1"],
                PROXY,
                Mechanism::Peer,
                &[Anomaly::ForwardedHidden],
            ),
            (&["Forwarded: for=192.0.2.1", "X-Forwarded-For: 203.0.113.9"], CLIENT, list, conflict),
            (&["X-Forwarded-For: 203.0.113.9", "X-Real-IP: 192.0.2.1"], CLIENT, list, conflict),
            (&["X-Forwarded-For: 203.0.113.9", "X-Real-IP: 127.0.0.1"], CLIENT, list, conflict),
            (&["X-Forwarded-For: 203.0.113.9", "Forwarded: for=203.0.113.9"], CLIENT, list, &[]),
            // What a client sends in them is no mistake of the proxy's.
            (&["X-Forwarded-For: 203.0.113.9", "Forwarded: for=unknown"], CLIENT, list, &[]),
            (&["X-Forwarded-For: 203.0.113.9", "X-Real-IP: x", "X-Real-IP: y"], CLIENT, list, &[]),
            (
                &["X-Forwarded-For: 203.0.113.9", "Forwarded: for=127.0.0.1, for=203.0.113.9"],
                CLIENT,
                list,
                &[Anomaly::ForwardedSpoof],
            ),
        ],
    );
}

#[test]
fn configured_headers_of_one_address() {
    let headers = ["CF-Connecting-IP", "X-Forwarded-For"];
    check(
        trusting(headers.iter().map(|name| ForwardedHeader::named(name)).collect()),
        &[
            (&["cf-connecting-ip: 203.0.113.9", "X-Forwarded-For: 10.0.0.2"], CLIENT, Mechanism::Header, &[]),
            (
                &["CF-Connecting-IP: 192.0.2.1", "CF-Connecting-IP: 203.0.113.9"],
                CLIENT,
                Mechanism::Header,
                &[Anomaly::ForwardedDuplicate],
            ),
            (
                &["CF-Connecting-IP: 192.0.2.1, 203.0.113.9"],
                CLIENT,
                Mechanism::Header,
                &[Anomaly::ForwardedDuplicate],
            ),
            // Not configured: not read.
            (&["True-Client-IP: 203.0.113.9", "X-Real-IP: 203.0.113.9"], PROXY, Mechanism::Peer, &[]),
        ],
    );
}

#[test]
fn pretending_to_be_inside_is_reported() {
    let list = Mechanism::XForwardedFor;
    let spoof: &[Anomaly] = &[Anomaly::ForwardedSpoof];
    check(
        default_trusting(),
        &[
            (&["X-Forwarded-For: 127.0.0.1, 203.0.113.9"], CLIENT, list, spoof),
            (&["X-Forwarded-For: ::1, 203.0.113.9, 10.0.0.2"], CLIENT, list, spoof),
            (&["X-Forwarded-For: 169.254.169.254, 203.0.113.9"], CLIENT, list, spoof),
            (&["X-Forwarded-For: 198.51.100.7, 203.0.113.9"], CLIENT, list, spoof),
            // Another house's proxy writes its own clients.
            (&["X-Forwarded-For: 10.9.9.9, 203.0.113.9"], CLIENT, list, &[]),
            (&["X-Forwarded-For: 192.168.0.1, 203.0.113.9"], CLIENT, list, &[]),
        ],
    );
    let mut identifier = default_trusting();
    let exchange = Exchange { peer: CLIENT, proxied: None, headers: &["X-Real-IP: 127.0.0.1"], query: "" };
    let identity = identify(&mut identifier, &exchange);
    assert_eq!(identity.client, address(CLIENT));
    assert!(identity.anomalies.has(Anomaly::ForwardedSpoof));
}

#[test]
fn an_untrusted_peer_is_the_client_and_counted() {
    for mut identifier in [default_trusting(), identifier(&Config::default())] {
        for header in ["X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1", "X-Real-IP: 192.0.2.1"] {
            let exchange = Exchange { peer: CLIENT, proxied: Some(CDN), headers: &[header], query: "" };
            let identity = identify(&mut identifier, &exchange);
            assert_eq!((identity.client, identity.peer), (address(CLIENT), None));
            assert_eq!(identity.mechanism, Mechanism::Peer);
            assert!(identity.anomalies.is_empty());
        }
        let counters = identifier.counters();
        assert_eq!((counters.exchanges, counters.forwarded_untrusted, counters.proxy_untrusted), (3, 3, 3));
        assert_eq!(counters.mechanisms, [3, 0, 0, 0, 0, 0]);
    }
}

#[test]
fn proxy_protocol_source_is_the_peer_of_the_walk() {
    let cases = [
        // The proxied source is no proxy: its headers are not believed.
        (Some(CLIENT), "X-Forwarded-For: 192.0.2.1", CLIENT, Mechanism::Proxy),
        (Some(CDN), "X-Forwarded-For: 203.0.113.9", CLIENT, Mechanism::XForwardedFor),
        (Some(CDN), "A: b", CDN, Mechanism::Proxy),
        (Some("::ffff:203.0.113.9"), "A: b", CLIENT, Mechanism::Proxy),
        (None, "X-Forwarded-For: 203.0.113.9", CLIENT, Mechanism::XForwardedFor),
    ];
    for (proxied, header, client, mechanism) in cases {
        let exchange = Exchange { peer: PROXY, proxied, headers: &[header], query: "" };
        let identity = identify(&mut default_trusting(), &exchange);
        assert_eq!(identity.client, address(client), "{proxied:?} {header}");
        assert_eq!(identity.mechanism, mechanism);
        assert_eq!(identity.peer, Some(address(PROXY)));
    }
}

#[test]
fn walks_are_bounded() {
    let hops = |count: usize| vec!["10.0.0.2"; count].join(", ");
    for (header, truncated) in [
        (format!("X-Forwarded-For: 203.0.113.9, {}", hops(31)), false),
        (format!("X-Forwarded-For: 203.0.113.9, {}", hops(32)), true),
        (format!("X-Forwarded-For: {}", hops(32)), false),
    ] {
        let exchange = Exchange { peer: PROXY, proxied: None, headers: &[&header], query: "" };
        let identity = identify(&mut default_trusting(), &exchange);
        assert_eq!(identity.anomalies.has(Anomaly::ForwardedTruncated), truncated, "{header}");
        let told = if truncated || !header.contains(CLIENT) { OTHER_PROXY } else { CLIENT };
        assert_eq!(identity.client, address(told));
    }
    let mut lines = vec!["X-Forwarded-For: 10.0.0.2"; 9];
    lines[0] = "X-Forwarded-For: 203.0.113.9";
    let exchange = Exchange { peer: PROXY, proxied: None, headers: &lines, query: "" };
    let identity = identify(&mut default_trusting(), &exchange);
    assert_eq!(identity.client, address(OTHER_PROXY));
    assert!(identity.anomalies.has(Anomaly::ForwardedTruncated));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Nothing that the client sends changes the address that a trusted proxy appends.
    #[test]
    fn a_client_cannot_choose_its_address(
        sent in prop::collection::vec("[a-z0-9=;:,\"\\\\. \\[\\]]{0,40}", 0..4),
        appends in any::<bool>(),
        name in prop::sample::select(vec!["Forwarded", "X-Forwarded-For"]),
        others in prop::collection::vec(
            ("(X-Real-IP|Forwarded|CF-Connecting-IP)", "(for=)?(1\\.2\\.3\\.4|10\\.0\\.0\\.9|[a-z0-9.:=]{0,20})"), 0..3,
        ),
    ) {
        let own = if name == "Forwarded" { "for=203.0.113.9" } else { "203.0.113.9" };
        let mut lines: Vec<_> = sent.iter().map(|value| format!("{name}:{value}")).collect();
        match lines.last_mut() {
            Some(last) if appends => last.push_str(&format!(", {own}")),
            _ => lines.push(format!("{name}:{own}")),
        }
        // Other headers do not, either, where only that one is listed.
        lines.extend(others.iter().filter(|(other, _)| other != name).map(|(other, value)| format!("{other}: {value}")));
        let headers: Vec<_> = lines.iter().map(String::as_str).collect();
        let exchange = Exchange { peer: PROXY, proxied: None, headers: &headers, query: "" };
        let mut identifier = trusting(vec![ForwardedHeader::named(name)]);
        prop_assert_eq!(identify(&mut identifier, &exchange).client, address(CLIENT));
    }
}

/// Only what the trusted peer itself added says who its own peer is.
#[test]
fn the_peer_names_its_own_peer_or_passes_on_what_another_said() {
    let mut identifier = default_trusting();
    for (peer, proxied, headers, expected) in [
        (PROXY, None, &["X-Forwarded-For: 203.0.113.9"][..], true),
        (PROXY, None, &["X-Forwarded-For: 192.0.2.1, 203.0.113.9"], true),
        (PROXY, None, &["X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 203.0.113.9"], true),
        (PROXY, Some(CLIENT), &[], true),
        (PROXY, None, &["X-Forwarded-For: 203.0.113.9, 10.0.0.2"], false),
        (PROXY, Some(OTHER_PROXY), &["X-Forwarded-For: 203.0.113.9"], false),
        (PROXY, None, &["X-Forwarded-For: garbage"], false),
        (PROXY, None, &[], false),
        (CLIENT, None, &["X-Forwarded-For: 192.0.2.1"], false),
    ] {
        let identity = identify(&mut identifier, &Exchange { peer, proxied, headers, query: "" });
        assert_eq!(identity.named_by_peer, expected, "{peer} {proxied:?} {headers:?}");
    }
}
