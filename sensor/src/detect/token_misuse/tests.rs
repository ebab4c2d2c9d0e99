//! Forged tokens, tokens in two hands, and what people do with theirs.

use std::net::IpAddr;
use std::sync::Arc;

use super::super::testing::{Names, News, address, exchange, finding, millis};
use super::*;
use crate::event::Findings;
use crate::identity::{Hasher, Key, KeyedHash};
use crate::inspect::{Exposed, Finding, Side, Signing, Token};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)";
const CURL: &str = "curl/8.5.0";

/// The first few of the clients of [`uses`] are in Germany, the others in France.
fn country(address: IpAddr) -> Option<[u8; 2]> {
    let IpAddr::V4(v4) = address else { return None };
    let [_, _, client, _] = v4.octets();
    Some(if client < 5 { *b"DE" } else { *b"FR" })
}

fn detector_in(countries: CountryOf) -> TokenMisuse {
    TokenMisuse::new(&Config::default(), super::super::Config::default().sources(), 1, countries)
}

fn detector() -> TokenMisuse {
    detector_in(Arc::new(|_| None))
}

fn forged(rule: &'static str) -> [Finding; 1] {
    let class = if rule.contains("key") && !rule.starts_with("key") { "own-key" } else { "forged" };
    [finding(Kind::TokenMisuse, Side::Request, class, rule)]
}

fn token(id: u64, issuer: u64, signing: Signing, is_accepted: bool) -> Exposed<'static> {
    Exposed { token: Some(Token { id, issuer: Some(issuer), signing, is_accepted }), ..Exposed::default() }
}

fn session(number: u64) -> KeyedHash {
    Hasher::new(&Key::from_bytes([3; 32])).hash(crate::identity::Kind::Session, &number.to_le_bytes())
}

#[test]
fn forged_tokens_accuse_their_client() {
    let (mut detector, mut said) = (detector(), Vec::new());
    for number in 0..8 {
        let findings = forged("unsigned");
        let exchange =
            Exchange { status: Some(401), findings: &findings, ..exchange(millis(number * 1_000)) };
        detector.observe(&Event::Exchange(&exchange), &mut said);
    }
    let told: Vec<_> =
        News::of(&said).iter().map(|signal| (signal.severity, signal.offenders.len())).collect();
    assert_eq!(told, [(Severity::Medium, 1), (Severity::High, 1)]);
}

#[test]
fn one_that_is_accepted_or_several_ways_are_an_attack_at_once() {
    let (mut one, mut said) = (detector(), Vec::new());
    let findings = forged("unsigned");
    let exposed = token(1, 1, Signing::None, true);
    one.observe(
        &Event::Exchange(&Exchange { findings: &findings, exposed, ..exchange(millis(0)) }),
        &mut said,
    );
    assert_eq!(said.iter().map(|signal| signal.severity).collect::<Vec<_>>(), [Severity::High]);
    let (mut one, mut said) = (detector(), Vec::new());
    for (number, rule) in (0_u64..).zip(["unsigned", "key-id-path", "remote-key"]) {
        let findings = forged(rule);
        let exchange = Exchange { status: Some(401), findings: &findings, ..exchange(millis(number)) };
        one.observe(&Event::Exchange(&exchange), &mut said);
    }
    assert_eq!(said.last().map(|signal| signal.severity), Some(Severity::High));
}

#[test]
fn pages_of_other_sites_accuse_nobody() {
    let (mut detector, mut said) = (detector(), Vec::new());
    for number in 0..50 {
        let findings = forged("unsigned");
        let exchange = Exchange { cross_site: true, findings: &findings, ..exchange(millis(number * 1_000)) };
        detector.observe(&Event::Exchange(&exchange), &mut said);
    }
    assert!(!said.is_empty());
    assert!(
        said.iter().all(|signal| signal.offenders.is_empty() && signal.severity == Severity::Low),
        "{said:?}"
    );
}

/// A server's public key, used as if it were a secret.
#[test]
fn an_issuer_that_signs_with_a_shared_secret_all_at_once_is_told() {
    let (mut detector, mut said) = (detector(), Vec::new());
    for number in 0..5 {
        let exposed = token(number, 7, Signing::Key, true);
        detector.observe(&Event::Exchange(&Exchange { exposed, ..exchange(millis(number)) }), &mut said);
    }
    // Another issuer's, and an own key's successor, are nothing.
    for exposed in [token(20, 8, Signing::Shared, true), token(21, 7, Signing::Key, true)] {
        detector.observe(&Event::Exchange(&Exchange { exposed, ..exchange(millis(10)) }), &mut said);
    }
    assert!(said.is_empty(), "{said:?}");
    let exposed = token(22, 7, Signing::Shared, false);
    let exchange = Exchange { exposed, status: Some(401), ..exchange(millis(20)) };
    detector.observe(&Event::Exchange(&exchange), &mut said);
    assert_eq!(said.len(), 1);
    assert!(said[0].summary.contains("algorithm-changed"), "{}", said[0].summary);
}

#[test]
fn an_issuer_whose_tokens_bring_certificates_is_left_alone_once_known() {
    let (mut detector, mut said) = (detector(), Vec::new());
    for number in 0..100 {
        let findings = forged("certificates-own-key");
        let exposed = token(number, 7, Signing::Key, true);
        let exchange =
            Exchange { client: address(number), findings: &findings, exposed, ..exchange(millis(number)) };
        detector.observe(&Event::Exchange(&exchange), &mut said);
    }
    assert!(said.len() < 10, "{}", said.len());
}

