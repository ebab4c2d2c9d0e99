use proptest::prelude::*;

use super::*;
use crate::detect::made_up::{at_ms, exchange, net, observe, sources};
use crate::detect::testing::News;

const OTHER: &str = "/{other}";

fn scanner() -> Scanner {
    Scanner::new(&Config::default(), sources(), 1)
}

/// The worst that was said of a client, and how often something was.
fn worst(signals: &[Signal], number: u32) -> (Option<Severity>, usize) {
    let signals = News::of(signals);
    let of = || signals.iter().filter(|signal| signal.subject == Subject::Client(net(number)));
    (of().map(|signal| signal.severity).max(), of().count())
}

fn words(count: u32) -> impl Iterator<Item = String> {
    (0..count).map(|number| {
        let letter = |place: u32| char::from(b'a' + u8::try_from(number / 26_u32.pow(place) % 26).unwrap());
        format!("/{}{}{}", letter(2), letter(1), letter(0))
    })
}

#[test]
fn a_list_of_words_is_found_and_gets_worse() {
    let mut scanner = scanner();
    let mut signals = Vec::new();
    for (ms, path) in (0..).zip(words(200)) {
        signals.extend(observe(&mut scanner, &exchange(ms * 50, 5, &path, OTHER, 404)));
        signals.extend(observe(&mut scanner, &exchange(ms * 50, 6, "/", "/", 200)));
    }
    assert_eq!(worst(&signals, 5), (Some(Severity::High), 2));
    assert_eq!(signals.len(), 2);
    let signal = &signals[0];
    assert_eq!(signal.severity, Severity::Medium);
    assert_eq!(signal.offenders, [Offender { client: net(5), proxied: false }]);
    assert!(signal.evidence.numbers.contains_key("missing_paths_threshold"));
    assert_eq!(signal.evidence.exchanges.len(), Evidence::MAX_SAMPLES);
}

/// A scanner whose block has ended is told again with its third probe, and what it did meanwhile is counted.
#[test]
fn a_scanner_that_goes_on_is_told_again_with_all_it_did() {
    let mut scanner = scanner();
    let mut signals = Vec::new();
    for (ms, path) in (0..).zip(words(100)) {
        signals.extend(observe(&mut scanner, &exchange(ms * 50, 5, &path, OTHER, 404)));
    }
    scanner.advance(at_ms(20_000), &mut signals);
    let so_far: u64 = signals.iter().map(|signal| signal.growth.attempts).sum();
    assert_eq!(so_far, 100, "each request counts once");
    for (ms, path) in (0..3).zip(words(300).skip(200)) {
        signals.clear();
        signals.extend(observe(&mut scanner, &exchange(700_000 + ms * 300, 5, &path, OTHER, 404)));
        assert_eq!(signals.len(), usize::from(ms == 2), "request {ms}");
    }
    assert_eq!(signals[0].severity, Severity::High);
    assert_eq!(signals[0].offenders, [Offender { client: net(5), proxied: false }]);
}

#[test]
fn known_probes_are_found_soon() {
    let mut scanner = scanner();
    let mut signals = Vec::new();
    let paths =
        ["/.env", "/.git/config", "/.aws/credentials", "/wp-login.php", "/vendor/phpunit/x", "/id_rsa"];
    for (ms, path) in (0..).zip(paths) {
        signals.extend(observe(&mut scanner, &exchange(ms, 5, path, OTHER, 404)));
        if ms == 1 {
            assert_eq!(worst(&signals, 5).0, Some(Severity::Medium));
        }
    }
    assert_eq!(worst(&signals, 5), (Some(Severity::High), 2));
    assert!(signals[0].summary.contains("/.env"), "{}", signals[0].summary);
}

#[test]
fn tools_are_found_by_their_names_whatever_the_server_answers() {
    for (agent, first, many) in [
        ("sqlmap/1.8", Severity::Medium, Severity::High),
        ("Mozilla/5.0 zgrab/0.x", Severity::Low, Severity::Medium),
    ] {
        let mut scanner = scanner();
        let mut signals = Vec::new();
        for ms in 0..40 {
            let exchange = Exchange { user_agent: Some(agent.into()), ..exchange(ms, 5, "/", "/", 200) };
            signals.extend(observe(&mut scanner, &exchange));
        }
        assert_eq!(signals.iter().map(|signal| signal.severity).collect::<Vec<_>>(), [first, many]);
    }
}

#[test]
fn a_broken_link_on_a_popular_page_is_nobody_s_probe() {
    let mut scanner = scanner();
    for number in 10..5_000 {
        let ms = u64::from(number) * 10;
        assert!(observe(&mut scanner, &exchange(ms, number, "/", "/", 200)).is_empty());
        assert!(observe(&mut scanner, &exchange(ms, number, "/banner.png", OTHER, 404)).is_empty());
    }
}

#[test]
fn a_deployment_that_fails_flags_nobody() {
    // Known routes: no probes. Routes not learned yet: half of all clients have the same trouble.
    for route in ["/known", OTHER] {
        for status in [404, 500, 502] {
            let mut scanner = scanner();
            let mut ms = 0;
            for path in words(100) {
                for number in 10..40 {
                    ms += 20;
                    let signals = observe(&mut scanner, &exchange(ms, number, &path, route, status));
                    assert!(signals.is_empty(), "{:?}", signals);
                }
            }
        }
    }
}

#[test]
fn a_page_s_burst_with_a_few_missing_files_is_none() {
    let mut scanner = scanner();
    for load in 0..30_u64 {
        for number in 0..60 {
            let path = format!("/static/chunk.{number}.js");
            assert!(
                observe(&mut scanner, &exchange(load * 9_000, 5, &path, "/static/{param}", 200)).is_empty()
            );
        }
        for path in
            ["/favicon.ico", "/apple-touch-icon.png", "/apple-touch-icon-precomposed.png", "/app.js.map"]
        {
            assert!(observe(&mut scanner, &exchange(load * 9_000, 5, path, OTHER, 404)).is_empty());
        }
    }
}

