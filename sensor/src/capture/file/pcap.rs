//! The pcap format: one header, then records. Both byte orders, microseconds and nanoseconds.

use pcap_parser::nom::{Err::Incomplete, IResult, Needed};
use pcap_parser::{
    LegacyPcapBlock, PcapError, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_frame_modified,
    parse_pcap_header,
};

use super::error::Reason;
use super::input::Input;
use super::link::LinkType;
use super::{FileConfig, Record};
use crate::clock::Timestamp;

/// Bytes of the file header.
const HEADER: usize = 24;

/// The snap length that libpcap accepts for every link type, whatever the header says.
const USUAL_LIMIT: u32 = 262_144;

type ParseRecord = fn(&[u8]) -> IResult<&[u8], LegacyPcapBlock<'_>, PcapError<&[u8]>>;

/// A reader of records.
pub(super) struct Pcap {
    parse: ParseRecord,
    record_header: usize,
    /// Nanoseconds per unit of the fraction of a second.
    unit: u64,
    link_number: u16,
    link: Option<LinkType>,
    snap: u32,
    /// The longest packet accepted.
    limit: u32,
}

impl Pcap {
    /// Whether a file that starts like this is in this format.
    pub(super) fn begins(magic: [u8; 4]) -> bool {
        // Microseconds, nanoseconds, and the longer records of a patched libpcap of 1998, which only existed
        // on little-endian machines in practice.
        matches!(
            u32::from_le_bytes(magic),
            0xa1b2_c3d4 | 0xd4c3_b2a1 | 0xa1b2_3c4d | 0x4d3c_b2a1 | 0xa1b2_cd34
        )
    }

    pub(super) fn new(input: &mut Input, config: &FileConfig) -> Result<Self, Reason> {
        if !input.fill(HEADER)? {
            return Err(truncated("the file header", HEADER, input));
        }
        let header = match parse_pcap_header(input.unread()) {
            Ok((_, header)) => header,
            Err(_) => return Err(Reason::Block("file header")),
        };
        // Before 2.4 the two lengths of a record could be in either order.
        if header.version_major != 2 || header.version_minor < 4 {
            let (major, minor) = (header.version_major, header.version_minor);
            return Err(Reason::Version { format: "pcap", major, minor });
        }
        input.take(HEADER);
        let (parse, record_header): (ParseRecord, usize) = if header.is_modified_format() {
            (parse_pcap_frame_modified, 24)
        } else if header.is_bigendian() {
            (parse_pcap_frame_be, 16)
        } else {
            (parse_pcap_frame, 16)
        };
        // The upper half gives the length of the frame check sequence, which the IP length makes redundant.
        let [low, high, ..] = header.network.0.to_le_bytes();
        let link_number = u16::from_le_bytes([low, high]);
        Ok(Self {
            parse,
            record_header,
            unit: if header.is_nanosecond_precision() { 1 } else { 1_000 },
            link_number,
            link: LinkType::new(link_number),
            snap: header.snaplen,
            limit: header.snaplen.max(USUAL_LIMIT).min(config.max_packet_bytes),
        })
    }

    #[inline]
    pub(super) fn next(&mut self, input: &mut Input) -> Result<Option<Record>, Reason> {
        loop {
            let unread = input.unread();
            let need = match (self.parse)(unread) {
                Ok((_, record)) => {
                    let (time, captured, original) = self.fields(&record)?;
                    let link = self.link.ok_or(Reason::LinkType(self.link_number))?;
                    input.take(self.record_header);
                    let place = input.take(captured);
                    return Ok(Some(Record { time, link, direction: None, place, original }));
                }
                Err(Incomplete(Needed::Size(missing))) => unread.len().saturating_add(missing.get()),
                Err(_) => return Err(Reason::Block("packet record")),
            };
            if unread.len() >= self.record_header {
                self.check(u32::try_from(need.saturating_sub(self.record_header)).unwrap_or(u32::MAX))?;
            }
            if !input.fill(need)? {
                return match input.unread().len() {
                    0 => Ok(None),
                    have if have < self.record_header => {
                        Err(truncated("the record header", self.record_header, input))
                    }
                    _ => Err(truncated("the record", need, input)),
                };
            }
        }
    }

    #[inline]
    fn fields(&self, record: &LegacyPcapBlock<'_>) -> Result<(Timestamp, usize, u32), Reason> {
        self.check(record.caplen)?;
        let seconds = u64::from(record.ts_sec).saturating_mul(1_000_000_000);
        let fraction = u64::from(record.ts_usec).saturating_mul(self.unit);
        let time = Timestamp::from_unix_nanos(seconds.saturating_add(fraction));
        Ok((time, record.data.len(), record.origlen))
    }

    #[inline]
    const fn check(&self, length: u32) -> Result<(), Reason> {
        if length > self.limit {
            return Err(Reason::PacketLength { length, limit: self.limit, snap: self.snap });
        }
        Ok(())
    }
}

/// The file ends before the `need` bytes of something.
pub(super) fn truncated(what: &'static str, need: usize, input: &Input) -> Reason {
    let count = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
    Reason::Truncated { what, need: count(need), have: count(input.unread().len()) }
}
