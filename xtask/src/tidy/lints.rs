//! Every member inherits the workspace's lints; those that do not are not linted at all.

use super::Violation;
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let members = tree.members();
    let deaf = members.iter().filter(|(_, manifest)| {
        let inherits = manifest.get("lints").and_then(|lints| lints.get("workspace"));
        inherits.and_then(toml::Value::as_bool) != Some(true)
    });
    deaf.map(|(file, _)| Violation {
        path: file.path.clone(),
        line: 1,
        rule: "lints",
        advice: "add `[lints]` with `workspace = true`".to_owned(),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_without_the_lints_is_found() {
        let tree = Tree::from_files(&[
            ("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\", \"c\"]\n"),
            ("a/Cargo.toml", "[package]\nname = \"a\"\n[lints]\nworkspace = true\n"),
            ("b/Cargo.toml", "[package]\nname = \"b\"\n[lints.rust]\nunsafe_code = \"allow\"\n"),
            ("c/Cargo.toml", "[package]\nname = \"c\"\n"),
        ]);
        let found: Vec<String> = check(&tree).into_iter().map(|violation| violation.path).collect();
        assert_eq!(found, ["b/Cargo.toml", "c/Cargo.toml"]);
    }
}