#[test]
fn a_crawler_with_stale_links_is_of_low_severity() {
    let mut scanner = scanner();
    let mut signals = Vec::new();
    for (ms, path) in (0..).zip(words(300)) {
        let agent = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
        let found = ms % 5 < 3;
        let (route, status) = if found { ("/{param}", 200) } else { (OTHER, 404) };
        let exchange =
            Exchange { user_agent: Some(agent.into()), ..exchange(ms * 1_000, 5, &path, route, status) };
        signals.extend(observe(&mut scanner, &exchange));
    }
    assert_eq!(worst(&signals, 5), (Some(Severity::Low), 1));
}

#[test]
fn health_checks_and_wrong_base_paths_are_none() {
    let mut scanner = scanner();
    for number in 0..5_000 {
        let path = format!("/v1/orders/{number}");
        for (path, route, status, agent) in [
            ("/actuator/health", "/actuator/health", 200, "kube-probe/1.30"),
            ("/server-status", OTHER, 404, "monitoring/1"),
            (path.as_str(), OTHER, 404, "acme-client/3.2"),
        ] {
            let exchange =
                Exchange { user_agent: Some(agent.into()), ..exchange(number * 500, 7, path, route, status) };
            assert!(observe(&mut scanner, &exchange).is_empty(), "{path}");
        }
    }
}

#[test]
fn an_office_behind_one_address_is_none() {
    let mut scanner = scanner();
    let mut missing = words(400);
    for request in 0..20_000_u64 {
        let found = request % 50 != 0;
        let path = if found { "/".to_owned() } else { missing.next().unwrap() };
        let (route, status) = if found { ("/", 200) } else { (OTHER, 404) };
        assert!(observe(&mut scanner, &exchange(request * 100, 5, &path, route, status)).is_empty());
    }
}

#[test]
fn consoles_that_are_installed_are_used() {
    let mut scanner = scanner();
    for (ms, path) in
        (0..).zip(["/wp-admin/", "/wp-login.php", "/xmlrpc.php", "/phpmyadmin/", "/adminer.php"])
    {
        assert!(observe(&mut scanner, &exchange(ms, 5, path, path, 200)).is_empty());
    }
}

#[test]
fn a_million_clients_stay_within_the_bound_and_the_scanner_is_found() {
    let mut scanner = Scanner::new(&Config { entries: 1_000, ..Config::default() }, sources(), 1);
    let mut list = words(10_000);
    let mut signals = Vec::new();
    for number in 0..1_000_000 {
        let ms = u64::from(number) / 100;
        // One path each, so that all of them are remembered.
        signals.extend(observe(&mut scanner, &exchange(ms, number + 1_000, "/nothing", OTHER, 404)));
        if number % 100 == 0 {
            let path = list.next().unwrap();
            let exchange =
                Exchange { user_agent: Some("nikto".into()), ..exchange(ms, 5, &path, OTHER, 404) };
            signals.extend(observe(&mut scanner, &exchange));
        }
    }
    assert_eq!(scanner.clients.usage().entries, 1_000);
    assert!(scanner.usage().evicted > 900_000);
    assert_eq!(worst(&signals, 5).0, Some(Severity::High));
    assert_eq!(worst(&signals, 5).1, News::of(&signals).len());
}

proptest! {
    #[test]
    fn hostile_input_and_clocks_do_no_harm(
        steps in prop::collection::vec(("\\PC{0,300}", ".{0,40}", any::<u16>(), any::<u32>()), 1..40),
    ) {
        let mut scanner = scanner();
        for (path, agent, status, second) in steps {
            let path = format!("/{path}").repeat(20);
            let mut exchange = exchange(0, 5, &path, OTHER, status);
            exchange.user_agent = Some(agent.into());
            exchange.seen = Timestamp::from_unix_nanos(u64::from(second) * 1_000_000_000);
            observe(&mut scanner, &exchange);
            scanner.advance(exchange.seen, &mut Vec::new());
        }
    }

    #[test]
    fn nobody_is_told_of_twice_for_the_same(paths in prop::collection::vec("/[a-z]{1,6}", 1..300)) {
        let mut scanner = scanner();
        let mut last = None;
        for path in &paths {
            for signal in observe(&mut scanner, &exchange(0, 5, path, OTHER, 404)) {
                prop_assert!(last < Some(signal.severity));
                last = Some(signal.severity);
            }
        }
    }
}

/// Measures lists of attack paths and of usual ones, one a line: `PROBE_PATHS` and `USUAL_PATHS` name the files.
#[test]
#[ignore = "needs lists that are not kept here"]
#[expect(clippy::print_stdout, reason = "it measures")]
fn measure_lists() {
    let known = Known::new().unwrap();
    for variable in ["PROBE_PATHS", "USUAL_PATHS"] {
        let Ok(names) = std::env::var(variable) else { continue };
        for name in names.split(':') {
            let text = String::from_utf8_lossy(&std::fs::read(name).unwrap()).into_owned();
            let lines: Vec<&str> = text.lines().collect();
            let is_known = |line: &&&str| known.probe(line).is_some_and(|probe| probe.kind == Kind::Never);
            let found = lines.iter().filter(is_known).count();
            println!("{variable} {name}: {found} of {}", lines.len());
            let odd = lines.iter().filter(|line| is_known(line) == (variable == "USUAL_PATHS"));
            odd.step_by(1.max(lines.len() / 400)).take(40).for_each(|line| println!("   {line}"));
        }
    }
}
