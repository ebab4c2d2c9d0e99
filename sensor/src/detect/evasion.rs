//! Attacks that change who they seem to be with every request, and requests that others are made to send.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use super::testing::{Names, Random, address, exchange, millis};
use super::{Config, Detectors, Severity, Signal, Subject, Threat};
use crate::event::{Event, Exchange, Login, LoginOutcome};
use crate::identity::{FleetHashes, Hasher, Key, KeyedHash, Kind};
use crate::prefix::ClientNet;

const OTHER: &str = "/{other}";
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

/// Files that nobody asks for by mistake.
const PROBES: [&str; 8] = [
    "/.env",
    "/.git/config",
    "/.aws/credentials",
    "/.ssh/id_rsa",
    "/.svn/entries",
    "/.npmrc",
    "/.pgpass",
    "/.netrc",
];

/// An address of 2001:db8:1:2::/64.
fn in_64(number: u64) -> IpAddr {
    Ipv6Addr::from_bits((0x2001_0db8_0001_0002 << 64) | u128::from(number)).into()
}

/// An address of its own /64 within 2001:db8:7::/48.
fn in_48(number: u64) -> IpAddr {
    Ipv6Addr::from_bits((0x2001_0db8_0007_0000 | u128::from(number % 65_536)) << 64 | u128::from(number))
        .into()
}

fn net(text: &str) -> ClientNet {
    text.parse().unwrap()
}

/// What all detectors say to exchanges, with a look at the clock each second.
fn watch<'a>(exchanges: impl IntoIterator<Item = Exchange<'a>>) -> Vec<Signal> {
    let mut config = Config { seed: Some(1), ..Config::default() };
    config.request_rate.limits.per_principal = "600/min:100".parse().ok();
    let mut detectors = Detectors::new(&config);
    let (mut said, mut second) = (Vec::new(), 0);
    for exchange in exchanges {
        let now = exchange.seen.unix_nanos() / 1_000_000_000;
        if now > second {
            second = now;
            said.extend(detectors.advance(exchange.seen));
        }
        said.extend(detectors.observe(&Event::Exchange(&exchange)));
    }
    said
}

fn failure(at: u64, client: IpAddr, number: u64, names: &Names) -> Exchange<'static> {
    let login = Login {
        leaked: None,
        fleet: FleetHashes::default(),
        session: None,
        user: Some(names.user(number)),
        password: Some(names.password(number)),
        outcome: LoginOutcome::Failure,
        unread: false,
        fingerprint: number,
    };
    Exchange {
        client,
        method: Some("POST"),
        path: Some("/login".into()),
        route: Some("/login"),
        status: Some(401),
        user_agent: Some(BROWSER.into()),
        login: Some(login),
        ..exchange(millis(at))
    }
}

fn missing(at: u64, client: IpAddr, path: String) -> Exchange<'static> {
    let (path, route) = (Some(path.into()), Some(OTHER));
    Exchange {
        client,
        path,
        route,
        status: Some(404),
        user_agent: Some(BROWSER.into()),
        ..exchange(millis(at))
    }
}

fn object(at: u64, client: IpAddr, number: u64, status: u16) -> Exchange<'static> {
    let path = Some(format!("/things/{number}").into());
    Exchange { client, path, status: Some(status), ..exchange(millis(at)) }
}

/// A word without digits.
fn word(number: u64) -> String {
    let letter = |place: u32| char::from(b'a' + u8::try_from(number / 26_u64.pow(place) % 26).unwrap());
    format!("/{}{}{}{}", letter(3), letter(2), letter(1), letter(0))
}

/// Signals of a threat: the worst about clients or sites, and whom they would have blocked.
fn told(said: &[Signal], threat: Threat) -> (Option<(Severity, String)>, BTreeSet<ClientNet>) {
    let of = said.iter().filter(|signal| signal.threat == threat);
    let about =
        of.clone().filter(|signal| matches!(signal.subject, Subject::Client(_) | Subject::Network(_)));
    let worst = about.map(|signal| (signal.severity, signal.subject.to_string())).max();
    (worst, of.flat_map(|signal| &signal.offenders).map(|offender| offender.client).collect())
}

