//! `unsafe` is confined to the places that talk to the kernel.

use super::Violation;
use super::tokens;
use super::tree::{File, Tree};

/// Where memory is shared with the kernel, and nothing else happens.
const ALLOWED: &[&str] =
    &["sensor-ebpf/", "tests/ebpf/", "sensor/src/kernel/", "sensor/src/kernel.rs", "sensor-common/src/abi"];

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let elsewhere = tree.rust().filter(|file| !ALLOWED.iter().any(|allowed| file.path.starts_with(allowed)));
    elsewhere.flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Violation> {
    let tokens = tokens::flatten(&file.text);
    let unsafes = tokens.iter().filter(|token| token.text == "unsafe");
    unsafes
        .map(|token| Violation {
            path: file.path.clone(),
            line: token.line,
            rule: "unsafe",
            advice: "use a safe function, or move this to sensor/src/kernel behind one".to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "fn f() {\n    unsafe { g() }\n}\n";

    #[test]
    fn unsafe_elsewhere_is_found() {
        let tree =
            Tree::from_files(&[("sensor/src/http.rs", CODE), ("xtask/src/main.rs", "unsafe fn f() {}")]);
        let found: Vec<(String, usize)> = check(&tree).into_iter().map(|v| (v.path, v.line)).collect();
        assert_eq!(found, [("sensor/src/http.rs".to_owned(), 2), ("xtask/src/main.rs".to_owned(), 1)]);
    }

    #[test]
    fn the_kernels_neighbours_may() {
        for path in ["sensor-ebpf/src/a.rs", "tests/ebpf/src/main.rs", "sensor/src/kernel/maps.rs"] {
            assert_eq!(check(&Tree::from_files(&[(path, CODE)])), [], "{path}");
        }
        assert_eq!(check(&Tree::from_files(&[("sensor-common/src/abi/flow.rs", CODE)])), []);
    }

    #[test]
    fn the_word_in_prose_and_in_lints_is_no_code() {
        let tree =
            Tree::from_files(&[("a.rs", "//! unsafe\n#![deny(unsafe_code)]\nconst A: &str = \"unsafe\";")]);
        assert_eq!(check(&tree), []);
    }
}
