//! Imports in `sensor` run one way: `lib.rs` lists the rooms, and a room uses only those above it.

use std::collections::BTreeSet;

use super::Violation;
use super::tokens::{self, Token};
use super::tree::{File, Tree};

const LIB: &str = "sensor/src/lib.rs";
const SOURCES: &str = "sensor/src/";

/// A use of room `to`, as in `crate::to`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Reference {
    line: usize,
    to: String,
}

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let Some(lib) = tree.file(LIB) else { return Vec::new() };
    let rooms = rooms(&lib.text);
    tree.rust().flat_map(|file| check_file(file, &rooms)).collect()
}

/// The modules of `lib.rs`, in its order.
fn rooms(lib: &str) -> Vec<String> {
    let tokens = tokens::flatten(lib);
    let names = tokens.windows(3).filter_map(|window| match window {
        [keyword, name, end] if keyword.text == "mod" && end.text == ";" => Some(name.text.clone()),
        _ => None,
    });
    names.collect()
}

fn check_file(file: &File, rooms: &[String]) -> Vec<Violation> {
    let Some((room, depth)) = place(&file.path) else { return Vec::new() };
    let Some(own) = rooms.iter().position(|name| name == room) else { return Vec::new() };
    let below: Vec<&String> = rooms.iter().skip(own.saturating_add(1)).collect();
    let references = references(&tokens::flatten(&file.text), depth);
    let wrong = references.into_iter().filter(|reference| below.contains(&&reference.to));
    wrong
        .map(|Reference { line, to }| Violation {
            path: file.path.clone(),
            line,
            rule: "rooms",
            advice: format!(
                "`{room}` comes before `{to}` in {LIB}; pass the value in, or move the code down to `{to}`"
            ),
        })
        .collect()
}

/// The room that a file belongs to, and how many `super` lead from it to the crate.
fn place(path: &str) -> Option<(&str, usize)> {
    let inside = path.strip_prefix(SOURCES)?.strip_suffix(".rs")?;
    let inside = inside.strip_suffix("/mod").unwrap_or(inside);
    let room = inside.split('/').next()?;
    // `main` and `lib` join the rooms, so neither is one.
    (room != "main" && room != "lib").then(|| (room, inside.split('/').count()))
}

/// Every room that the tokens name from the crate's root, where `depth` times `super` is the root.
fn references(tokens: &[Token], depth: usize) -> BTreeSet<Reference> {
    let mut found = BTreeSet::new();
    let mut modules: Vec<usize> = Vec::new();
    let mut brace = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        let rest = tokens.get(index..).unwrap_or_default();
        match token.text.as_str() {
            "{" => {
                brace = brace.saturating_add(1);
                if opens_module(tokens, index) {
                    modules.push(brace);
                }
            }
            "}" => {
                if modules.last() == Some(&brace) {
                    modules.pop();
                }
                brace = brace.saturating_sub(1);
            }
            "crate" => found.extend(named_after(rest)),
            "super" if !continues_path(tokens, index) => {
                let supers = depth.saturating_add(modules.len());
                found.extend(after_supers(rest, supers).into_iter().flat_map(named_after));
            }
            _ => {}
        }
    }
    found
}

fn opens_module(tokens: &[Token], brace: usize) -> bool {
    let keyword = brace.checked_sub(2).and_then(|index| tokens.get(index));
    keyword.is_some_and(|token| token.text == "mod")
}

fn continues_path(tokens: &[Token], index: usize) -> bool {
    index.checked_sub(1).and_then(|before| tokens.get(before)).is_some_and(|token| token.text == ":")
}

/// The tokens from the last of exactly `count` times `super`, or nothing if there are fewer.
fn after_supers(mut tokens: &[Token], count: usize) -> Option<&[Token]> {
    for _ in 1..count {
        if !tokens::starts_with_path(tokens, "super", "super") {
            return None;
        }
        tokens = tokens.get(3..)?;
    }
    Some(tokens)
}

