//! Fuzz entry: any bytes as lines of every format.

use super::{Layout, PRESETS, Recorded};

/// Reads each line in the format that the first byte selects, and asserts what holds of all records: the request line and
/// the headers hold no line end that would make two of one, and it began before it ended.
///
/// # Panics
/// If one of them does not hold.
pub fn log_lines(data: &[u8]) {
    let Some((first, lines)) = data.split_first() else { return };
    let index = usize::from(*first).checked_rem(PRESETS.len()).unwrap_or_default();
    let Some((name, _)) = PRESETS.get(index) else { return };
    let layout = Layout::new(name).expect("presets are formats");
    let mut recorded = Recorded::default();
    for line in lines.split(|byte| *byte == b'\n') {
        if layout.read(line, &mut recorded).is_err() {
            continue;
        }
        assert!(recorded.client.is_some(), "who asked");
        assert!(recorded.began() <= recorded.ended(), "an end before its beginning");
        let lines = recorded.headers.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        for header in lines {
            assert!(header.ends_with(b"\r") && header.contains(&b':'), "{header:?}");
        }
    }
}

/// Formats written by anybody.
pub fn log_format(data: &[u8]) {
    if let Ok(text) = str::from_utf8(data)
        && let Ok(layout) = Layout::new(text)
    {
        let _any = layout.read(data, &mut Recorded::default());
    }
}
