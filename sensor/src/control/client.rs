//! The client's side of the socket.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::wire::{Answer, Envelope, MAX_ANSWER};
use crate::printable::to_json;

/// What can go wrong for a client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No daemon answers.
    #[error(
        "no daemon answers on {path} ({source}); is `sensor run` running? Use `--socket` for another socket"
    )]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The socket exists, but this user may not use it.
    #[error(
        "{0}: permission denied; root may use it, and members of the groups `sensor` (to look) and `sensor-admin` (to \
         change): as root, `adduser USER sensor`, then log in again"
    )]
    Denied(PathBuf),
    /// The daemon refused the request.
    #[error("{0}")]
    Refused(String),
    /// The daemon's answer is not understood: perhaps another version.
    #[error("cannot read the daemon's answer ({0}); are the daemon and this command the same version?")]
    Unreadable(String),
}

/// A connection, opened for each request.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// A client of the daemon on a socket.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Sends a request, and waits for the answer.
    ///
    /// If no daemon answers, the daemon refuses, or the answer cannot be read.
    /// If nobody answers, the daemon refuses, or the answer cannot be read.
    pub fn ask(&self, envelope: &Envelope) -> Result<Value, ClientError> {
        let unreachable = |source: io::Error| {
            let path = self.socket.clone();
            if source.kind() == io::ErrorKind::PermissionDenied {
                ClientError::Denied(path)
            } else {
                ClientError::Unreachable { path, source }
            }
        };
        let mut stream = UnixStream::connect(&self.socket).map_err(unreachable)?;
        let mut line = to_json(envelope).map_err(unreadable)?;
        line.push('\n');
        // A daemon that is at its limit of connections says so and closes, without reading first.
        let written = stream.write_all(line.as_bytes());
        let mut answer = String::new();
        let limit = u64::try_from(MAX_ANSWER).unwrap_or(u64::MAX);
        let read = BufReader::new(stream.take(limit)).read_line(&mut answer);
        if answer.is_empty() {
            written.map_err(unreachable)?;
            read.map_err(unreachable)?;
            return Err(ClientError::Refused(
                "the daemon closed the connection without answering; see its log".to_owned(),
            ));
        }
        match serde_json::from_str(&answer).map_err(unreadable)? {
            Answer::Done(value) => Ok(value),
            Answer::Refused(why) => Err(ClientError::Refused(why)),
        }
    }

    /// As [`Client::ask`], with the answer decoded.
    ///
    /// # Errors
    /// Those of [`Client::ask`] and [`read`].
    pub fn ask_for<T: DeserializeOwned>(&self, envelope: &Envelope) -> Result<T, ClientError> {
        read(self.ask(envelope)?)
    }
}

/// Decodes an answer.
///
/// If it has another type.
/// If it is something else.
pub fn read<T: DeserializeOwned>(answer: Value) -> Result<T, ClientError> {
    serde_json::from_value(answer).map_err(unreadable)
}

fn unreadable(error: serde_json::Error) -> ClientError {
    ClientError::Unreadable(error.to_string())
}
