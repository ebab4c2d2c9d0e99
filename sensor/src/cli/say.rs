//! What commands answer, on standard output.

use std::fmt::Display;
use std::io::{self, Write as _};

/// Why an answer could not be given.
#[derive(Debug, thiserror::Error)]
pub(super) enum SayError {
    /// Whoever read it has seen enough, as `head` has after its lines.
    #[error("nobody reads standard output any more")]
    ReaderLeft,
    /// Anything else, such as a full disk.
    #[error("writing to standard output: {0}")]
    Failed(io::Error),
}

impl From<io::Error> for SayError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::ReaderLeft } else { Self::Failed(error) }
    }
}

/// Writes a line, at once.
pub(super) fn say(line: impl Display) -> Result<(), SayError> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
