//! Fuzz entry: configuration files.

use std::path::Path;

use super::Config;
use crate::config::Document;

/// Reads the input as a configuration file, and asserts that every error names an existing line and is not empty, and
/// that the same text always parses the same.
///
/// # Panics
/// If one of them does not hold.
pub fn configuration(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    // This key reads a file, and an input may name any; with escapes it may be written differently.
    if text.contains("openapi")
        || text.contains("leaked_passwords")
        || text.contains("\\u")
        || text.contains("\\U")
    {
        return;
    }
    let file = Path::new("fuzz.toml");
    let lines = text.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1);
    let mut document = Document::default();
    let read = document.add(file, text).map_err(|problem| vec![problem]);
    let checked = read.and_then(|()| Config::check(&document));
    if let Err(problems) = &checked {
        assert!(!problems.is_empty(), "refused without a reason");
        for problem in problems {
            assert!(problem.line <= lines && problem.file == file, "{problem}");
            assert!(!problem.message.is_empty(), "{problem}");
        }
    }
    let mut again = Document::default();
    let read = again.add(file, text).map_err(|problem| vec![problem]);
    assert_eq!(read.and_then(|()| Config::check(&again)), checked);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    const SEEDS: [&str; 3] = [
        "mode = \"enforce\"\n[limits.default]\npackets = \"100/s:20\"\n[limits.\"10.0.0.0/8\"]\nbits = \"off\"\n",
        "[http]\nports = [80, \"auto\"]\nmax_head_bytes = 1\n[identity]\ntrusted_proxies = [\"10.0.0.0/33\"]\n",
        "[detect]\npreset = \"strict\"\n[login.rules.a]\nroute = \"/a/{b}\"\nfailure = { status = [\"4xx\"] }\n",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn mutated_files(
            seed in prop::sample::select(SEEDS.to_vec()),
            edits in prop::collection::vec((any::<prop::sample::Index>(), 32_u8..127), 0..6),
        ) {
            let mut data = seed.as_bytes().to_vec();
            for (place, byte) in edits {
                let place = place.index(data.len());
                data[place] = byte;
            }
            super::configuration(&data);
        }
    }
}
