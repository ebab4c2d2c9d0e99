//! The sandbox that a daemon enters after set-up, however it was started. It bounds what a compromised parser could do.
//!
//! Each layer is applied as far as the kernel supports it, and gaps are reported. A service manager may add layers
//! around it.

mod calls;
mod files;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use nix::unistd::{Uid, User};
use serde::{Deserialize, Serialize};

pub use files::missing as missing_in_landlock;

/// What a daemon needs after set-up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Files that are read again, such as on reload, with their directories; and directories.
    pub reads: BTreeSet<PathBuf>,
    /// Files that are replaced or created again, with their directories; and directories.
    pub keeps: BTreeSet<PathBuf>,
    /// Files that are removed at the end.
    pub removes: BTreeSet<PathBuf>,
    /// TCP ports of other hosts to connect to; implies DNS.
    pub ports: BTreeSet<u16>,
    /// Whether the service manager listens on an abstract socket.
    pub speaks_to_abstract_sockets: bool,
}

/// To which degree a layer is in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Extent {
    /// Everything that is requested.
    Full,
    /// As much as the kernel supports.
    Partial,
    /// Nothing.
    #[default]
    Off,
}

/// One layer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// To which degree it is in force.
    pub extent: Extent,
    /// What it is, or why it is not in force.
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

/// The layers between a compromised daemon and its host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// The daemon's user: full if that is not root.
    pub user: Layer,
    /// Files, ports, other processes: Landlock.
    pub files: Layer,
    /// System calls: seccomp.
    pub calls: Layer,
}

impl Confinement {
    /// Each layer, with the word that operators see.
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

/// Puts this process into the sandbox, for good. Must be called by its only thread: Landlock applies to the calling
/// thread and to those that it starts.
#[must_use]
pub fn enter(reach: &Reach) -> Confinement {
    // The file system first: the filter of system calls forbids what this needs.
    let files = files::restrict(reach).unwrap_or_else(|error| Layer::off(error.to_string()));
    let calls = match calls::restrict(reach) {
        Ok(()) => Layer::full("system calls filtered"),
        Err(error) => Layer::off(error.to_string()),
    };
    Confinement { user: user(Uid::effective()), files, calls }
}

/// Puts a process that only looks at others into its sandbox, for good. Landlock has no part in it: whom it confines may not
/// look at anybody outside.
///
/// # Errors
/// If the kernel refuses; the process must not go on then.
pub fn enter_to_look() -> Result<(), String> {
    calls::restrict_to_look().map_err(|error| error.to_string())
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
