use proptest::prelude::*;

use super::super::{Config, Route};
use super::learning::{tight, traffic};
use super::{seen, template, with};

#[test]
fn nodes_are_bounded() {
    let mut routes = with(&Config { max_nodes: 10, ..Config::default() });
    for number in 0..100 {
        seen(&mut routes, &format!("/a/b{number}"), 200);
    }
    assert_eq!(routes.nodes(), 10);
    assert_eq!(routes.counters().nodes_full, 91);
    assert_eq!(template(&mut routes, "/a/b8"), "/a/b8");
    assert_eq!(seen(&mut routes, "/a/b9", 200), "/a/{other}");
}

#[test]
fn templates_are_bounded() {
    let mut routes = with(&Config { max_templates: 8, ..Config::default() });
    for number in 0..20 {
        seen(&mut routes, &format!("/a{number}"), 200);
    }
    // `/{other}` and the eight.
    assert_eq!(routes.len(), 9);
    assert_eq!(routes.counters().templates_full, 12);
    assert_eq!(seen(&mut routes, "/a7", 200), "/a7");
    assert_eq!(seen(&mut routes, "/a8", 200), "/{other}");
    // A quarter may end in `{other}`.
    for number in 0..20 {
        template(&mut routes, &format!("/a{number}/x"));
    }
    assert_eq!(routes.len(), 11);
    assert_eq!(routes.template(b"/a19/x"), Route::OTHER);
}

#[test]
fn replaced_templates_make_room_and_keep_their_text() {
    let config = Config { max_templates: 100, ..Config::default() };
    let mut routes = with(&config);
    for place in 0..20 {
        let first = routes.observe(format!("/p{place}/x000").as_bytes(), Some(200));
        let text = routes.text(first).to_owned();
        for number in 1..=64 {
            routes.observe(format!("/p{place}/x{number:03}").as_bytes(), Some(200));
        }
        assert_eq!(routes.text(first), text);
        assert!(routes.len() <= 401);
    }
    assert!(routes.counters().templates_full > 0, "four times as many texts as templates");
}

/// The worst that a client can send is bounded in memory, not only in nodes.
#[test]
fn texts_are_bounded() {
    let mut routes = with(&Config { max_nodes: 100, ..Config::default() });
    for number in 0..200 {
        let wild = format!("{}{number:03}", "\u{e9}".repeat(30));
        seen(&mut routes, &format!("/{wild}"), 200);
    }
    let export = routes.export();
    assert!(export.segments.iter().all(|segment| segment.text.len() <= 3 * 128));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn bounds_hold_at_every_step(traffic in traffic()) {
        let config = tight();
        let mut routes = with(&config);
        for (path, status) in &traffic {
            routes.observe(path.as_bytes(), Some(*status));
            prop_assert!(routes.nodes() <= config.max_nodes);
            prop_assert!(routes.len() <= 4 * config.max_templates + 1);
            let export = routes.export();
            prop_assert_eq!(export.segments.len(), routes.nodes() + 1);
            for place in 0..u32::try_from(export.segments.len()).unwrap() {
                let children = |look: fn(&str) -> bool| {
                    export.segments.iter().skip(1).filter(|one| one.parent == place && look(&one.text)).count()
                };
                prop_assert!(children(|text| text.starts_with("sku")) <= config.max_mixed + config.max_tentative);
                let words = children(|text| text.starts_with('w'));
                prop_assert!(words <= config.max_words + config.max_tentative + 32);
            }
        }
    }
}
