//! Files in the state directory: JSON, replaced whole.

use std::fs;
use std::io::{self, Write as _};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::NamedTempFile;

use crate::printable::to_json;

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

/// A file that holds a `T`. Only its owner may read it.
#[derive(Clone, Debug)]
pub struct StateFile<T> {
    path: PathBuf,
    content: PhantomData<fn() -> T>,
}

impl<T: Default + Serialize + DeserializeOwned> StateFile<T> {
    /// The file of this name in a state directory, which is made if need be.
    ///
    /// # Errors
    /// Where the directory cannot be made.
    pub fn open(directory: &Path, name: &str) -> Result<Self, StoreError> {
        fs::create_dir_all(directory)
            .map_err(|source| StoreError::Io { path: directory.to_owned(), source })?;
        Ok(Self { path: directory.join(name), content: PhantomData })
    }

    /// What was kept; nothing, where there is no file.
    ///
    /// # Errors
    /// Where the file cannot be read or understood.
    pub fn load(&self) -> Result<T, StoreError> {
        match fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| StoreError::Format { path: self.path.clone(), source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(T::default()),
            Err(source) => Err(self.error(source)),
        }
    }

    /// Keeps `saved`: the file is replaced whole, so that a crash leaves the old or the new one.
    ///
    /// # Errors
    /// Where it cannot be written; the old file stays.
    pub fn save(&self, saved: &T) -> Result<(), StoreError> {
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        let mut file = NamedTempFile::new_in(directory).map_err(|source| self.error(source))?;
        let text = to_json(saved).map_err(|source| StoreError::Format { path: self.path.clone(), source })?;
        file.write_all(text.as_bytes()).map_err(|source| self.error(source))?;
        file.as_file().sync_data().map_err(|source| self.error(source))?;
        file.persist(&self.path).map_err(|error| self.error(error.error))?;
        Ok(())
    }

    fn error(&self, source: io::Error) -> StoreError {
        StoreError::Io { path: self.path.clone(), source }
    }
}
