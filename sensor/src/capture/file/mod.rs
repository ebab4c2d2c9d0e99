//! Capture files as a source of segments: pcap and pcapng, plain or gzip, recognised by content.
//!
//! A file is read through a window of bounded size, so it may be longer than memory, a pipe, or hostile. Reading stops
//! at damage: what follows a wrong length cannot be trusted. Everything before it has been handed on by then, except up
//! to 16 KiB before damage within compressed data.
//!
//! Fragments and IPv6 extension headers go to `capture::datagram`, as from the mirror; tunnelled packets are counted
//! and skipped.

mod block;
mod counters;
mod decryption;
mod error;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod input;
mod ip;
mod link;
mod options;
mod pcap;
mod pcapng;
#[cfg(test)]
mod tests;
mod time;

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

pub use counters::{FileCounters, Passed};
pub use error::{FileError, Place, Reason};

use super::datagram::{Datagrams, Plain, Refusal};
use super::secret::Secret;
use super::{Direction, Segment, TcpHeader};
use crate::clock::Timestamp;
use frame::{Frame, Tcp};
use input::Input;
use link::LinkType;

/// Bounds for one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileConfig {
    /// Bytes of the window over the file, and the maximum read at once.
    pub window_bytes: usize,
    /// The longest packet accepted, in bytes; the window grows to it on demand.
    pub max_packet_bytes: u32,
    /// Maximum interfaces of one pcapng section, at 40 bytes each.
    pub max_interfaces: usize,
}

impl Default for FileConfig {
    /// A window of 256 KiB, packets of up to 16 MiB, 4,096 interfaces.
    fn default() -> Self {
        Self { window_bytes: 256 * 1024, max_packet_bytes: 16 * 1024 * 1024, max_interfaces: 4_096 }
    }
}

/// An open capture file.
pub struct CaptureFile {
    name: String,
    input: Input,
    format: Format,
    counters: FileCounters,
    datagrams: Datagrams,
}

enum Format {
    Pcap(pcap::Pcap),
    Pcapng(pcapng::Pcapng),
    /// An error was reported.
    Failed,
}

/// A packet as stored in the file.
struct Record {
    time: Timestamp,
    link: LinkType,
    direction: Option<Direction>,
    /// Location of the captured bytes in the window.
    place: Range<usize>,
    /// Bytes on the wire.
    original: u32,
}

impl CaptureFile {
    /// Opens the file at a path, or standard input for `-`.
    ///
    /// # Errors
    /// If it cannot be read, or does not begin like a capture.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        Self::open_with(path, &FileConfig::default())
    }

    /// The same with other bounds.
    ///
    /// # Errors
    /// As [`CaptureFile::open`].
    pub fn open_with(path: &Path, config: &FileConfig) -> Result<Self, FileError> {
        if path.as_os_str() == "-" {
            return Self::from_reader("standard input", io::stdin(), config);
        }
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Self::from_reader(name, file, config),
            Err(error) => Err(FileError { file: name, place: Place::Start, reason: Reason::Open(error) }),
        }
    }

    /// A capture from any reader; `name` is for messages. Reads are large, so that the reader needs no buffer.
    ///
    /// # Errors
    /// As [`CaptureFile::open`].
    pub fn from_reader(
        name: impl Into<String>,
        reader: impl Read + Send + 'static,
        config: &FileConfig,
    ) -> Result<Self, FileError> {
        let begun = Input::new(Box::new(reader), config.window_bytes).and_then(|mut input| {
            let format = Format::detect(&mut input, config)?;
            Ok((input, format))
        });
        let name = name.into();
        match begun {
            Ok((input, format)) => {
                let mut counters = FileCounters::default();
                counters.interfaces = format.interfaces();
                Ok(Self { name, input, format, counters, datagrams: Datagrams::default() })
            }
            Err(reason) => Err(FileError { file: name, place: Place::Start, reason }),
        }
    }

    /// The next segment; `None` at the end. Packets without a TCP segment are counted and skipped.
    ///
    /// # Errors
    /// If the file is damaged or truncated, or none of its packets has a supported link type. After an error, only
    /// `None` follows.
    pub fn next_segment(&mut self) -> Result<Option<Segment<'_>>, FileError> {
        self.next_segment_and_secrets(&mut |_| {})
    }

    /// The same, with the TLS session secrets that precede it in the file, from pcapng's Decryption Secrets Blocks.
    ///
    /// # Errors
    /// As [`CaptureFile::next_segment`].
    pub fn next_segment_and_secrets(
        &mut self,
        secrets: &mut dyn FnMut(Secret),
    ) -> Result<Option<Segment<'_>>, FileError> {
        let (record, tcp, plain) = loop {
            let Some(record) = self.next_record(secrets)? else { return Ok(None) };
            self.counters.packets = self.counters.packets.saturating_add(1);
            let frame = Frame::new(self.input.get(record.place.clone()), record.original);
            let passed = match frame::parse(record.link, &frame) {
                Ok(tcp) => break (record, tcp, None),
                Err(passed @ (Passed::Fragment | Passed::ExtensionHeader)) => {
                    match unwrap(&mut self.datagrams, &record, &frame) {
                        Ok((tcp, plain)) => break (record, tcp, Some(plain)),
                        Err(why) => why.unwrap_or(passed),
                    }
                }
                Err(passed) => passed,
            };
            self.counters.pass(passed);
        };
        self.counters.segments = self.counters.segments.saturating_add(1);
        let bytes = match plain {
            Some(place) => self.datagrams.plain().get(..place).unwrap_or_default(),
            None => self.input.get(record.place),
        };
        let options = bytes.get(tcp.options).unwrap_or_default();
        let payload = bytes.get(tcp.payload).unwrap_or_default();
        if u32::try_from(payload.len()).is_ok_and(|captured| captured < tcp.length) {
            self.counters.cut = self.counters.cut.saturating_add(1);
        }
        Ok(Some(Segment {
            time: record.time,
            source: tcp.source,
            destination: tcp.destination,
            interface: 0,
            direction: record.direction.or(tcp.direction),
            crossed: false,
            sequence: tcp.sequence,
            acknowledgement: tcp.acknowledgement,
            flags: tcp.flags,
            urgent: tcp.urgent,
            length: tcp.length,
            payload,
            header: TcpHeader {
                data_offset: tcp.data_offset,
                window: tcp.window,
                checksum: tcp.checksum,
                options,
            },
            integrity: tcp.integrity,
            peer_sent: None,
        }))
    }

    /// Outcome of the packets so far.
    #[must_use]
    pub const fn counters(&self) -> &FileCounters {
        &self.counters
    }

    /// Number and name of an unsupported link type whose packets were skipped.
    #[must_use]
    pub const fn unread_link(&self) -> Option<(u16, &'static str)> {
        match &self.format {
            Format::Pcapng(pcapng) => match pcapng.unread() {
                Some(number) => Some((number, link::name(number))),
                None => None,
            },
            Format::Pcap(_) | Format::Failed => None,
        }
    }

    /// The path as it was given, or `standard input`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[inline]
    fn next_record(&mut self, secrets: &mut dyn FnMut(Secret)) -> Result<Option<Record>, FileError> {
        let record = match &mut self.format {
            Format::Pcap(pcap) => pcap.next(&mut self.input),
            Format::Pcapng(pcapng) => pcapng.next(&mut self.input, &mut self.counters, secrets),
            Format::Failed => return Ok(None),
        };
        record.map_err(|reason| self.fail(reason))
    }

    #[cold]
    fn fail(&mut self, reason: Reason) -> FileError {
        let place = match &self.format {
            Format::Pcap(_) => Place::Packet(self.counters.packets.saturating_add(1)),
            Format::Pcapng(pcapng) => pcapng.place(self.counters.packets),
            Format::Failed => Place::After(self.counters.packets),
        };
        self.format = Format::Failed;
        FileError { file: self.name.clone(), place, reason }
    }

    /// Bytes of the window, for tests of its bound.
    #[cfg(any(test, feature = "fuzzing"))]
    fn window_size(&self) -> usize {
        self.input.size()
    }
}

