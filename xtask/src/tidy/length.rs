//! Files are short enough to be read in one go.

use super::Violation;
use super::tree::Tree;

/// Lines a file stays under.
const LIMIT: usize = 400;

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let long = tree.rust().map(|file| (file, file.text.lines().count())).filter(|(_, lines)| *lines >= LIMIT);
    long.map(|(file, lines)| Violation {
        path: file.path.clone(),
        line: lines,
        rule: "length",
        advice: format!("{lines} lines; move a part with a name of its own to another file (under {LIMIT})"),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_at_the_limit_is_too_long() {
        let tree = Tree::from_files(&[("long.rs", &"//\n".repeat(400)), ("short.rs", &"//\n".repeat(399))]);
        let found = check(&tree);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].path.as_str(), found[0].line), ("long.rs", 400));
    }

    #[test]
    fn other_files_may_be_long() {
        let tree = Tree::from_files(&[("dashboard.json", &"\n".repeat(4000))]);
        assert_eq!(check(&tree), []);
    }
}
