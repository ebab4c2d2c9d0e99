//! A file as one stream of bytes, with a bounded window over it.

use std::io::{self, Read};
use std::ops::Range;

use super::error::Reason;
use crate::capture::gzip;

/// Bytes of decompressed data read at a time. When a read reaches damage, the decoder withholds what it decompressed in
/// that read, so up to this much before the damage is lost.
const INFLATED_PIECE: usize = 16 * 1024;

/// The window. Its contents stay in place until more is requested.
pub(super) struct Input {
    reader: Box<dyn Read + Send>,
    window: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    /// Maximum bytes requested of the reader at once.
    piece: usize,
}

impl Input {
    /// A window of `chunk` bytes over a reader, decompressed where its first bytes are those of gzip.
    pub(super) fn new(reader: Box<dyn Read + Send>, chunk: usize) -> Result<Self, Reason> {
        let (reader, compressed) = gzip::content(reader).map_err(Reason::Read)?;
        let piece = if compressed { INFLATED_PIECE } else { usize::MAX };
        Ok(Self { reader, window: vec![0; chunk], start: 0, end: 0, ended: false, piece })
    }

    /// The unread bytes in the window.
    #[inline]
    pub(super) fn unread(&self) -> &[u8] {
        self.window.get(self.start..self.end).unwrap_or_default()
    }

    /// Makes at least `need` bytes available, as far as the file has them: `false` if it ends before.
    #[inline]
    pub(super) fn fill(&mut self, need: usize) -> Result<bool, Reason> {
        if self.end.saturating_sub(self.start) >= need { Ok(true) } else { self.refill(need) }
    }

    /// Consumes `count` unread bytes; returns their range in the window.
    #[inline]
    pub(super) fn take(&mut self, count: usize) -> Range<usize> {
        let from = self.start;
        self.start = from.saturating_add(count).min(self.end);
        from..self.start
    }

    /// Bytes of the window.
    #[inline]
    pub(super) fn get(&self, range: Range<usize>) -> &[u8] {
        self.window.get(range).unwrap_or_default()
    }

    /// Skips up to `count` bytes; returns their number.
    pub(super) fn skip(&mut self, count: u64) -> Result<u64, Reason> {
        let mut left = count;
        while left > 0 && self.fill(1)? {
            let unread = self.end.saturating_sub(self.start);
            let step = usize::try_from(left).unwrap_or(usize::MAX).min(unread);
            self.take(step);
            left = left.saturating_sub(u64::try_from(step).unwrap_or(u64::MAX));
        }
        Ok(count.saturating_sub(left))
    }

    /// Size of the window in bytes.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn size(&self) -> usize {
        self.window.capacity()
    }

    #[cold]
    fn refill(&mut self, need: usize) -> Result<bool, Reason> {
        // Less than `need` bytes move, so that this stays linear in the size of the file.
        self.window.copy_within(self.start..self.end, 0);
        self.end = self.end.saturating_sub(self.start);
        self.start = 0;
        if self.window.len() < need {
            // Exactly: doubling would exceed the configured maximum.
            self.window.reserve_exact(need.saturating_sub(self.window.len()));
            self.window.resize(need, 0);
        }
        while self.end.saturating_sub(self.start) < need && !self.ended {
            let end = self.end.saturating_add(self.piece).min(self.window.len());
            let space = self.window.get_mut(self.end..end).unwrap_or_default();
            match self.reader.read(space) {
                Ok(0) => self.ended = true,
                Ok(count) => self.end = self.end.saturating_add(count).min(self.window.len()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(Reason::CompressedTruncated);
                }
                Err(error) => return Err(Reason::Read(error)),
            }
        }
        Ok(self.end.saturating_sub(self.start) >= need)
    }
}
