//! The files that the rules look at, in memory.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process;

/// Bytes that a fuzzer chose. Some of them happen to be text.
const CORPORA: &str = "fuzz/corpus/";

/// A text file.
pub(super) struct File {
    /// Relative to the root, with `/`.
    pub(super) path: String,
    /// Its content.
    pub(super) text: String,
}

/// All text files of the repository.
pub(super) struct Tree {
    files: Vec<File>,
}

impl Tree {
    /// Reads what git knows and what it would add: a fault is found before it is committed.
    pub(super) fn load(root: &Path) -> Result<Self> {
        let mut git = Command::new("git");
        git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let listing = process::capture(&mut git).context("tidy checks what git lists")?;
        let mut files = Vec::new();
        for path in listing.split('\0').filter(|path| !path.is_empty() && !path.starts_with(CORPORA)) {
            // A file deleted but still in the index, or a link to a directory, has nothing to check.
            let Ok(bytes) = fs::read(root.join(path)) else { continue };
            // Captures and other binary files are not subject to rules about text.
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(File { path: path.to_owned(), text });
            }
        }
        if files.is_empty() {
            bail!("git lists no files in {}; run tidy in a checkout", root.display());
        }
        Ok(Self { files })
    }

    #[cfg(test)]
    pub(super) fn from_files(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File { path: (*path).into(), text: (*text).into() };
        Self { files: files.iter().map(file).collect() }
    }

    /// Every file.
    pub(super) fn files(&self) -> &[File] {
        &self.files
    }

    /// The Rust files.
    pub(super) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    /// The file at `path`.
    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The manifests of the workspace's members, parsed; those that do not parse stop cargo itself.
    pub(super) fn members(&self) -> Vec<(&File, toml::Table)> {
        let Some(root) = self.file("Cargo.toml").and_then(|file| file.text.parse::<toml::Table>().ok())
        else {
            return Vec::new();
        };
        let members = root.get("workspace").and_then(|workspace| workspace.get("members"));
        let members = members.and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let manifests = members.iter().filter_map(|member| {
            let file = self.file(&format!("{}/Cargo.toml", member.as_str()?))?;
            Some((file, file.text.parse().ok()?))
        });
        manifests.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_those_that_the_workspace_names() {
        let tree = Tree::from_files(&[
            ("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b/c\"]\n"),
            ("a/Cargo.toml", "[package]\nname = \"a\"\n"),
            ("b/c/Cargo.toml", "[package]\nname = \"c\"\n"),
            ("fuzz/Cargo.toml", "[package]\nname = \"fuzz\"\n"),
        ]);
        let paths: Vec<&str> = tree.members().iter().map(|(file, _)| file.path.as_str()).collect();
        assert_eq!(paths, ["a/Cargo.toml", "b/c/Cargo.toml"]);
    }
}
