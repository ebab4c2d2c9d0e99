//! Files that may be compressed.

use std::io::{self, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

/// Bytes of compressed input read at a time.
const COMPRESSED_CHUNK: usize = 64 * 1024;

const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The content of a file, decompressed if its first bytes are those of gzip, and whether they were.
///
/// # Errors
/// If it cannot be read.
pub(super) fn content(mut reader: Box<dyn Read + Send>) -> io::Result<(Box<dyn Read + Send>, bool)> {
    let mut head = Vec::with_capacity(GZIP.len());
    let limit = u64::try_from(GZIP.len()).unwrap_or(u64::MAX);
    reader.by_ref().take(limit).read_to_end(&mut head)?;
    let compressed = head == GZIP;
    let whole = Cursor::new(head).chain(reader);
    if compressed {
        let compressed = BufReader::with_capacity(COMPRESSED_CHUNK, whole);
        return Ok((Box::new(MultiGzDecoder::new(compressed)), true));
    }
    Ok((Box::new(whole), false))
}
