//! A log as a file of lines.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::{Layout, Recorded, Unreadable};
use crate::capture::gzip;

/// Maximum length of a line. Servers bound request lines and headers to a fraction of it.
pub const MAX_LINE: usize = 64 << 10;

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogCounters {
    /// Lines, empty ones left out.
    pub lines: u64,
    /// Lines that could not be read.
    pub unreadable: u64,
    /// The first of them: its number, and why.
    pub first: Option<(u64, Unreadable)>,
}

/// A log file, plain or gzip.
pub struct LogFile {
    reader: BufReader<Box<dyn Read + Send>>,
    layout: Layout,
    line: Vec<u8>,
    recorded: Recorded,
    counters: LogCounters,
    number: u64,
}

impl LogFile {
    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    /// If it cannot be opened or read.
    pub fn open(path: &Path, layout: Layout) -> io::Result<Self> {
        let source: Box<dyn Read + Send> =
            if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
        let (content, _was_compressed) = gzip::content(source)?;
        Ok(Self {
            reader: BufReader::with_capacity(1 << 16, content),
            layout,
            line: Vec::new(),
            recorded: Recorded::default(),
            counters: LogCounters::default(),
            number: 0,
        })
    }

    /// What was read so far.
    #[must_use]
    pub const fn counters(&self) -> &LogCounters {
        &self.counters
    }

    /// The record of the next line that can be read; none at the end.
    ///
    /// # Errors
    /// If the file cannot be read further.
    pub fn next_recorded(&mut self) -> io::Result<Option<&Recorded>> {
        while let Some(is_whole) = self.next_line()? {
            self.number = self.number.saturating_add(1);
            if self.line.is_empty() {
                continue;
            }
            self.counters.lines = self.counters.lines.saturating_add(1);
            let read = if is_whole {
                self.layout.read(&self.line, &mut self.recorded)
            } else {
                Err(Unreadable::TooLong)
            };
            match read {
                Ok(()) => return Ok(Some(&self.recorded)),
                Err(why) => {
                    self.counters.unreadable = self.counters.unreadable.saturating_add(1);
                    self.counters.first.get_or_insert((self.number, why));
                }
            }
        }
        Ok(None)
    }

    /// Reads the next line, without its end; whether all of it is kept. None at the end.
    fn next_line(&mut self) -> io::Result<Option<bool>> {
        self.line.clear();
        let mut is_whole = true;
        let mut any = false;
        loop {
            let window = self.reader.fill_buf()?;
            if window.is_empty() {
                break;
            }
            any = true;
            let end = memchr::memchr(b'\n', window);
            let piece = window.get(..end.unwrap_or(window.len())).unwrap_or_default();
            let room = MAX_LINE.saturating_sub(self.line.len());
            is_whole &= piece.len() <= room;
            self.line.extend_from_slice(piece.get(..piece.len().min(room)).unwrap_or_default());
            let taken = piece.len().saturating_add(usize::from(end.is_some()));
            self.reader.consume(taken);
            if end.is_some() {
                break;
            }
        }
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        Ok(any.then_some(is_whole))
    }
}