#[test]
fn what_is_wrong_with_an_application_is_told_once() {
    for (rule, severity) in [
        ("expired-accepted", Severity::High),
        ("long-lived", Severity::Low),
        ("secret-inside", Severity::Medium),
        ("weak-secret", Severity::High),
        ("endless", Severity::Low),
    ] {
        let (mut detector, mut said) = (detector(), Vec::new());
        for number in 0..200 {
            let findings = [finding(Kind::TokenMisuse, Side::Request, "lifetime", rule)];
            let exchange =
                Exchange { client: address(number), findings: &findings, ..exchange(millis(number)) };
            detector.observe(&Event::Exchange(&exchange), &mut said);
        }
        let told: Vec<_> = said.iter().map(|signal| (signal.severity, signal.offenders.len())).collect();
        assert_eq!(told, [(severity, 0)], "{rule}");
    }
}

/// One session's uses: in which second, from which address, by which program.
fn uses(uses: impl IntoIterator<Item = (u64, u64, &'static str)>) -> Vec<Signal> {
    uses_of(uses.into_iter().map(|(second, client, agent)| (1, second, client, agent)))
}

fn uses_of(uses: impl IntoIterator<Item = (u64, u64, u64, &'static str)>) -> Vec<Signal> {
    uses_by(detector(), uses)
}

fn uses_by(
    mut detector: TokenMisuse,
    uses: impl IntoIterator<Item = (u64, u64, u64, &'static str)>,
) -> Vec<Signal> {
    let mut said = Vec::new();
    for (token, second, client, agent) in uses {
        let exchange = Exchange {
            client: address(client * 200),
            user_agent: Some(agent.into()),
            principal: Some(session(token)),
            anomalies: Findings::default(),
            ..exchange(millis(second * 1_000))
        };
        detector.observe(&Event::Exchange(&exchange), &mut said);
        detector.advance(exchange.seen, &mut said);
    }
    said
}

#[test]
fn a_session_in_two_hands_is_told() {
    let said = uses((0..60).map(|n| if n % 2 == 0 { (n * 5, 1, FIREFOX) } else { (n * 5, 2, CURL) }));
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].offenders.is_empty() && matches!(said[0].subject, Subject::Principal(_)));
}

/// A thief with the browser's name in another country is told, if it is known; nobody is for less.
#[test]
fn a_session_in_two_countries_is_told() {
    let known = || detector_in(Arc::new(country));
    let by_turns = |detector, count: u64, (a, b): (u64, u64), agent: &'static str| {
        uses_by(detector, (0..count).map(|n| (1, n * 5, if n % 2 == 0 { a } else { b }, agent)))
    };
    let said = by_turns(known(), 14, (1, 9), FIREFOX);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].offenders.is_empty() && matches!(said[0].subject, Subject::Principal(_)));
    assert!(
        said[0].summary.ends_with("between networks in DE and FR: 12 switches back"),
        "{}",
        said[0].summary
    );
    for (what, said) in [
        ("a VPN that is tried a few times", by_turns(known(), 13, (1, 9), FIREFOX)),
        ("two networks of one country", by_turns(known(), 100, (1, 2), FIREFOX)),
        ("nobody knows countries", by_turns(detector(), 100, (1, 9), FIREFOX)),
        ("a job on two continents", by_turns(known(), 100, (1, 9), CURL)),
    ] {
        assert!(said.is_empty(), "{what}: {said:?}");
    }
    let two = uses_by(known(), (0..8).map(|n| if n % 2 == 0 { (1, n, 1, FIREFOX) } else { (1, n, 9, CURL) }));
    assert_eq!(two.len(), 1, "{two:?}");
    assert!(two[0].summary.contains("two networks (DE and FR) and two programs"), "{}", two[0].summary);
}

#[test]
fn people_and_jobs_are_left_alone() {
    let by_turns = |a: (u64, &'static str), b: (u64, &'static str)| {
        uses((0..100).map(move |n| if n % 2 == 0 { (n * 5, a.0, a.1) } else { (n * 5, b.0, b.1) }))
    };
    assert!(by_turns((1, PHONE), (2, PHONE)).is_empty(), "a telephone between two networks");
    assert!(by_turns((1, FIREFOX), (1, PHONE)).is_empty(), "two programs in one place");
    assert!(by_turns((1, CURL), (2, "python-requests/2.32")).is_empty(), "a job on two machines");
    let vpn = (0..300).map(|n| (n * 2, if (100..200).contains(&n) { 9 } else { 1 }, FIREFOX));
    assert!(uses(vpn).is_empty(), "a VPN, on and off");
    let train = (0..300).map(|n| (n * 2, n / 3, PHONE));
    assert!(uses(train).is_empty(), "a new address every few seconds");
    let job = (0..1_000).map(|n| (n, n % 40, "python-requests/2.32"));
    assert!(uses(job).is_empty(), "one token of forty machines");
    // Pages that a server makes with the tokens of their readers.
    let rendered = (0..4_000).map(|n| {
        let reader = n / 2 % 40;
        if n % 2 == 0 { (reader, n / 10, 100 + reader, FIREFOX) } else { (reader, n / 10, 1, "node") }
    });
    assert!(uses_of(rendered).is_empty(), "a part of the application");
    let _names = Names::new();
}
