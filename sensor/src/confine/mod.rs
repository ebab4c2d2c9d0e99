//! The sandbox that a daemon puts itself into once it is set up, whoever started it: what a parser that was taken over
//! could do is what is left here.
//!
//! Each layer is taken as far as the kernel has it, and what is missing is told. A service manager may have put more
//! around it.

mod calls;
mod files;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use nix::unistd::{Uid, User};
use serde::{Deserialize, Serialize};

pub use files::missing as missing_in_landlock;

/// What a daemon needs once it is set up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Files that are read again, such as for a reload, with the directories that they are in; and directories.
    pub reads: BTreeSet<PathBuf>,
    /// Files that are replaced, or begun anew, with the directories that they are in; and directories.
    pub keeps: BTreeSet<PathBuf>,
    /// Files that are removed in the end.
    pub removes: BTreeSet<PathBuf>,
    /// TCP ports of other hosts that are connected to; their names are asked for, too.
    pub ports: BTreeSet<u16>,
    /// Whether the service manager listens on an abstract socket.
    pub speaks_to_abstract_sockets: bool,
}

/// How much of a layer is in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Extent {
    /// All that is asked for.
    Full,
    /// As much as the kernel has.
    Partial,
    /// Nothing.
    #[default]
    Off,
}

/// One layer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// How much of it is in force.
    pub extent: Extent,
    /// What it is, or why it is not.
    pub detail: String,
}

impl Layer {
    fn full(detail: impl Into<String>) -> Self {
        Self { extent: Extent::Full, detail: detail.into() }
    }

    fn partial(detail: impl Into<String>) -> Self {
        Self { extent: Extent::Partial, detail: detail.into() }
    }

    fn off(detail: impl Into<String>) -> Self {
        Self { extent: Extent::Off, detail: detail.into() }
    }
}

/// What stands between a daemon that was taken over and its host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// The user that it runs as: full where that is not root.
    pub user: Layer,
    /// Files, ports, other processes: Landlock.
    pub files: Layer,
    /// System calls: seccomp.
    pub calls: Layer,
}

impl Confinement {
    /// Each layer, with the word that operators read.
    #[must_use]
    pub fn layers(&self) -> [(&'static str, &Layer); 3] {
        [("user", &self.user), ("files", &self.files), ("calls", &self.calls)]
    }
}

impl fmt::Display for Confinement {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (name, layer)) in self.layers().into_iter().enumerate() {
            let separator = if position == 0 { "" } else { "; " };
            match layer.extent {
                Extent::Full => write!(out, "{separator}{}", layer.detail)?,
                Extent::Partial => write!(out, "{separator}PARTLY {}", layer.detail)?,
                Extent::Off => write!(out, "{separator}{name} NOT CONFINED: {}", layer.detail)?,
            }
        }
        Ok(())
    }
}

/// Puts this process into the sandbox, for good. To be called by its only thread: Landlock holds for that one and for
/// those that it starts.
#[must_use]
pub fn enter(reach: &Reach) -> Confinement {
    // The file system first: the filter of calls ends what this needs.
    let files = files::restrict(reach).unwrap_or_else(|error| Layer::off(error.to_string()));
    let calls = match calls::restrict(reach) {
        Ok(()) => Layer::full("system calls filtered"),
        Err(error) => Layer::off(error.to_string()),
    };
    Confinement { user: user(Uid::effective()), files, calls }
}

fn user(uid: Uid) -> Layer {
    let name = User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name);
    if uid.is_root() {
        return Layer::off(format!(
            "it runs as {name}; `--user` names another user, the package's unit has one"
        ));
    }
    Layer::full(format!("user {name}"))
}

#[cfg(test)]
mod tests;
