//! The daemon's log, escaped so that no field can affect a terminal.

use std::io::{self, Write};

use crate::printable::{json_lines, printable};

/// Writes events, each of which comes complete with its own line end.
pub(super) struct LogWriter<W> {
    out: W,
    is_json: bool,
}

impl<W: Write> LogWriter<W> {
    /// For lines of text.
    pub(super) const fn text(out: W) -> Self {
        Self { out, is_json: false }
    }

    /// For lines of JSON.
    pub(super) const fn json(out: W) -> Self {
        Self { out, is_json: true }
    }
}

impl<W: Write> Write for LogWriter<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let mut safe = if self.is_json { json_lines(line) } else { printable(line) };
        if line.len() < text.len() {
            safe.push('\n');
        }
        self.out.write_all(safe.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::warn;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const HOSTILE: &str = "a\nFAKE \u{1b}[2J\u{9b}m\u{202e}b";

    fn logged(is_json: bool) -> String {
        let kept = Kept::default();
        let log = tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::TRACE);
        let out = kept.clone();
        let work = || {
            warn!(field = HOSTILE, shown = %HOSTILE, debugged = ?HOSTILE, "said: {HOSTILE}");
        };
        if is_json {
            let log = log.json().with_writer(move || LogWriter::json(out.clone())).finish();
            tracing::subscriber::with_default(log, work);
        } else {
            let log = log.with_writer(move || LogWriter::text(out.clone())).finish();
            tracing::subscriber::with_default(log, work);
        }
        let bytes = kept.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_event_is_a_line_and_nothing_more() {
        for is_json in [false, true] {
            let text = logged(is_json);
            let line = text.strip_suffix('\n').unwrap();
            assert!(!line.contains(|c: char| c.is_control() || c == '\u{202e}'), "{line:?}");
            assert_eq!(line.matches("FAKE").count(), 4, "{line}");
        }
        let json: serde_json::Value = serde_json::from_str(&logged(true)).unwrap();
        assert_eq!(json["fields"]["field"], HOSTILE);
    }
}
