//! Every `cargo xtask` command that the documentation names exists.

use super::Violation;
use super::tree::{File, Tree};

const CALL: &str = "cargo xtask ";

pub(super) fn check(tree: &Tree, subcommands: &[String]) -> Vec<Violation> {
    let documents = tree.files().iter().filter(|file| is_document(&file.path));
    documents.flat_map(|file| check_file(file, subcommands)).collect()
}

fn is_document(path: &str) -> bool {
    let page = path.strip_prefix("docs/").is_some_and(|name| name.ends_with(".md") && !name.contains('/'));
    page || matches!(path, "README.md" | "ARCHITECTURE.md")
}

fn check_file(file: &File, subcommands: &[String]) -> Vec<Violation> {
    let lines = file.text.lines().zip(1_usize..);
    let named = lines.flat_map(|(text, line)| named(text).map(move |name| (name, line)));
    let unknown = named.filter(|(name, _)| !subcommands.iter().any(|known| known == name));
    unknown
        .map(|(name, line)| Violation {
            path: file.path.clone(),
            line,
            rule: "commands",
            advice: format!("there is no `cargo xtask {name}`; name one of {}", subcommands.join(", ")),
        })
        .collect()
}

fn named(line: &str) -> impl Iterator<Item = &str> {
    line.split(CALL).skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_lowercase() || c == '-')).unwrap_or(rest.len());
        let name = rest.get(..end)?;
        // Neither a flag nor the end of a sentence.
        name.starts_with(|c: char| c.is_ascii_lowercase()).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<usize> {
        let known = ["setup".to_owned(), "test".to_owned()];
        check(&Tree::from_files(&[(path, text)]), &known).iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn a_command_that_does_not_exist_is_found() {
        let text = "Run `cargo xtask setup --tests`.\n\n    cargo xtask fly && cargo xtask test\n";
        assert_eq!(found("README.md", text), [3]);
        assert_eq!(found("ARCHITECTURE.md", text), [3]);
        assert_eq!(found("docs/operating.md", text), [3]);
    }

    #[test]
    fn flags_and_other_files_are_not_commands() {
        assert_eq!(found("README.md", "`cargo xtask --help` and `cargo xtask`\n"), [0; 0]);
        assert_eq!(found("notes.md", "cargo xtask fly\n"), [0; 0]);
    }
}