#[test]
fn addresses_of_one_64_are_one_client() {
    let names = Names::new();
    let attacks: [(Threat, Vec<Exchange<'_>>); 3] = [
        (Threat::CredentialStuffing, (0..200).map(|n| failure(n * 500, in_64(n), n, &names)).collect()),
        (Threat::Enumeration, (0..500).map(|n| object(n * 100, in_64(n), n * 7_919 % 99_991, 403)).collect()),
        (
            Threat::Scanner,
            (0..).zip(PROBES).map(|(n, probe)| missing(n * 500, in_64(n), probe.to_owned())).collect(),
        ),
    ];
    for (threat, exchanges) in attacks {
        let (worst, offenders) = told(&watch(exchanges), threat);
        assert_eq!(worst, Some((Severity::High, "2001:db8:1:2::/64".to_owned())), "{threat:?}");
        assert_eq!(offenders, [net("2001:db8:1:2::/64")].into(), "{threat:?}");
    }
}

#[test]
fn clients_of_one_48_are_its_owners_where_nobody_else_is_there() {
    let names = Names::new();
    let attacks: [(Threat, Vec<Exchange<'_>>); 3] = [
        (Threat::CredentialStuffing, (0..300).map(|n| failure(n * 500, in_48(n * 211), n, &names)).collect()),
        (
            Threat::Enumeration,
            (0..900).map(|n| object(n * 100, in_48(n * 71), n * 7_919 % 99_991, 403)).collect(),
        ),
        (Threat::Scanner, (0..900).map(|n| missing(n * 500, in_48(n * 71), word(n * 7))).collect()),
    ];
    for (threat, exchanges) in attacks {
        let (worst, offenders) = told(&watch(exchanges), threat);
        assert_eq!(worst, Some((Severity::High, "2001:db8:7::/48".to_owned())), "{threat:?}");
        assert!(offenders.contains(&net("2001:db8:7::/48")), "{threat:?}: {offenders:?}");
    }
}

/// A university: 3,000 people, each in a /64 of one /48. Some mistype, some follow links that are stale, and one of
/// their machines scans.
fn university() -> Vec<Exchange<'static>> {
    let (names, mut random) = (Names::new(), Random::new(5));
    let mut exchanges = Vec::new();
    for person in 0..3_000_u64 {
        let (client, begins) = (in_48(person * 17), random.below(3_000_000));
        let is_wrong = random.chance(150);
        for attempt in 0..=u64::from(is_wrong) {
            let mut login = failure(begins + attempt * 9_000, client, person, &names);
            if attempt == u64::from(is_wrong) {
                login.status = Some(200);
                login.login = login.login.map(|login| Login { outcome: LoginOutcome::Success, ..login });
            }
            exchanges.push(login);
        }
        for page in 0..12 {
            let at = begins + 20_000 + page * 7_000;
            exchanges.push(object(
                at,
                client,
                random.below(5_000),
                if random.chance(80) { 404 } else { 200 },
            ));
        }
        if random.chance(300) {
            exchanges.push(missing(begins + 30_000, client, word(random.below(40))));
        }
    }
    for (number, probe) in (0..).zip(PROBES) {
        exchanges.push(missing(1_500_000 + number * 300, in_48(40_000), probe.to_owned()));
    }
    exchanges.sort_by_key(|exchange| exchange.seen);
    exchanges
}

#[test]
fn a_university_is_left_alone_and_the_scanner_in_it_is_not() {
    let said = watch(university());
    let about_site = |signal: &&Signal| {
        matches!(signal.subject, Subject::Network(_))
            || signal.offenders.iter().any(|who| who.client == net("2001:db8:7::/48"))
    };
    let of_site: Vec<_> = said.iter().filter(about_site).collect();
    assert!(of_site.is_empty(), "{of_site:#?}");
    let scanner = ClientNet::new(in_48(40_000), 32, 64);
    let offenders: BTreeSet<_> =
        said.iter().flat_map(|signal| &signal.offenders).map(|who| who.client).collect();
    assert_eq!(offenders, [scanner].into(), "{said:#?}");
}

/// The stuffing in a university's network is told; with so many people beside it the network is not blocked.
#[test]
fn an_attacker_in_a_university_does_not_get_it_blocked() {
    let names = Names::new();
    let mut exchanges = university();
    exchanges.extend((0..400).map(|n| failure(2_000_000 + n * 2_000, in_48(n * 131), 50_000 + n, &names)));
    exchanges.sort_by_key(|exchange| exchange.seen);
    let (_, offenders) = told(&watch(exchanges), Threat::CredentialStuffing);
    assert!(!offenders.contains(&net("2001:db8:7::/48")), "{offenders:?}");
}

#[test]
fn what_pages_of_other_sites_make_browsers_send_is_told_and_accuses_nobody() {
    let names = Names::new();
    let attacks: [Vec<Exchange<'_>>; 4] = [
        (0..).zip(PROBES).map(|(n, probe)| missing(n * 500, address(1), probe.to_owned())).collect(),
        (0..200).map(|n| object(n * 100, address(1), n, 403)).collect(),
        (0..60).map(|n| failure(n * 500, address(1), n, &names)).collect(),
        (0..60)
            .map(|n| failure(n * 500, address(1), 1, &names))
            .map(|mut exchange| {
                exchange.login = exchange.login.map(|login| Login {
                    password: Some(names.password(exchange.seen.unix_nanos())),
                    ..login
                });
                exchange
            })
            .collect(),
    ];
    for (number, exchanges) in attacks.into_iter().enumerate() {
        let own = watch(exchanges.clone());
        assert!(own.iter().any(|signal| !signal.offenders.is_empty()), "{number}: {own:?}");
        let said = watch(exchanges.into_iter().map(|exchange| Exchange { cross_site: true, ..exchange }));
        let client: Vec<_> =
            said.iter().filter(|signal| matches!(signal.subject, Subject::Client(_))).collect();
        assert!(!client.is_empty(), "{number}: nobody is told");
        assert!(client.iter().all(|signal| signal.severity <= Severity::Low), "{number}: {client:?}");
        assert!(said.iter().all(|signal| signal.offenders.is_empty()), "{number}: {said:?}");
    }
}

/// A scanner that sometimes says that it is a page's victim is found by what it does otherwise.
#[test]
fn a_claim_for_some_requests_does_not_cover_the_others() {
    let probes = PROBES.iter().zip(0_u64..).map(|(probe, n)| Exchange {
        cross_site: n % 2 == 0,
        ..missing(n * 500, address(1), (*probe).to_owned())
    });
    let (worst, offenders) = told(&watch(probes), Threat::Scanner);
    assert_eq!(worst.map(|(severity, _)| severity), Some(Severity::Medium));
    assert_eq!(offenders.len(), 1);
}

/// What an attacker can say of a victim: a name, a principal, what its program looks like. Whatever is said, the victim
/// is no offender.
#[test]
fn nobody_is_accused_for_what_others_say() {
    let names = Names::new();
    let victim = address(50_000);
    let principal = Hasher::new(&Key::from_bytes([3; 32])).hash(Kind::ApiKey, b"victim");
    let user = names.user(1);
    let mine = |at: u64, succeeds: bool| {
        let mut exchange = failure(at, victim, 1, &names);
        let outcome = if succeeds { LoginOutcome::Success } else { LoginOutcome::Failure };
        exchange.status = Some(if succeeds { 200 } else { 401 });
        exchange.login = exchange.login.map(|login| Login { outcome, fingerprint: 77, ..login });
        exchange
    };
    let as_victim = |exchange: Exchange<'static>, number: u64| {
        let principal: Option<KeyedHash> = Some(principal);
        let login = exchange.login.map(|login| Login {
            user: Some(user),
            password: Some(names.password(number)),
            fingerprint: 77,
            ..login
        });
        Exchange { login, principal, ..exchange }
    };
    let mut exchanges = vec![mine(0, true)];
    for number in 0..1_500 {
        let (at, from) = (10_000 + number * 40, address(60_000 + number % 40 * 200));
        exchanges.push(match number % 3 {
            0 => as_victim(failure(at, from, 1, &names), number),
            1 => as_victim(object(at, from, number, 403), number),
            _ => as_victim(missing(at, from, word(number)), number),
        });
    }
    for number in 0..40 {
        exchanges
            .push(Exchange { principal: Some(principal), ..object(12_000 + number * 1_400, victim, 3, 200) });
        if number % 20 == 5 {
            exchanges.push(mine(12_500 + number * 1_400, false));
            exchanges.push(mine(13_000 + number * 1_400, true));
        }
    }
    exchanges.sort_by_key(|exchange| exchange.seen);
    let said = watch(exchanges);
    assert!(said.iter().any(|signal| !signal.offenders.is_empty()), "the attackers are named: {said:?}");
    let names_victim: Vec<_> = said
        .iter()
        .filter(|signal| {
            signal.subject == Subject::Client(ClientNet::of(victim))
                || signal.offenders.iter().any(|offender| offender.client.contains(victim))
        })
        .collect();
    assert!(names_victim.is_empty(), "{names_victim:#?}");
}

