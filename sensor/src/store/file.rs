//! Files in the state directory: JSON, replaced atomically, and never a reason not to start.

use std::fs;
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::{debug, error};

use super::aside::{Aside, Damage, move_aside};
use super::own::read_own;
use super::replace::{keep_as, remove_unfinished, replace};
use crate::clock::Timestamp;
use crate::printable::to_json;

/// Why the file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be written, or its directory cannot be created.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Its content cannot be written as JSON.
    #[error("{path}: {source}")]
    Format {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The existing file could be neither used nor moved aside.
    #[error("{0}: the existing file could neither be used nor moved aside, and is not overwritten")]
    Sealed(PathBuf),
}

/// Result of parsing a file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading<T> {
    /// All of it.
    Whole(T),
    /// Another version's content, as far as it is understood; and what is not.
    Part(T, String),
    /// Nothing, and why.
    Nothing(String),
}

/// A file that stores a `T`. Only its owner may read it.
#[derive(Clone, Debug)]
pub struct StateFile<T> {
    path: PathBuf,
    keeps_previous: bool,
    is_sealed: bool,
    content: PhantomData<fn() -> T>,
}

impl<T: Default + Serialize + DeserializeOwned> StateFile<T> {
    /// The file with this name in a state directory, which is created if necessary.
    ///
    /// # Errors
    /// If the directory cannot be created.
    pub fn open(directory: &Path, name: &str) -> Result<Self, StoreError> {
        fs::create_dir_all(directory)
            .map_err(|source| StoreError::Io { path: directory.to_owned(), source })?;
        let path = directory.join(name);
        remove_unfinished(&path);
        Ok(Self { path, keeps_previous: false, is_sealed: false, content: PhantomData })
    }

    /// Keeps the version before the last change as `NAME.previous`, in case the file becomes unreadable.
    #[must_use]
    pub fn with_previous(self) -> Self {
        Self { keeps_previous: true, ..self }
    }

    /// The stored value; `None` if there is no file.
    pub fn recall(&mut self, now: Timestamp) -> (T, Option<Damage>) {
        self.recall_with(now, whole)
    }

    /// The same with another parser. A file that cannot be read in full is moved aside, with a log message, before
    /// anything is written in its place.
    pub fn recall_with(&mut self, now: Timestamp, read: fn(&[u8]) -> Reading<T>) -> (T, Option<Damage>) {
        let found = match read_own(&self.path, false) {
            Ok(None) => return (T::default(), None),
            Ok(Some(bytes)) => read(&bytes),
            Err(error) => Reading::Nothing(error.to_string()),
        };
        let (content, aside, why, instead): (_, _, _, &str) = match found {
            Reading::Whole(content) => return (content, None),
            Reading::Part(content, why) => (content, Aside::Newer, why, "the rest of it is in force"),
            Reading::Nothing(why) => {
                let previous = self.previous(read);
                let instead = match previous {
                    Some(_) => "the version before the last change is in force",
                    None => "none of it is in force",
                };
                (previous.unwrap_or_default(), Aside::Corrupt, why, instead)
            }
        };
        (content, Some(self.put_aside(aside, why, instead, now)))
    }

    /// Moves a file aside whose content was read but is useless, with a log message.
    pub fn set_aside(&mut self, why: String, instead: &str, now: Timestamp) -> Damage {
        self.put_aside(Aside::Corrupt, why, instead, now)
    }

    fn put_aside(&mut self, aside: Aside, why: String, instead: &str, now: Timestamp) -> Damage {
        let moved = move_aside(&self.path, aside, now);
        self.is_sealed = moved.is_err();
        let damage = Damage {
            path: self.path.clone(),
            why,
            kept: moved.map_err(|error| error.to_string()),
            instead: instead.to_owned(),
            lacks_rules: self.keeps_previous,
        };
        error!("{damage}");
        damage
    }

    fn previous(&self, read: fn(&[u8]) -> Reading<T>) -> Option<T> {
        let bytes = read_own(&self.previous_path(), false).ok().flatten().filter(|_| self.keeps_previous)?;
        match read(&bytes) {
            Reading::Whole(content) | Reading::Part(content, _) => Some(content),
            Reading::Nothing(_) => None,
        }
    }

    fn previous_path(&self) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".previous");
        PathBuf::from(name)
    }

    /// Stores `saved`: the file is replaced atomically, so that a crash leaves the old or the new one.
    ///
    /// # Errors
    /// If it cannot be written; the old file stays.
    pub fn save(&self, saved: &T) -> Result<(), StoreError> {
        if self.is_sealed {
            return Err(StoreError::Sealed(self.path.clone()));
        }
        let text = to_json(saved).map_err(|source| StoreError::Format { path: self.path.clone(), source })?;
        if self.keeps_previous
            && self.path.exists()
            && let Err(error) = keep_as(&self.path, &self.previous_path())
        {
            // It is a second fallback, no more.
            debug!(%error, path = %self.path.display(), "the version before this change is not kept");
        }
        replace(&self.path, text.as_bytes(), 0o600)
            .map_err(|source| StoreError::Io { path: self.path.clone(), source })
    }
}

fn whole<T: DeserializeOwned>(bytes: &[u8]) -> Reading<T> {
    serde_json::from_slice(bytes).map_or_else(|error| Reading::Nothing(error.to_string()), Reading::Whole)
}
