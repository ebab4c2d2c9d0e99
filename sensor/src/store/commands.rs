//! The file that keeps what commands said: `commands.json` in the state directory.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::clock::Timestamp;
use crate::enforce::{Layer, Limits, Scope};

/// A change of limits that is undone unless it is confirmed in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Whose limits.
    pub scope: Scope,
    /// What commands had set before, if anything.
    pub previous: Option<Limits>,
    /// When the change is undone.
    pub deadline: Timestamp,
}

/// Everything that is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Saved {
    /// What commands said.
    pub commands: Layer,
    /// Changes that wait for confirmation.
    pub pending: Vec<Pending>,
}

/// What can go wrong with the file.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It is not what this program wrote.
    #[error("{path}: not a state file of this version ({source}); move it away to start without it")]
    Format {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
}

/// The file.
#[derive(Clone, Debug)]
pub struct CommandStore {
    path: PathBuf,
}

impl CommandStore {
    /// The store in a state directory, which is made if need be.
    ///
    /// # Errors
    /// Where the directory cannot be made.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(directory)
            .map_err(|source| StoreError::Io { path: directory.to_owned(), source })?;
        Ok(Self { path: directory.join("commands.json") })
    }

    /// What was kept; nothing, where there is no file.
    ///
    /// # Errors
    /// Where the file cannot be read or understood.
    pub fn load(&self) -> Result<Saved, StoreError> {
        match fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| StoreError::Format { path: self.path.clone(), source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Saved::default()),
            Err(source) => Err(self.error(source)),
        }
    }

    /// Keeps `saved`: the file is replaced whole, so that a crash leaves the old or the new one.
    ///
    /// # Errors
    /// Where it cannot be written; the old file stays.
    pub fn save(&self, saved: &Saved) -> Result<(), StoreError> {
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        let mut file = NamedTempFile::new_in(directory).map_err(|source| self.error(source))?;
        let bytes = serde_json::to_vec(saved)
            .map_err(|source| StoreError::Format { path: self.path.clone(), source })?;
        file.write_all(&bytes).map_err(|source| self.error(source))?;
        file.as_file().sync_data().map_err(|source| self.error(source))?;
        file.persist(&self.path).map_err(|error| self.error(error.error))?;
        Ok(())
    }

    fn error(&self, source: io::Error) -> StoreError {
        StoreError::Io { path: self.path.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::enforce::{BlockRule, Mode, Origin};

    #[test]
    fn what_is_saved_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let store = CommandStore::open(&directory.path().join("new")).unwrap();
        assert_eq!(store.load().unwrap(), Saved::default());
        let now = Timestamp::from_unix_micros(1_700_000_000_123_456);
        let limits = Limits { packets: Some("5/s".parse().unwrap()), ..Limits::default() };
        let mut saved = Saved::default();
        saved.commands.mode = Some(Mode::Enforce);
        saved.commands.limits.insert(Scope::Default, limits);
        saved.commands.limits.insert("10.0.0.0/8".parse().unwrap(), Limits::default());
        let rule =
            BlockRule { until: Some(now), reason: Some("x".into()), origin: Origin::Command, since: now };
        saved.commands.blocks.insert("2001:db8::/32".parse().unwrap(), rule);
        saved.pending.push(Pending { scope: Scope::Default, previous: Some(limits), deadline: now });
        store.save(&saved).unwrap();
        assert_eq!(store.load().unwrap(), saved);
    }

    #[test]
    fn a_broken_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let store = CommandStore::open(directory.path()).unwrap();
        fs::write(directory.path().join("commands.json"), "{").unwrap();
        assert!(store.load().unwrap_err().to_string().contains("commands.json"));
    }
}