#[test]
fn several_attempts_of_one_request_count_as_several_and_unread_ones_as_unknown_accounts() {
    let names = Names::new();
    let further: Vec<Login> = (1..40).filter_map(|n| failure(0, address(1), n, &names).login).collect();
    let mut batch = failure(0, address(1), 0, &names);
    batch.further.read = &further;
    let (worst, offenders) = told(&watch([batch]), Threat::CredentialStuffing);
    assert_eq!((worst.map(|(severity, _)| severity), offenders.len()), (Some(Severity::High), 1));
    let unread = |n: u64| {
        let mut exchange = failure(n * 500, address(1), n, &names);
        exchange.login =
            exchange.login.map(|login| Login { user: None, password: None, unread: true, ..login });
        exchange
    };
    let (worst, offenders) = told(&watch((0..40).map(unread)), Threat::CredentialStuffing);
    assert_eq!((worst.map(|(severity, _)| severity), offenders.len()), (Some(Severity::High), 1));
}

/// The owner of an account that is guessed at, with the program that everybody has, mistypes from a new network.
#[test]
fn an_owner_who_mistypes_in_a_new_place_is_no_offender() {
    let names = Names::new();
    let mut exchanges = Vec::new();
    let with_browser = |mut exchange: Exchange<'static>| {
        exchange.login = exchange.login.map(|login| Login { fingerprint: 77, ..login });
        exchange
    };
    for person in 0..200 {
        let mut login = with_browser(failure(person * 500, address(person * 200), 100 + person, &names));
        login.login = login.login.map(|login| Login { outcome: LoginOutcome::Success, ..login });
        exchanges.push(login);
    }
    let guess = |at: u64, client: IpAddr, number: u64| {
        let mut exchange = with_browser(failure(at, client, 1, &names));
        let password = Some(names.password(number));
        exchange.login = exchange.login.map(|login| Login { password, ..login });
        exchange
    };
    exchanges.extend((0..200).map(|n| guess(200_000 + n * 500, address(100_000 + n % 50 * 200), n)));
    let owner = address(300_000);
    exchanges.push(guess(290_000, owner, 9_999));
    exchanges.sort_by_key(|exchange| exchange.seen);
    let said = watch(exchanges);
    let offenders: BTreeSet<_> =
        said.iter().flat_map(|signal| &signal.offenders).map(|who| who.client).collect();
    assert!(offenders.len() >= 40, "the attackers are named: {}", offenders.len());
    assert!(!offenders.contains(&ClientNet::of(owner)));
}
