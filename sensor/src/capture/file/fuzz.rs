//! The fuzz entry of capture files.

use std::io::Cursor;

use super::{CaptureFile, FileConfig, FileError, Passed};
use crate::capture::Segment;
use crate::clock::Timestamp;

/// A window so small that most records cross its end.
const NARROW: FileConfig = FileConfig { window_bytes: 64, max_packet_bytes: 64 * 1024, max_interfaces: 8 };
const WIDE: FileConfig = FileConfig { window_bytes: 256 * 1024, ..NARROW };

/// Reads arbitrary bytes as a capture file to its end.
///
/// # Panics
/// If a segment has more payload than its length says, the counters do not add up, the window outgrows its
/// bound, something follows an error, or the size of the window changes what is read.
pub fn next_segment(bytes: &[u8]) {
    let narrow = drain(bytes, &NARROW);
    let wide = drain(bytes, &WIDE);
    // How much a damaged gzip member yields depends on how much is asked of it at once.
    let damaged =
        |outcome: &Outcome| outcome.1.as_ref().is_some_and(|error| error.contains("cannot read it"));
    assert!(narrow == wide || damaged(&narrow) || damaged(&wide), "narrow {narrow:?}, wide {wide:?}");
}

/// What was read: a digest of the segments and the error at the end.
type Outcome = (Option<u64>, Option<String>);

fn drain(bytes: &[u8], config: &FileConfig) -> Outcome {
    let reader = Cursor::new(bytes.to_vec());
    let mut file = match CaptureFile::from_reader("fuzz", reader, config) {
        Ok(file) => file,
        Err(error) => return (None, Some(error.to_string())),
    };
    let (mut digest, mut segments) = (0, 0_u64);
    let error = loop {
        match file.next_segment() {
            Ok(Some(segment)) => {
                digest = mix(digest, &segment);
                segments = segments.saturating_add(1);
            }
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    check(&mut file, segments, error.as_ref(), bytes, config);
    (Some(digest), error.map(|error| error.to_string()))
}

fn check(
    file: &mut CaptureFile,
    segments: u64,
    error: Option<&FileError>,
    bytes: &[u8],
    config: &FileConfig,
) {
    let counters = *file.counters();
    let passed = Passed::ALL.into_iter().fold(0_u64, |sum, kind| sum.saturating_add(counters.passed(kind)));
    assert_eq!(counters.segments, segments);
    assert_eq!(counters.packets, segments.saturating_add(passed));
    assert!(counters.cut <= segments && counters.untimed <= counters.packets.saturating_add(1));
    // No record takes less than 16 bytes; compression shrinks at most by 1,032.
    let inflation = if bytes.starts_with(&[0x1f, 0x8b]) { 1_032 } else { 1 };
    let most = bytes.len().saturating_mul(inflation).checked_div(16).unwrap_or(0);
    assert!(usize::try_from(counters.packets).is_ok_and(|packets| packets <= most));
    let largest = usize::try_from(config.max_packet_bytes).unwrap_or(usize::MAX).saturating_add(65_536 + 24);
    assert!(file.window_size() <= largest.max(config.window_bytes), "{}", file.window_size());
    if error.is_some() {
        assert!(matches!(file.next_segment(), Ok(None)), "something follows an error");
        assert_eq!(*file.counters(), counters);
    }
}

fn mix(digest: u64, segment: &Segment<'_>) -> u64 {
    let captured = u32::try_from(segment.payload.len()).unwrap_or(u32::MAX);
    assert!(captured <= segment.length, "{segment:?}");
    assert!(segment.time >= Timestamp::default() && segment.interface == 0);
    let mut digest = digest;
    let mut add = |value: u64| digest = (digest.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    add(segment.time.unix_nanos());
    add(u64::from(segment.sequence) << 32 | u64::from(segment.acknowledgement));
    add(u64::from(segment.source.port()) << 16 | u64::from(segment.destination.port()));
    add(u64::from(segment.length) << 8 | u64::from(segment.flags.0));
    segment.payload.iter().for_each(|byte| add(u64::from(*byte)));
    digest
}
