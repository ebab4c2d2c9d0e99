//! Why a capture file cannot be read, or not further.

use std::fmt;
use std::io;

use super::link;

/// What is wrong, in which file, and where in it.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {place}{reason}")]
pub struct FileError {
    /// The path as it was given, or `standard input`.
    pub file: String,
    /// Where in the file.
    pub place: Place,
    /// What is wrong there.
    pub reason: Reason,
}

/// A position in a capture file. Packets count from 1, as in Wireshark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before the first record.
    Start,
    /// In the record of this packet.
    Packet(u64),
    /// In a pcapng block that holds no packet, after this many packets.
    After(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start | Self::After(0) => Ok(()),
            Self::Packet(number) => write!(out, "packet {}: ", Grouped(*number)),
            Self::After(number) => write!(out, "after packet {}: ", Grouped(*number)),
        }
    }
}

/// What is wrong with a capture file.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// The file cannot be opened.
    #[error("cannot open it: {0}")]
    Open(#[source] io::Error),
    /// The file cannot be read on; also damaged compression.
    #[error("cannot read it: {0}")]
    Read(#[source] io::Error),
    /// There is not one byte.
    #[error("the file is empty")]
    Empty,
    /// The file begins like no capture.
    #[error("this is neither pcap nor pcapng: it begins with {}", Hex(.0))]
    NotACapture([u8; 4]),
    /// A compression other than gzip, or one inside another.
    #[error("the file is compressed with {0}; decompress it first: only a single layer of gzip is read")]
    Compressed(&'static str),
    /// A major version that nobody has defined.
    #[error("{format} version {major}.{minor} is not supported")]
    Version {
        /// `pcap` or `pcapng`.
        format: &'static str,
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
    },
    /// The file ends within something.
    #[error("the file ends after {} of the {} bytes of {what}", Grouped(*.have), Grouped(*.need))]
    Truncated {
        /// What is cut.
        what: &'static str,
        /// Bytes that it should have.
        need: u64,
        /// Bytes that are there.
        have: u64,
    },
    /// The compressed data ends within a member.
    #[error("the compressed data ends early")]
    CompressedTruncated,
    /// A packet record longer than its file allows.
    #[error(
        "the record says {} bytes, more than the limit of {} (snap length {})",
        Grouped(u64::from(*.length)), Grouped(u64::from(*.limit)), Grouped(u64::from(*.snap))
    )]
    PacketLength {
        /// Captured length by the record.
        length: u32,
        /// The longest that is believed.
        limit: u32,
        /// Snap length by the file's header.
        snap: u32,
    },
    /// A block whose length cannot be.
    #[error("the {block} says {} bytes, but {why}", Grouped(u64::from(*.length)))]
    BlockLength {
        /// The block's name.
        block: &'static str,
        /// Total length by its first length field.
        length: u32,
        /// Why not.
        why: &'static str,
    },
    /// A block whose two length fields differ.
    #[error("the {block} says {} bytes at its start and {} at its end", Grouped(u64::from(*.start)), Grouped(u64::from(*.end)))]
    BlockEnds {
        /// The block's name.
        block: &'static str,
        /// Length at its start.
        start: u32,
        /// Length at its end.
        end: u32,
    },
    /// A packet longer than the block around it.
    #[error("the captured length of {} bytes does not fit its block of {}", Grouped(u64::from(*.captured)), Grouped(u64::from(*.block)))]
    BlockPacket {
        /// Captured length.
        captured: u32,
        /// Total length of the block.
        block: u32,
    },
    /// A block with contents that cannot be.
    #[error("the {0} is malformed")]
    Block(&'static str),
    /// A packet of an interface that the section does not describe.
    #[error("the packet is of interface {interface}, but the section describes {}", Count(*.described))]
    Interface {
        /// Its number.
        interface: u32,
        /// How many there are.
        described: usize,
    },
    /// More interfaces than are kept.
    #[error("the section describes more than {0} interfaces")]
    Interfaces(usize),
    /// A link type that is not read.
    #[error("link type {0} ({name}) is not supported", name = link::name(*.0))]
    LinkType(u16),
}

/// A number with a comma between thousands.
pub(super) struct Grouped(pub(super) u64);

impl fmt::Display for Grouped {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut left = digits.len();
        for digit in digits.chars() {
            write!(out, "{digit}")?;
            left = left.saturating_sub(1);
            if left > 0 && left.is_multiple_of(3) {
                out.write_str(",")?;
            }
        }
        Ok(())
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(out, "{space}{byte:02x}")?;
        }
        Ok(())
    }
}

struct Count(usize);

impl fmt::Display for Count {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => out.write_str("none"),
            1 => out.write_str("only one"),
            number => write!(out, "only {number}"),
        }
    }
}
