//! Key logs in NSS format: one secret per line, `LABEL CLIENT_RANDOM SECRET` in hexadecimal digits.
//!
//! The input comes from a growing file, a pipe, or a Decryption Secrets Block, and a line may come in pieces. Lines
//! with other labels, comments and empty lines are skipped; any other line is counted.

use zeroize::{Zeroize, Zeroizing};

use super::secret::{Label, Random, Secret, SecretBytes};

/// The longest valid line: the label, 64 and 96 digits, with room for more spaces.
const MAX_LINE: usize = 256;

/// Labels that are used.
const LABELS: [(&[u8], Label); 5] = [
    (b"CLIENT_RANDOM", Label::Master),
    (b"CLIENT_EARLY_TRAFFIC_SECRET", Label::ClientEarly),
    (b"SERVER_HANDSHAKE_TRAFFIC_SECRET", Label::ServerHandshake),
    (b"CLIENT_TRAFFIC_SECRET_0", Label::ClientApplication),
    (b"SERVER_TRAFFIC_SECRET_0", Label::ServerApplication),
];

/// Parses lines as they arrive.
#[derive(Debug, Default)]
pub struct KeyLog {
    /// The start of an incomplete line.
    partial: Zeroizing<Vec<u8>>,
    /// The current line is too long; its rest is skipped.
    overlong: bool,
    counters: KeyLogCounters,
}

/// Contents of a key log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyLogCounters {
    /// Secrets.
    pub secrets: u64,
    /// Invalid lines.
    pub malformed: u64,
}

impl KeyLog {
    /// Totals.
    #[must_use]
    pub const fn counters(&self) -> KeyLogCounters {
        self.counters
    }

    /// Takes the next bytes and hands on the secrets of the lines that end in them.
    pub fn read(&mut self, bytes: &[u8], mut each: impl FnMut(Secret)) {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            rest = after.get(1..).unwrap_or_default();
            self.append(line);
            self.end_line(&mut each);
        }
        self.append(rest);
    }

    /// Takes the last line, which may lack a line end.
    pub fn finish(&mut self, mut each: impl FnMut(Secret)) {
        self.end_line(&mut each);
    }

    /// Discards an incomplete line: another file follows.
    pub fn restart(&mut self) {
        self.partial.zeroize();
        self.overlong = false;
    }

    fn append(&mut self, part: &[u8]) {
        self.overlong |= self.partial.len().saturating_add(part.len()) > MAX_LINE;
        if self.overlong {
            self.partial.zeroize();
            return;
        }
        // Never reallocated, which would leave a copy behind.
        let room = MAX_LINE.saturating_sub(self.partial.len());
        self.partial.reserve_exact(room);
        self.partial.extend_from_slice(part);
    }

    fn end_line(&mut self, each: &mut impl FnMut(Secret)) {
        let line = if self.overlong { Line::Malformed } else { parse(&self.partial) };
        match line {
            Line::Secret(secret) => {
                self.counters.secrets = self.counters.secrets.saturating_add(1);
                each(secret);
            }
            Line::Other => {}
            Line::Malformed => self.counters.malformed = self.counters.malformed.saturating_add(1),
        }
        self.restart();
    }
}

enum Line {
    Secret(Secret),
    Other,
    Malformed,
}

fn parse(line: &[u8]) -> Line {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let Some(first) = words.next() else { return Line::Other };
    if first.starts_with(b"#") {
        return Line::Other;
    }
    let label = LABELS.iter().find(|(name, _)| *name == first).map(|(_, label)| *label);
    let (Some(random), Some(secret), None) = (words.next(), words.next(), words.next()) else {
        return Line::Malformed;
    };
    match label {
        Some(label) => secret_of(label, random, secret).map_or(Line::Malformed, Line::Secret),
        None if is_label(first) && unhex(random).is_some() && unhex(secret).is_some() => Line::Other,
        None => Line::Malformed,
    }
}

/// Whether this may be a label that is not needed here, such as `EXPORTER_SECRET`.
fn is_label(word: &[u8]) -> bool {
    word.iter().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_'))
}

fn secret_of(label: Label, random: &[u8], secret: &[u8]) -> Option<Secret> {
    let random: Random = unhex(random)?.as_slice().try_into().ok()?;
    let secret = unhex(secret)?;
    let fits = match label {
        Label::Master => secret.len() == 48,
        Label::ClientEarly | Label::ServerHandshake | Label::ClientApplication | Label::ServerApplication => {
            matches!(secret.len(), 32 | 48)
        }
    };
    let secret = SecretBytes::new(&secret).filter(|_| fits)?;
    Some(Secret::Logged { label, random, secret })
}

