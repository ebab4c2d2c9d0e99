//! Nothing in the repository depends on where it lies on somebody's machine.

use std::env;
use std::path::Path;

use super::Violation;
use super::tree::{File, Tree};
use crate::workspace;

/// The absolute paths that betray this machine: of the checkout, and of its user's Rust installation. They
/// are asked for and not listed, so the rule holds on every machine and names none.
pub(super) fn of_this_machine() -> Vec<String> {
    let home = env::home_dir();
    let tools = home.iter().flat_map(|home| [".cargo", ".rustup"].map(|dir| home.join(dir)));
    let paths = std::iter::once(workspace::root()).chain(tools);
    paths.filter(|path| is_telling(path)).map(|path| path.to_string_lossy().into_owned()).collect()
}

/// A checkout in `/src` would make every mention of `/src` a fault.
fn is_telling(path: &Path) -> bool {
    path.is_absolute() && path.components().count() > 2
}

pub(super) fn check(tree: &Tree, machine_paths: &[String]) -> Vec<Violation> {
    tree.files().iter().flat_map(|file| check_file(file, machine_paths)).collect()
}

fn check_file(file: &File, machine_paths: &[String]) -> Vec<Violation> {
    let lines = file.text.lines().zip(1_usize..);
    let telling = lines.filter(|(line, _)| machine_paths.iter().any(|path| line.contains(path.as_str())));
    telling
        .map(|(_, line)| Violation {
            path: file.path.clone(),
            line,
            rule: "paths",
            advice: "names a path of this machine; use a relative path or a variable".to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_the_machine_is_found() {
        let tree = Tree::from_files(&[("a.md", "see\n/home/me/sensor/docs\n"), ("b.md", "see docs\n")]);
        let found = check(&tree, &["/home/me/sensor".to_owned()]);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].path.as_str(), found[0].line), ("a.md", 2));
    }

    #[test]
    fn this_machine_has_a_path_to_look_for() {
        assert!(of_this_machine().iter().all(|path| path.starts_with('/')));
        assert!(!is_telling(Path::new("/src")));
        assert!(is_telling(Path::new("/home/me/sensor")));
    }
}
