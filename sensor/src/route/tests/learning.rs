use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::{Config, Route, Routes};
use super::{routes, seen, template, with};

/// Names that have digits, so that they do not look constant.
fn mixed(number: usize) -> String {
    format!("sku-{number:03}x")
}

/// Names that look like words.
fn word(number: usize) -> String {
    let letter = |value: usize| char::from(b'a' + u8::try_from(value % 26).unwrap());
    format!("w{}{}", letter(number / 26), letter(number))
}

#[test]
fn many_segments_that_vary_become_a_parameter() {
    let mut routes = routes();
    seen(&mut routes, "/products/search", 200);
    for number in 0..64 {
        let path = format!("/products/{}/price", mixed(number));
        assert_eq!(seen(&mut routes, &path, 200), path);
    }
    assert_eq!(seen(&mut routes, "/products/sku-064x/price", 200), "/products/{param}/price");
    assert_eq!(routes.counters().collapsed, 1);
    for number in 0..999 {
        let path = format!("/products/{}/price", mixed(number));
        assert_eq!(template(&mut routes, &path), "/products/{param}/price");
    }
    assert_eq!(seen(&mut routes, "/products/sku-1000x/stock", 200), "/products/{param}/stock");
    assert_eq!(template(&mut routes, "/products/search"), "/products/search", "a word stays");
    assert_eq!(seen(&mut routes, "/products/popular", 200), "/products/popular", "and others may come");
    assert_eq!(seen(&mut routes, "/products/17", 200), "/products/{id}", "kinds stay apart");
    assert_eq!(routes.nodes(), 7);
}

#[test]
fn many_words_become_a_parameter_but_for_the_busy_ones() {
    let mut routes = routes();
    for number in 0..255 {
        let path = format!("/users/{}", word(number));
        for _ in 0..3 {
            assert_eq!(seen(&mut routes, &path, 200), path);
        }
        (0..3).for_each(|_| drop(seen(&mut routes, "/users/me", 200)));
    }
    assert_eq!(seen(&mut routes, "/users/zoe", 200), "/users/{param}");
    for name in [word(0), word(254), "anybody".to_owned(), "x1y2z3-4".to_owned()] {
        assert_eq!(template(&mut routes, &format!("/users/{name}")), "/users/{param}");
    }
    assert_eq!(template(&mut routes, "/users/me"), "/users/me");
    assert_eq!(routes.nodes(), 3);
}

/// A name of letters, told apart by its number.
fn name(prefix: &str, number: usize) -> String {
    let letter = |value: usize| char::from(b'a' + u8::try_from(value % 26).unwrap());
    format!("{prefix}{}{}{}", letter(number / 676), letter(number / 26), letter(number))
}

/// A forge: owners, their repositories, and what each repository has. Some owners are much asked for.
fn forge(routes: &mut Routes, count: usize, owners: usize, with_tabs: bool) -> BTreeSet<String> {
    let tabs = ["issues", "pulls", "commits", "releases", "wiki"];
    let mut last = BTreeSet::new();
    for number in 0..count {
        let mixed = number.wrapping_mul(7_919);
        // One in three is of an owner that everybody knows.
        let owner = if number % 3 == 0 { name("big", mixed % 4) } else { name("own", mixed % owners) };
        let repository = name("rep", mixed % (owners * 2));
        let tab = if with_tabs { format!("/{}", tabs[mixed % tabs.len()]) } else { String::new() };
        for path in [format!("/{owner}/{repository}{tab}"), "/explore".to_owned(), "/user/login".to_owned()] {
            let template = seen(routes, &path, 200);
            if number + 100 > count {
                last.insert(template);
            }
        }
    }
    last
}

#[test]
fn hundreds_of_names_become_one() {
    for (owners, with_tabs) in [(120, true), (200, true), (400, true), (200, false), (400, false)] {
        let mut routes = routes();
        let last = forge(&mut routes, 3_000, owners, with_tabs);
        assert!(last.len() < 20, "{owners} {with_tabs}: {last:?}");
        for kept in ["/explore", "/user/login"] {
            assert!(last.contains(kept), "{owners} {with_tabs}: {last:?}");
        }
        let expected = if with_tabs { "/{param}/{param}/issues" } else { "/{param}/{param}" };
        assert!(last.contains(expected), "{owners} {with_tabs}: {last:?}");
    }
}

#[test]
fn the_resources_of_a_large_interface_are_no_names() {
    for with_members in [false, true] {
        let mut routes = routes();
        for number in 0..150 {
            for round in 0..20 {
                let resource = name("res", number);
                let member = if with_members { format!("/{}", number + round) } else { String::new() };
                for path in
                    [format!("/{resource}"), format!("/{resource}{member}"), format!("/{resource}/new")]
                {
                    seen(&mut routes, &path, 200);
                }
            }
        }
        let expected = if with_members { "/resaab/{id}" } else { "/resaab" };
        let path = if with_members { "/resaab/17" } else { "/resaab" };
        assert_eq!(template(&mut routes, path), expected);
    }
}

