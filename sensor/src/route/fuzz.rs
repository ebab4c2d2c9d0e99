//! Fuzz entries: routes under arbitrary input.

use super::{Config, Route, Routes};

/// Takes lines: the first byte of each chooses the status, the rest is a path. Asserts, with tight bounds:
///
/// * nodes and templates stay within them;
/// * a template is printable, begins with a slash, and has no dot segment;
/// * asking again gives the same template;
/// * what is exported is read again, to the same.
///
/// # Panics
/// If one of them does not hold.
pub fn routes(data: &[u8]) {
    let config = Config { max_nodes: 64, max_templates: 32, max_mixed: 4, max_words: 6, ..Config::default() };
    let Ok(mut routes) = Routes::new(&config) else { return };
    for line in data.split(|byte| *byte == b'\n') {
        let Some((choice, path)) = line.split_first() else { continue };
        let status = match choice & 7 {
            0 => None,
            1 => Some(404),
            2 => Some(401),
            _ => Some(200),
        };
        let route = routes.observe(path, status);
        let text = routes.text(route);
        assert!(text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
        assert!(!text.contains("//") && !text.contains("/../") && !text.ends_with("/."), "{text:?}");
        assert!(!text.contains(['?', '#', ';']), "{text:?}");
        assert_eq!(routes.template(path), route);
        assert!(routes.nodes() <= config.max_nodes && routes.len() <= config.max_templates.saturating_mul(5));
    }
    let learned = routes.export();
    let Ok(mut again) = Routes::new(&config) else { return };
    assert_eq!(again.import(&learned), Ok(()));
    assert_eq!(again.export(), learned);
    assert_eq!(again.text(Route::OTHER), "/{other}");
}

/// Reads the input as an OpenAPI document and asserts that its patterns can be configured.
///
/// # Panics
/// If they cannot.
pub fn openapi(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(super::OpenApi { patterns, .. }) = super::openapi("fuzz", text) else { return };
    let config = Config { max_patterns: patterns.len(), patterns, ..Config::default() };
    assert!(Routes::new(&config).is_ok());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    const SEEDS: [&str; 3] = [
        "3/users/17/orders\n1/wp-login.php\n2/a/../b;x=1//%2e%2E/c\n3/users/bob@example.com",
        "3/o/550e8400-e29b-41d4-a716-446655440000.png\n3/o/app.3f2a1b9c.js\n0/x?y#z\n3/{id}/%7b%00",
        "3/a1\n3/a2\n3/a3\n3/a4\n3/a5\n3/a6/b\n3/a7/b\n3/w/x\n3/v/x\n3/u/x\n3/t/x\n3/s/x\n3/r/x\n3/q/x",
    ];

    const DOCUMENTS: [&str; 2] = [
        "openapi: 3.1.0\nservers: [{url: 'https://a.b/{c}', variables: {c: {default: v1}}}]\npaths:\n  /a/{b}.json: {}\n",
        r#"{"openapi":"3.0.0","servers":[{"url":"/v1"}],"paths":{"/users/{id}":{},"x-a":{}}}"#,
    ];

    fn mutate(seed: &str, edits: Vec<(prop::sample::Index, u8, u8)>) -> Vec<u8> {
        let mut data = seed.as_bytes().to_vec();
        for (place, byte, edit) in edits {
            let place = place.index(data.len());
            match edit {
                0 => data[place] = byte,
                1 => data.insert(place, byte),
                2 => data.extend_from_within(place..),
                _ => data.truncate(place.max(1)),
            }
        }
        data
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn random_paths(data in any::<Vec<u8>>()) {
            super::routes(&data);
        }

        #[test]
        fn path_like_input(data in "([3-7]/[a-c0-9./%;{}_-]{0,20}\n){0,20}") {
            super::routes(data.as_bytes());
        }

        #[test]
        fn mutated_paths(
            seed in prop::sample::select(SEEDS.to_vec()),
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 0..8),
        ) {
            super::routes(&mutate(seed, edits));
        }

        #[test]
        fn mutated_documents(
            seed in prop::sample::select(DOCUMENTS.to_vec()),
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 0..6),
        ) {
            super::openapi(&mutate(seed, edits));
        }
    }
}
