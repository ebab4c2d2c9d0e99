//! `cargo xtask tidy`: the house rules. One file a rule; each rule is a function from the tree to its
//! violations, so that its tests show it a violation.

mod clock;
mod commands;
mod dependencies;
mod functions;
mod length;
mod lints;
mod paths;
mod printing;
mod rooms;
mod tokens;
mod tree;
mod unsafety;
mod whitespace;

use std::fmt;

use anyhow::{Result, bail};

use crate::{progress, subcommands, workspace};
use tree::Tree;

/// A place where the tree breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    path: String,
    line: usize,
    rule: &'static str,
    advice: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.path, self.line, self.rule, self.advice)
    }
}

/// Checks the workspace.
pub(crate) fn command() -> Result<()> {
    let tree = Tree::load(&workspace::root())?;
    let violations = check(&tree, &subcommands(), &paths::of_this_machine());
    for violation in &violations {
        println!("{violation}");
    }
    if !violations.is_empty() {
        bail!("{} violations of the house rules; each line above says what to do", violations.len());
    }
    progress::done(&format!("tidy: {} files keep the house rules", tree.files().len()));
    Ok(())
}

fn check(tree: &Tree, subcommands: &[String], machine_paths: &[String]) -> Vec<Violation> {
    let mut violations: Vec<Violation> = [
        length::check(tree),
        functions::check(tree),
        lints::check(tree),
        rooms::check(tree),
        unsafety::check(tree),
        dependencies::check(tree),
        clock::check(tree),
        whitespace::check(tree),
        paths::check(tree, machine_paths),
        printing::check(tree),
        commands::check(tree, subcommands),
    ]
    .into_iter()
    .flatten()
    .collect();
    violations.sort();
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_is_one_line_that_editors_can_follow() {
        let violation = Violation { path: "a.rs".into(), line: 7, rule: "length", advice: "split it".into() };
        assert_eq!(violation.to_string(), "a.rs:7: length: split it");
    }

    #[test]
    fn every_rule_is_asked() {
        let tree = Tree::from_files(&[
            ("sensor/src/lib.rs", "pub mod kernel;\npub mod detect;\n"),
            ("sensor/src/kernel.rs", "use crate::detect; \n"),
            ("sensor/src/detect.rs", "fn f() { unsafe { Instant::now() } serde_json::to_string(&a); }\n"),
            ("README.md", "`cargo xtask fly` in /here/it/is\n"),
            ("Cargo.toml", "[workspace]\nmembers = [\"a\"]\n[workspace.dependencies]\nserde = \"1\"\n"),
            ("a/Cargo.toml", "[package]\nname = \"a\"\n"),
            ("long.rs", &"//\n".repeat(400)),
            ("deep.rs", "fn f() { loop { loop { loop { loop { loop {} } } } } }\n"),
        ]);
        let found = check(&tree, &["tidy".to_owned()], &["/here/it".to_owned()]);
        let mut rules: Vec<&str> = found.iter().map(|violation| violation.rule).collect();
        rules.sort_unstable();
        rules.dedup();
        let all = [
            "clock",
            "commands",
            "dependencies",
            "functions",
            "length",
            "lints",
            "paths",
            "printing",
            "rooms",
            "unsafe",
            "whitespace",
        ];
        assert_eq!(rules, all);
    }
}
