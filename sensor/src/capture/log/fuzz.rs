//! Fuzz entry: a format, and lines.

use super::{Layout, Recorded};

/// Reads the first line as a format or its name, and each other line in it. Asserts what holds of all records: someone asked,
/// it began before it ended, and no value makes two headers of one.
///
/// # Panics
/// If one of them does not hold.
pub fn access_log(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let Some(format) = lines.next().and_then(|first| str::from_utf8(first).ok()) else { return };
    let Ok(layout) = Layout::new(format) else { return };
    let mut recorded = Recorded::default();
    for line in lines {
        if layout.read(line, &mut recorded).is_err() {
            continue;
        }
        assert!(recorded.client.is_some(), "who asked");
        assert!(recorded.began() <= recorded.ended(), "an end before its beginning");
        for header in recorded.headers.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            assert!(header.ends_with(b"\r") && header.contains(&b':'), "{header:?}");
        }
    }
}