#[test]
fn what_is_below_merges_with_it() {
    let mut routes = routes();
    seen(&mut routes, "/p/sku-000x/parts/another-999", 200);
    for number in 0..64 {
        let name = mixed(number);
        seen(&mut routes, &format!("/p/{name}/reviews/7"), 200);
        seen(&mut routes, &format!("/p/{name}/parts/only-{name}"), 200);
    }
    assert_eq!(routes.counters().collapsed, 0);
    // Each had one part; together they are more than 64.
    seen(&mut routes, "/p/sku-064x", 200);
    assert_eq!(routes.counters().collapsed, 2);
    assert_eq!(routes.nodes(), 6);
    assert_eq!(template(&mut routes, "/p/sku-001x/parts/only-sku-001x"), "/p/{param}/parts/{param}");
    assert_eq!(template(&mut routes, "/p/sku-001x/reviews/7"), "/p/{param}/reviews/{id}");
}

#[test]
fn what_merges_adds_up() {
    let mut routes = routes();
    // Unconfirmed where it was seen first.
    seen(&mut routes, "/p/sku-000x", 200);
    seen(&mut routes, "/p/sku-000x/price", 401);
    for number in 1..65 {
        seen(&mut routes, &format!("/p/{}/price", mixed(number)), 200);
    }
    let found: Vec<_> =
        routes.export().segments.into_iter().map(|one| (one.text, one.hits, one.confirmed)).collect();
    let expected = [("", 0, true), ("p", 65, true), ("{param}", 65, true), ("price", 64, true)];
    assert_eq!(found, expected.map(|(text, hits, confirmed)| (text.to_owned(), hits, confirmed)));
}

#[test]
fn a_parameter_below_stays_one() {
    let mut routes = routes();
    // The first to come is renamed, the others merge with it: let the collapsed one be among these.
    seen(&mut routes, "/p/sku-001x/price", 200);
    for number in 0..65 {
        seen(&mut routes, &format!("/p/sku-000x/{}", mixed(number)), 200);
    }
    assert_eq!(template(&mut routes, "/p/sku-000x/new-1234"), "/p/sku-000x/{param}");
    for number in 2..65 {
        seen(&mut routes, &format!("/p/{}", mixed(number)), 200);
    }
    assert_eq!(template(&mut routes, "/p/sku-001x/new-1234"), "/p/{param}/{param}");
    assert_eq!(template(&mut routes, "/p/sku-001x/price"), "/p/{param}/price");
}

#[test]
fn probation_does_not_add_up() {
    let mut routes = routes();
    for number in 0..65 {
        let name = mixed(number);
        seen(&mut routes, &format!("/p/{name}"), 200);
        seen(&mut routes, &format!("/p/{name}/try-{name}"), 401);
    }
    assert_eq!(routes.nodes(), 2 + 32);
    assert_eq!(routes.counters().tentative_full, 33);

    let mut routes = with(&Config { max_nodes: 100, ..Config::default() });
    for place in 0..10 {
        seen(&mut routes, &format!("/{}", word(place)), 200);
        for number in 0..10 {
            seen(&mut routes, &format!("/{}/{}", word(place), mixed(number)), 403);
        }
    }
    assert_eq!(routes.nodes(), 10 + 25);
}

#[test]
fn scanners_neither_grow_the_tree_nor_collapse_it() {
    let mut routes = routes();
    seen(&mut routes, "/users/17", 200);
    seen(&mut routes, "/health", 200);
    for number in 0..2000 {
        let path = format!("/{}", mixed(number));
        assert_eq!(seen(&mut routes, &path, 404), "/{other}");
        assert_eq!(seen(&mut routes, &format!("/users/{}", word(number)), 404), "/users/{other}");
        assert_eq!(seen(&mut routes, &format!("/{number}/x"), 404), "/{id}/{other}");
    }
    assert_eq!(routes.nodes(), 4, "users, {{id}}, health, and {{id}} at the root");
    assert_eq!(routes.counters().unmatched, 6000);
    assert_eq!(routes.counters().collapsed, 0);
    assert_eq!(template(&mut routes, "/health"), "/health");
}