/// The names in `root::name` or `root::{name, name::more}`, where `tokens` begins with the root.
fn named_after(tokens: &[Token]) -> Vec<Reference> {
    let is = |index: usize, text: &str| tokens.get(index).is_some_and(|token| token.text == text);
    if !is(1, ":") || !is(2, ":") {
        return Vec::new();
    }
    match tokens.get(3) {
        Some(token) if token.text == "{" => first_names(tokens.get(4..).unwrap_or_default()),
        Some(token) => vec![reference(token)],
        None => Vec::new(),
    }
}

/// The first name of each entry, until the bracket that closes the list.
fn first_names(tokens: &[Token]) -> Vec<Reference> {
    let mut names = Vec::new();
    let mut depth = 0_usize;
    let mut at_start = true;
    for token in tokens {
        match token.text.as_str() {
            "{" => depth = depth.saturating_add(1),
            "}" if depth == 0 => break,
            "}" => depth = depth.saturating_sub(1),
            "," if depth == 0 => at_start = true,
            _ if at_start => {
                names.push(reference(token));
                at_start = false;
            }
            _ => {}
        }
    }
    names
}

fn reference(token: &Token) -> Reference {
    Reference { line: token.line, to: token.text.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOMS: &str =
        "//! Doc.\npub mod clock;\npub mod kernel;\npub mod http;\n/// Doc.\npub mod detect;\n";

    fn found(path: &str, text: &str) -> Vec<(usize, String)> {
        let tree = Tree::from_files(&[(LIB, ROOMS), (path, text)]);
        let to = |advice: &str| advice.split('`').nth(3).unwrap_or_default().to_owned();
        check(&tree).into_iter().map(|violation| (violation.line, to(&violation.advice))).collect()
    }

    #[test]
    fn upward_imports_are_fine() {
        let text = "use crate::kernel;\nuse crate::{clock, http::{a, b}};\nuse crate::detect::own;\n";
        assert_eq!(found("sensor/src/detect.rs", text), []);
    }

    #[test]
    fn a_downward_import_is_found() {
        let expected = [(1, "detect".to_owned())];
        assert_eq!(found("sensor/src/http.rs", "use crate::detect::Signal;"), expected);
        assert_eq!(found("sensor/src/http/mod.rs", "use crate::detect::Signal;"), expected);
        assert_eq!(found("sensor/src/http/pair.rs", "use crate::detect::Signal;"), expected);
    }

    #[test]
    fn grouped_imports_are_looked_into() {
        let text = "use crate::{\n    clock,\n    http::{self, detect_nothing},\n    detect::{a, b},\n};\n";
        assert_eq!(found("sensor/src/kernel.rs", text), [(3, "http".to_owned()), (4, "detect".to_owned())]);
    }

    #[test]
    fn paths_in_code_in_macros_and_in_tests_count() {
        assert_eq!(found("sensor/src/http.rs", "fn f() { crate::detect::g() }").len(), 1);
        assert_eq!(found("sensor/src/http.rs", "fn f() { println!(\"{}\", crate::detect::g()) }").len(), 1);
        assert_eq!(found("sensor/src/http.rs", "#[cfg(test)] mod tests { use crate::detect; }").len(), 1);
    }

    #[test]
    fn super_that_reaches_the_root_counts() {
        assert_eq!(found("sensor/src/http.rs", "use super::detect;").len(), 1);
        assert_eq!(found("sensor/src/http/pair.rs", "use super::super::detect;").len(), 1);
        assert_eq!(found("sensor/src/http.rs", "mod tests { use super::super::detect; }").len(), 1);
        // A module of the room that is called like a room.
        assert_eq!(found("sensor/src/http/pair.rs", "use super::detect;"), []);
        assert_eq!(found("sensor/src/http.rs", "mod tests { use super::detect; }"), []);
    }

    #[test]
    fn comments_strings_and_visibilities_do_not_count() {
        let text = "//! [`crate::detect`]\npub(crate) fn f() { \"crate::detect\"; }";
        assert_eq!(found("sensor/src/http.rs", text), []);
    }

    #[test]
    fn main_and_other_packages_are_exempt() {
        assert_eq!(found("sensor/src/main.rs", "use crate::detect;"), []);
        assert_eq!(found("tests/src/http.rs", "use crate::detect;"), []);
    }
}
