//! The chunked coding (RFC 9112, section 7.1): its framing is read byte by byte, so that it may be cut anywhere.

use crate::http::anomaly::{Anomalies, Anomaly};
use crate::http::config::Config;
use crate::http::method::is_tchar;

/// Maximum length of a trailer's name that is examined: that of Transfer-Encoding.
const NAME_BYTES: usize = 17;

/// What comes next.
///
/// ```text
/// Size -> Extension -> Data -> DataEnd -> Size ... -> TrailerName -> TrailerValue -> TrailerName ... -> whole
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Size,
    Extension,
    Data,
    DataEnd,
    TrailerName,
    TrailerValue,
}

/// A body's position in the chunked coding.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::http) struct Chunked {
    /// Size of the chunk, then its remaining bytes.
    size: u64,
    /// Bytes so far of the size line, or of all trailers.
    line: u32,
    phase: Phase,
    has_digit: bool,
    /// The previous byte was a CR.
    after_cr: bool,
    name_length: u8,
    name: [u8; NAME_BYTES],
}

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Outcome {
    /// More is expected.
    More,
    /// That was the end of the last trailer.
    Whole,
    /// The framing is lost.
    Broken,
}

impl Chunked {
    /// Consumes `rest`: framing up to the next data, or data, which is returned.
    pub(in crate::http) fn step<'a>(
        &mut self,
        rest: &mut &'a [u8],
        config: &Config,
        anomalies: &mut Anomalies,
    ) -> (Outcome, &'a [u8]) {
        while self.phase != Phase::Data {
            let Some((byte, others)) = rest.split_first() else { return (Outcome::More, &[]) };
            if self.phase == Phase::DataEnd && !matches!(byte, b'\r' | b'\n') {
                anomalies.insert(Anomaly::MissingChunkEnd);
                self.begin_line(Phase::Size);
                continue;
            }
            *rest = others;
            let outcome = match self.phase {
                Phase::Size => self.size_byte(*byte, config, anomalies),
                Phase::Extension => self.extension_byte(*byte, config, anomalies),
                Phase::DataEnd => self.data_end_byte(*byte, anomalies),
                Phase::TrailerName | Phase::TrailerValue | Phase::Data => {
                    self.trailer_byte(*byte, config, anomalies)
                }
            };
            if outcome != Outcome::More {
                return (outcome, &[]);
            }
        }
        let length = usize::try_from(self.size).unwrap_or(usize::MAX).min(rest.len());
        let (data, others) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        *rest = others;
        self.take(data.len() as u64);
        (Outcome::More, data)
    }

    /// Skips missing bytes; `None` if not all of them are data of this chunk.
    pub(in crate::http) fn skip(&mut self, length: u64) -> Option<()> {
        if length > self.remaining_data() {
            return None;
        }
        self.take(length);
        Some(())
    }

    /// Remaining data of this chunk.
    pub(in crate::http) fn remaining_data(&self) -> u64 {
        if self.phase == Phase::Data { self.size } else { 0 }
    }

    fn take(&mut self, length: u64) {
        self.size = self.size.saturating_sub(length);
        if self.size == 0 {
            self.begin_line(Phase::DataEnd);
        }
    }

    fn begin_line(&mut self, phase: Phase) {
        *self = Self { phase, ..Self::default() };
    }

    fn grow_line(&mut self, bound: u32) -> bool {
        self.line = self.line.saturating_add(1);
        self.line > bound
    }

    fn size_byte(&mut self, byte: u8, config: &Config, anomalies: &mut Anomalies) -> Outcome {
        if self.grow_line(config.chunk_line_bytes) {
            anomalies.insert(Anomaly::ChunkLineTooLong);
            return Outcome::Broken;
        }
        if let Some(digit) = hex(byte) {
            self.has_digit = true;
            if self.size > i64::MAX.unsigned_abs() >> 4 {
                anomalies.insert(Anomaly::ChunkSizeOverflow);
                return Outcome::Broken;
            }
            self.size = (self.size << 4) | u64::from(digit);
            return Outcome::More;
        }
        match byte {
            b'+' | b'-' if !self.has_digit => {
                anomalies.insert(Anomaly::ChunkSizeSign);
                if byte == b'-' { Outcome::Broken } else { Outcome::More }
            }
            b'x' | b'X' if self.has_digit && self.size == 0 => {
                anomalies.insert(Anomaly::ChunkSizePrefix);
                Outcome::More
            }
            b' ' | b'\t' if !self.has_digit => {
                anomalies.insert(Anomaly::ChunkSizeWhitespace);
                Outcome::More
            }
            _ if !self.has_digit => {
                anomalies.insert(Anomaly::InvalidChunkSize);
                Outcome::Broken
            }
            _ => {
                match byte {
                    b';' | b'\r' | b'\n' => {}
                    b' ' | b'\t' => anomalies.insert(Anomaly::ChunkSizeWhitespace),
                    _ => anomalies.insert(Anomaly::InvalidChunkSize),
                }
                self.phase = Phase::Extension;
                self.extension_byte(byte, config, anomalies)
            }
        }
    }

    fn extension_byte(&mut self, byte: u8, config: &Config, anomalies: &mut Anomalies) -> Outcome {
        if self.grow_line(config.chunk_line_bytes) {
            anomalies.insert(Anomaly::ChunkLineTooLong);
            return Outcome::Broken;
        }
        match self.line_end(byte, anomalies) {
            false => Outcome::More,
            true if self.size == 0 => {
                self.begin_line(Phase::TrailerName);
                Outcome::More
            }
            true => {
                self.phase = Phase::Data;
                Outcome::More
            }
        }
    }

    fn data_end_byte(&mut self, byte: u8, anomalies: &mut Anomalies) -> Outcome {
        if self.line_end(byte, anomalies) {
            self.begin_line(Phase::Size);
        }
        Outcome::More
    }

    fn trailer_byte(&mut self, byte: u8, config: &Config, anomalies: &mut Anomalies) -> Outcome {
        if self.grow_line(config.trailer_bytes) {
            anomalies.insert(Anomaly::TrailersTooLarge);
            return Outcome::Broken;
        }
        if self.line_end(byte, anomalies) {
            let is_empty = self.phase == Phase::TrailerName && self.name_length == 0;
            if is_empty {
                return Outcome::Whole;
            }
            if self.phase == Phase::TrailerName {
                anomalies.insert(Anomaly::InvalidTrailer);
            }
            self.phase = Phase::TrailerName;
            self.name_length = 0;
        } else if self.phase == Phase::TrailerName && byte != b'\r' {
            self.trailer_name_byte(byte, anomalies);
        }
        Outcome::More
    }

    fn trailer_name_byte(&mut self, byte: u8, anomalies: &mut Anomalies) {
        if byte == b':' {
            let name = self.name.get(..usize::from(self.name_length)).unwrap_or_default();
            let framing: [&[u8]; 3] = [b"content-length", b"transfer-encoding", b"host"];
            if self.name_length == 0 {
                anomalies.insert(Anomaly::InvalidTrailer);
            }
            if framing.iter().any(|forbidden| name.eq_ignore_ascii_case(forbidden)) {
                anomalies.insert(Anomaly::ForbiddenTrailer);
            }
            self.phase = Phase::TrailerValue;
            return;
        }
        if !is_tchar(byte) {
            anomalies.insert(Anomaly::InvalidTrailer);
        }
        if let Some(place) = self.name.get_mut(usize::from(self.name_length)) {
            *place = byte;
        }
        self.name_length = self.name_length.saturating_add(1);
    }

    /// Whether a byte ends a line.
    fn line_end(&mut self, byte: u8, anomalies: &mut Anomalies) -> bool {
        let after_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
        match (byte, after_cr) {
            (b'\n', false) => anomalies.insert(Anomaly::ChunkBareLf),
            (b'\n', true) | (_, false) => {}
            (_, true) => anomalies.insert(Anomaly::ChunkBareCr),
        }
        byte == b'\n'
    }
}

const fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(byte.wrapping_sub(b'a').wrapping_add(10)),
        b'A'..=b'F' => Some(byte.wrapping_sub(b'A').wrapping_add(10)),
        _ => None,
    }
}
