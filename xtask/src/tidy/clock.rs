//! Only `clock.rs` reads a clock, so that a replay gives the same result twice.

use super::Violation;
use super::tokens;
use super::tree::{File, Tree};

const SOURCES: &str = "sensor/src/";
const CLOCK: &str = "sensor/src/clock.rs";

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let elsewhere = tree.rust().filter(|file| file.path.starts_with(SOURCES) && file.path != CLOCK);
    elsewhere.flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Violation> {
    let tokens = tokens::flatten(&file.text);
    let reads = tokens.windows(4).filter(|window| {
        tokens::starts_with_path(window, "SystemTime", "now")
            || tokens::starts_with_path(window, "Instant", "now")
    });
    let lines = reads.filter_map(|window| window.first()).map(|token| token.line);
    lines
        .map(|line| Violation {
            path: file.path.clone(),
            line,
            rule: "clock",
            advice: format!("take `now` as an argument; only {CLOCK} reads a clock"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_a_clock_is_found() {
        let text = "use std::time::Instant;\nfn f() {\n    let a = Instant::now();\n    \
                    let b = std::time::SystemTime::now();\n    vec![Instant::now()];\n}\n";
        let tree = Tree::from_files(&[("sensor/src/detect.rs", text), (CLOCK, text), ("tests/a.rs", text)]);
        let found: Vec<(String, usize)> = check(&tree).into_iter().map(|v| (v.path, v.line)).collect();
        assert_eq!(found, [3, 4, 5].map(|line| ("sensor/src/detect.rs".to_owned(), line)));
    }

    #[test]
    fn the_types_alone_are_fine() {
        let text = "fn f(now: Instant) -> Instant { now }\n";
        assert_eq!(check(&Tree::from_files(&[("sensor/src/detect.rs", text)])), []);
    }
}
