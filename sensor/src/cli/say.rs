//! Output of commands: the only writer to standard output and standard error of this room. Text is escaped for
//! terminals here, whatever its source; JSON when it is written.
#![expect(clippy::print_stderr, reason = "the one place that speaks to a terminal")]

use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write};
use std::sync::{Mutex, PoisonError};

use anstream::{AutoStream, ColorChoice};
use serde::Serialize;
use serde_json::Value;

use super::{colour, csv};
use crate::printable::{printable_lines, to_json, write_json};

/// Why output failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SayError {
    /// The reader closed the pipe, as `head` does after its lines.
    #[error("standard output was closed by its reader")]
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

/// Writes text, possibly of several lines, at once.
pub(super) fn say(text: impl AsRef<str>) -> Result<(), SayError> {
    let mut out = io::stdout().lock();
    let text = colour::painted(printable_lines(text.as_ref()));
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// Records for a table, if one is wanted.
static TABLE: Mutex<Option<Vec<Value>>> = Mutex::new(None);

/// From here on, JSON output is collected for [`end_table`].
pub(super) fn begin_table() {
    *TABLE.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
}

/// Whether records are collected for a table.
pub(super) fn is_table() -> bool {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner).is_some()
}

/// Writes the collected records as comma-separated values.
pub(super) fn end_table(list: csv::List) -> Result<(), SayError> {
    let records = TABLE.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
    let text = csv::table(list, &records);
    say(text.map_err(|error| SayError::Failed(io::Error::other(error)))?)
}

/// Writes a JSON document on one line, at once, or collects it for a table.
pub(super) fn say_json<T: Serialize + ?Sized>(value: &T) -> Result<(), SayError> {
    if let Some(records) = &mut *TABLE.lock().unwrap_or_else(PoisonError::into_inner) {
        match serde_json::to_value(value).map_err(|error| SayError::Failed(error.into()))? {
            Value::Array(several) => records.extend(several),
            one @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
                records.push(one);
            }
        }
        return Ok(());
    }
    let mut out = Out::new(io::stdout().lock());
    out.json(value)?;
    Ok(out.flush()?)
}

/// Whether a person reads the output.
pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether standard output supports colour: it is a terminal, TERM is not dumb, and NO_COLOR is not set.
pub(super) fn takes_colour() -> bool {
    AutoStream::choice(&io::stdout()) != ColorChoice::Never
}

/// Writes text to standard error.
pub(super) fn complain(text: impl AsRef<str>) {
    eprintln!("{}", printable_lines(text.as_ref()));
}

/// Writes a JSON document to standard error.
pub(super) fn complain_json<T: Serialize + ?Sized>(value: &T) {
    eprintln!("{}", to_json(value).unwrap_or_default());
}

/// Buffered standard output for many lines.
pub(super) fn stdout() -> Out<BufWriter<StdoutLock<'static>>> {
    Out::new(BufWriter::with_capacity(1 << 20, io::stdout().lock()))
}

/// The target of many lines.
pub(super) struct Out<W>(W);

impl<W: Write> Out<W> {
    pub(super) const fn new(out: W) -> Self {
        Self(out)
    }

    /// A text and a line end.
    pub(super) fn text(&mut self, text: &str) -> io::Result<()> {
        self.0.write_all(printable_lines(text).as_bytes())?;
        self.0.write_all(b"\n")
    }

    /// A JSON document in a line.
    pub(super) fn json<T: Serialize + ?Sized>(&mut self, value: &T) -> io::Result<()> {
        write_json(&mut self.0, value).map_err(io::Error::from)?;
        self.0.write_all(b"\n")
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_whoever_reads() {
        let mut written = Vec::new();
        let mut out = Out::new(&mut written);
        out.text("a\u{1b}[2J\u{9b}\nb\u{202e}").unwrap();
        out.json("a\u{9b}\u{202e}").unwrap();
        assert_eq!(
            String::from_utf8(written).unwrap(),
            "a\\u{1b}[2J\\u{9b}\nb\\u{202e}\n\"a\\u009b\\u202e\"\n"
        );
    }
}