/// An authentication filter answers 401 whatever the path is.
#[test]
fn unconfirmed_segments_are_on_probation() {
    let mut routes = routes();
    assert_eq!(seen(&mut routes, "/login", 401), "/login");
    for number in 0..2000 {
        seen(&mut routes, &format!("/{}/{}", mixed(number), mixed(number)), 401);
    }
    assert_eq!(routes.nodes(), 1 + 31 * 2, "the 32 places of the root and one below each");
    assert!(routes.counters().tentative_full > 0);
    assert_eq!(seen(&mut routes, "/late", 401), "/{other}");
    assert_eq!(seen(&mut routes, "/late", 200), "/late", "success counts at once");
    assert_eq!(seen(&mut routes, "/login", 200), "/login");
    assert_eq!(seen(&mut routes, "/after", 401), "/after", "a confirmed one is none of the 32");
    assert_eq!(routes.counters().collapsed, 0);
}

#[test]
fn statuses_that_teach() {
    for status in [200, 201, 204, 206, 304, 101, 301, 302, 401, 403, 405, 409, 422, 429, 500] {
        assert_eq!(seen(&mut routes(), "/login", status), "/login", "{status}");
    }
    for status in [100, 400, 404, 410, 414, 431, 501, 502, 503, 504, 0, 999] {
        assert_eq!(seen(&mut routes(), "/login", status), "/{other}", "{status}");
    }
    let mut routes = routes();
    let path: &[u8] = b"/login";
    assert_eq!(routes.observe(path, None), Route::OTHER);
    routes.learn(path, Some(200));
    assert_ne!(routes.template(path), Route::OTHER);
}

/// A guesser of identifiers gets one template, even where none exists.
#[test]
fn guessed_identifiers_have_a_template() {
    let mut routes = routes();
    seen(&mut routes, "/users/me", 200);
    for id in 0..100 {
        assert_eq!(seen(&mut routes, &format!("/users/{id}"), 404), "/users/{id}");
        assert_eq!(seen(&mut routes, &format!("/users/{id}/{id}/{id}"), 404), "/users/{id}/{other}");
    }
    assert_eq!(routes.nodes(), 3);
}

#[test]
fn unknown_parts_are_other_after_the_known_ones() {
    let mut routes = routes();
    seen(&mut routes, "/v1/users/17", 200);
    for (path, expected) in [
        ("/wp-admin/setup.php", "/{other}"),
        ("/v1/admin", "/v1/{other}"),
        ("/v1/users/17/secrets", "/v1/users/{id}/{other}"),
        ("/v1", "/v1"),
    ] {
        assert_eq!(template(&mut routes, path), expected);
    }
}

#[derive(Clone, Debug)]
struct Exchange {
    path: String,
    status: u16,
}

pub(super) fn traffic() -> impl Strategy<Value = Vec<(String, u16)>> {
    let segment = prop_oneof![
        prop::sample::select(vec!["users", "orders", "me", "17", "a1b2c3d4", "x@y.zz"])
            .prop_map(str::to_owned),
        (0_usize..20).prop_map(mixed),
        (0_usize..20).prop_map(word),
    ];
    let path = prop::collection::vec(segment, 0..4).prop_map(|parts| format!("/{}", parts.join("/")));
    let exchange = (path, prop::sample::select(vec![200_u16, 200, 204, 401, 404]));
    prop::collection::vec(exchange.prop_map(|(path, status)| Exchange { path, status }), 0..120)
        .prop_map(|all| all.into_iter().map(|one| (one.path, one.status)).collect())
}

/// Bounds that small traffic reaches.
pub(super) fn tight() -> Config {
    Config {
        max_mixed: 4,
        max_words: 6,
        max_tentative: 3,
        max_nodes: 60,
        max_templates: 40,
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Hash seeds differ between the two, indexes and texts do not.
    #[test]
    fn the_same_traffic_gives_the_same_templates(traffic in traffic()) {
        let (mut one, mut other) = (with(&tight()), with(&tight()));
        for (path, status) in &traffic {
            let route = one.observe(path.as_bytes(), Some(*status));
            prop_assert_eq!(route, other.observe(path.as_bytes(), Some(*status)));
            prop_assert_eq!(one.text(route), other.text(route));
        }
        prop_assert_eq!(one.export(), other.export());
        prop_assert_eq!(one.counters(), other.counters());
    }

    /// A successful exchange has a template of its own depth, which asking again finds.
    #[test]
    fn success_is_always_known(traffic in traffic()) {
        let mut routes = with(&Config { max_nodes: 9999, max_templates: 9999, ..tight() });
        for (path, status) in &traffic {
            let text = seen(&mut routes, path, *status);
            if *status < 300 {
                prop_assert!(!text.contains("{other}"), "{} {}", path, text);
                prop_assert_eq!(text.matches('/').count(), path.matches('/').count());
                prop_assert_eq!(template(&mut routes, path), text);
            }
        }
    }
}