/// The segment of a datagram that is parsed whole, and the length of its plain frame; or why there is none, if for
/// another reason than it first seemed.
fn unwrap(
    datagrams: &mut Datagrams,
    record: &Record,
    frame: &Frame<'_>,
) -> Result<(Tcp, usize), Option<Passed>> {
    let (packet, wire) = frame::network(record.link, frame).ok_or(None)?;
    let plain = match datagrams.take(record.time, packet, wire) {
        Ok(Some(plain)) => plain,
        Ok(None) | Err(Refusal::Overlap | Refusal::Ignored | Refusal::Checksum | Refusal::Room) => {
            return Err(Some(Passed::Fragment));
        }
        Err(Refusal::Header | Refusal::Extension) => return Err(None),
        Err(Refusal::NotTcp) => return Err(Some(Passed::NotTcp)),
        Err(Refusal::Cut) => return Err(Some(Passed::Truncated)),
    };
    let Plain { bytes, wire } = plain;
    let original = u32::try_from(wire).unwrap_or(u32::MAX);
    let tcp = frame::parse(LinkType::Ethernet, &Frame::new(bytes, original)).map_err(Some)?;
    Ok((tcp, bytes.len()))
}

impl Format {
    fn detect(input: &mut Input, config: &FileConfig) -> Result<Self, Reason> {
        input.fill(6)?;
        let Some(&magic) = input.unread().first_chunk::<4>() else {
            return Err(match input.unread().len() {
                0 => Reason::Empty,
                _ => pcap::truncated("the file header", 4, input),
            });
        };
        if pcap::Pcap::begins(magic) {
            return pcap::Pcap::new(input, config).map(Self::Pcap);
        }
        if pcapng::Pcapng::begins(magic) {
            let mut pcapng = pcapng::Pcapng::new(config);
            pcapng.start(input)?;
            return Ok(Self::Pcapng(pcapng));
        }
        Err(match compression(input.unread()) {
            Some(name) => Reason::Compressed(name),
            None => Reason::NotACapture(magic),
        })
    }

    /// Those known before the first record: pcapng describes its interfaces later.
    const fn interfaces(&self) -> u64 {
        match self {
            Self::Pcap(_) => 1,
            Self::Pcapng(_) | Self::Failed => 0,
        }
    }
}

/// Magic number of compressed data.
fn compression(bytes: &[u8]) -> Option<&'static str> {
    Some(match bytes {
        [0x1f, 0x8b, ..] => "gzip within gzip",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => "xz",
        [b'B', b'Z', b'h', ..] => "bzip2",
        [0x04, 0x22, 0x4d, 0x18, ..] => "lz4",
        [b'P', b'K', 3, 4, ..] => "zip",
        _ => return None,
    })
}
