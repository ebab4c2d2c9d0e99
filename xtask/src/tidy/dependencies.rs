//! Each dependency has a reason, and is used.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::Violation;
use super::tree::Tree;

const MANIFEST: &str = "Cargo.toml";
const SECTION: &str = "[workspace.dependencies]";
const KINDS: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

/// A dependency of the workspace's manifest.
struct Entry<'a> {
    name: &'a str,
    line: usize,
    /// True when a comment stands above it or above the group that it belongs to.
    has_reason: bool,
}

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let Some(root) = tree.file(MANIFEST) else { return Vec::new() };
    let used = used(tree);
    let mut found = Vec::new();
    for entry in entries(&root.text) {
        if !entry.has_reason {
            found.push(violation(&entry, "give the reason for it in a comment above it"));
        }
        if !used.contains(entry.name) {
            found.push(violation(&entry, "no member inherits it; remove it"));
        }
    }
    found
}

fn violation(entry: &Entry<'_>, advice: &str) -> Violation {
    let advice = format!("`{}`: {advice}", entry.name);
    Violation { path: MANIFEST.to_owned(), line: entry.line, rule: "dependencies", advice }
}

/// Read as lines, because a parsed manifest has no comments.
fn entries(manifest: &str) -> Vec<Entry<'_>> {
    let mut entries = Vec::new();
    let mut has_reason = false;
    let numbered = manifest.lines().zip(1_usize..);
    let section = numbered.skip_while(|(line, _)| line.trim() != SECTION).skip(1);
    for (line, number) in section.take_while(|(line, _)| !line.starts_with('[')) {
        if line.trim().is_empty() {
            has_reason = false;
        } else if line.starts_with('#') {
            has_reason = true;
        } else if let Some(name) = key(line) {
            entries.push(Entry { name, line: number, has_reason });
        }
    }
    entries
}

/// The key of a line that begins an entry; lines that continue one are indented or begin with a bracket.
fn key(line: &str) -> Option<&str> {
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))?;
    let (name, rest) = line.split_at(end);
    (!name.is_empty() && rest.trim_start().starts_with(['=', '.'])).then_some(name)
}

/// The names that members inherit.
fn used(tree: &Tree) -> BTreeSet<String> {
    let members = tree.members();
    let tables = members.iter().flat_map(|(_, manifest)| dependency_tables(manifest));
    let inherited = tables.flat_map(|table| {
        table.iter().filter(|(_, value)| value.get("workspace").and_then(Value::as_bool) == Some(true))
    });
    inherited.map(|(name, _)| name.clone()).collect()
}

/// The dependencies of all kinds, those for some targets only included.
fn dependency_tables(manifest: &Table) -> Vec<&Table> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    let owners = std::iter::once(manifest).chain(targets);
    owners.flat_map(|owner| KINDS.iter().filter_map(|kind| owner.get(*kind)?.as_table())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBER: &str = "[package]\nname = \"a\"\n[dependencies]\nserde.workspace = true\n\
        [dev-dependencies]\ntempfile = { workspace = true }\n\
        [target.'cfg(unix)'.build-dependencies]\nnix.workspace = true\nplain = \"1\"\n";

    fn found(dependencies: &str) -> Vec<String> {
        let root = format!("[workspace]\nmembers = [\"a\"]\n\n[workspace.dependencies]\n{dependencies}");
        let tree = Tree::from_files(&[("Cargo.toml", &root), ("a/Cargo.toml", MEMBER)]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_reason_holds_for_its_group() {
        assert_eq!(found("# Records.\nserde = \"1\"\nnix = \"1\"\n# Scratch.\ntempfile = \"3\"\n"), [""; 0]);
    }

    #[test]
    fn an_entry_without_a_reason_is_found() {
        let found = found("serde = \"1\"\n# Unix.\nnix = \"1\"\n\ntempfile = \"3\"\n");
        let expected = [
            "Cargo.toml:5: dependencies: `serde`: give the reason for it in a comment above it",
            "Cargo.toml:9: dependencies: `tempfile`: give the reason for it in a comment above it",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn an_unused_entry_is_found() {
        let found = found("# Records.\nserde = \"1\"\n# Own version in the member.\nplain = \"1\"\n");
        assert_eq!(found, ["Cargo.toml:8: dependencies: `plain`: no member inherits it; remove it"]);
    }

    #[test]
    fn later_sections_and_continued_lines_are_no_entries() {
        let text = "# Records.\nserde = { version = \"1\", features = [\n    \"derive\",\n] }\n\n[profile.dev]\ndebug = 1\n";
        assert_eq!(found(text), [""; 0]);
    }
}