fn unhex(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    let mut bytes = Zeroizing::new(Vec::with_capacity(pairs.len()));
    for [high, low] in pairs {
        bytes.push(hex_pair(*high, *low)?);
    }
    Some(bytes)
}

/// The byte that two hexadecimal digits stand for.
pub(super) fn hex_pair(high: u8, low: u8) -> Option<u8> {
    Some(digit(high)? << 4 | digit(low)?)
}

const fn digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(digit.wrapping_sub(b'a').wrapping_add(10)),
        b'A'..=b'F' => Some(digit.wrapping_sub(b'A').wrapping_add(10)),
        _ => None,
    }
}

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz {
    //! A fuzz entry.

    use super::KeyLog;

    /// A key log gives the same secrets in one piece and in pieces.
    pub fn keylog(data: &[u8]) {
        let Some((step, text)) = data.split_first() else { return };
        let (mut whole, mut pieces) = (Vec::new(), Vec::new());
        let (mut one, mut many) = (KeyLog::default(), KeyLog::default());
        one.read(text, |secret| whole.push(secret));
        one.finish(|secret| whole.push(secret));
        for piece in text.chunks(usize::from(*step).max(1)) {
            many.read(piece, |secret| pieces.push(secret));
            assert!(many.partial.len() <= super::MAX_LINE, "a line is bounded");
        }
        many.finish(|secret| pieces.push(secret));
        assert_eq!(whole, pieces, "how the bytes come does not matter");
        assert_eq!(one.counters(), many.counters());
        assert_eq!(one.counters().secrets, whole.len() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<Secret>, KeyLogCounters) {
        let (mut log, mut secrets) = (KeyLog::default(), Vec::new());
        log.read(text.as_bytes(), |secret| secrets.push(secret));
        log.finish(|secret| secrets.push(secret));
        (secrets, log.counters())
    }

    #[test]
    fn lines_are_told_apart() {
        let random = "ab".repeat(32);
        let (short, long) = ("01".repeat(32), "02".repeat(48));
        for (line, secrets, malformed) in [
            (String::new(), 0, 0),
            ("# a comment".to_owned(), 0, 0),
            (format!("CLIENT_RANDOM {random} {long}"), 1, 0),
            (format!("CLIENT_RANDOM  {random}\t{long}\r\n"), 1, 0),
            (format!("CLIENT_RANDOM {random} {short}"), 0, 1),
            (format!("CLIENT_TRAFFIC_SECRET_0 {random} {short}"), 1, 0),
            (format!("SERVER_TRAFFIC_SECRET_0 {random} {long}"), 1, 0),
            (format!("SERVER_TRAFFIC_SECRET_0 {random} {long} more"), 0, 1),
            (format!("SERVER_TRAFFIC_SECRET_0 {random}"), 0, 1),
            (format!("SERVER_TRAFFIC_SECRET_0 {random} {short}0"), 0, 1),
            (format!("SERVER_TRAFFIC_SECRET_0 {random}00 {short}"), 0, 1),
            (format!("SERVER_TRAFFIC_SECRET_0 {random} {}", "zz".repeat(32)), 0, 1),
            (format!("EXPORTER_SECRET {random} {short}"), 0, 0),
            (format!("SERVER_TRAFFIC_SECRET_1 {random} {short}"), 0, 0),
            (format!("RSA 0123456789abcdef {long}"), 0, 0),
            (format!("not a label {random} {short}"), 0, 1),
            (format!("label {random} {short}"), 0, 1),
            (format!("CLIENT_RANDOM {random} {}", "0".repeat(5_000)), 0, 1),
        ] {
            let (read, counters) = read(&line);
            assert_eq!((read.len(), counters.malformed), (secrets, malformed), "{line}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let (secrets, _) = read(&format!("CLIENT_RANDOM {} {}", "ab".repeat(32), "c7".repeat(48)));
        let shown = format!("{secrets:?}");
        assert!(!shown.contains("199") && !shown.contains("c7"), "{shown}");
    }

    proptest::proptest! {
        #[test]
        fn pieces_make_no_difference(data in "[\u{1}-\u{40}](CLIENT_RANDOM [0-9a-f]{64} [0-9a-f]{96}\n|#?[A-Z ]{0,300}\n){0,4}[A-Z0-9 ]{0,9}") {
            fuzz::keylog(data.as_bytes());
        }
    }
}
