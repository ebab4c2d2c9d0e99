mod damage;
mod etherparse;
mod formats;
mod frames;
mod headers;
mod links;
mod pcapng;
mod property;
mod tshark;
mod writer;

use std::io::{Cursor, Read};

use super::{CaptureFile, FileConfig, FileCounters, FileError, Passed};
use crate::capture::{Direction, Endpoint, Segment};

/// A segment that outlives its file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    nanos: u64,
    source: Endpoint,
    destination: Endpoint,
    direction: Option<Direction>,
    sequence: u32,
    acknowledgement: u32,
    flags: u8,
    urgent: u16,
    length: u32,
    payload: Vec<u8>,
}

impl From<Segment<'_>> for Seen {
    fn from(segment: Segment<'_>) -> Self {
        Self {
            nanos: segment.time.unix_nanos(),
            source: segment.source,
            destination: segment.destination,
            direction: segment.direction,
            sequence: segment.sequence,
            acknowledgement: segment.acknowledgement,
            flags: segment.flags.0,
            urgent: segment.urgent,
            length: segment.length,
            payload: segment.payload.to_vec(),
        }
    }
}

/// All that was read, and the error that ended it.
struct Outcome {
    seen: Vec<Seen>,
    error: Option<FileError>,
    counters: FileCounters,
}

impl Outcome {
    fn whole(self) -> Self {
        assert!(self.error.is_none(), "{}", self.error.unwrap());
        self
    }

    fn message(&self) -> String {
        self.error.as_ref().map(ToString::to_string).unwrap_or_default()
    }

    /// The kinds of passed packets, with their counts.
    fn passed(&self) -> Vec<(Passed, u64)> {
        let counts = Passed::ALL.map(|kind| (kind, self.counters.passed(kind)));
        counts.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

fn read(bytes: impl AsRef<[u8]>) -> Outcome {
    read_from(Cursor::new(bytes.as_ref().to_vec()), &FileConfig::default())
}

fn read_from(reader: impl Read + Send + 'static, config: &FileConfig) -> Outcome {
    let mut file = match CaptureFile::from_reader("a.pcap", reader, config) {
        Ok(file) => file,
        Err(error) => {
            return Outcome { seen: Vec::new(), error: Some(error), counters: FileCounters::default() };
        }
    };
    let mut seen = Vec::new();
    let error = loop {
        match file.next_segment() {
            Ok(Some(segment)) => seen.push(segment.into()),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    Outcome { seen, error, counters: *file.counters() }
}
