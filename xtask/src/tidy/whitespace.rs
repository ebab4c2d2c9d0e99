//! No line ends in blanks.

use super::Violation;
use super::tree::{File, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    // Snapshots hold what a terminal shows, blanks included.
    tree.files().iter().filter(|file| !file.path.ends_with(".snap")).flat_map(check_file).collect()
}

fn check_file(file: &File) -> impl Iterator<Item = Violation> {
    let lines = file.text.lines().zip(1_usize..).filter(|(line, _)| line.ends_with([' ', '\t']));
    lines.map(|(_, line)| Violation {
        path: file.path.clone(),
        line,
        rule: "whitespace",
        advice: "remove the blanks at the end of the line".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_at_the_end_are_found_in_any_text_file() {
        let tree =
            Tree::from_files(&[("a.rs", "fine\nfault \n"), ("b.md", "fault\t\n"), ("c.snap", "shown \n")]);
        let found: Vec<(String, usize)> = check(&tree).into_iter().map(|v| (v.path, v.line)).collect();
        assert_eq!(found, [("a.rs".to_owned(), 2), ("b.md".to_owned(), 1)]);
    }
}
