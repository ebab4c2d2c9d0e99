//! The pcapng format (draft-ietf-opsawg-pcapng): sections of blocks, each section with its own byte order and
//! interfaces.
//!
//! `pcap-parser` reads the fields of most blocks. This file adds the checks that it leaves open: that a block is
//! complete and as long as it says, where its packet lies, and what the time options mean.

use pcap_parser::{
    BOM_MAGIC, EPB_MAGIC, IDB_MAGIC, ISB_MAGIC, SHB_MAGIC, SPB_MAGIC, parse_interfacedescriptionblock_be,
    parse_interfacedescriptionblock_le, parse_interfacestatisticsblock_be, parse_interfacestatisticsblock_le,
    parse_sectionheaderblock, parse_simplepacketblock_be, parse_simplepacketblock_le,
};

use super::block::{Block, DSB_MAGIC, FRAMING, OLD_PACKET, PACKET_AT, SIMPLE_PACKET_AT};
use super::counters::{FileCounters, Passed};
use super::error::{Place, Reason};
use super::input::Input;
use super::link::LinkType;
use super::options::{self, Options};
use super::pcap::truncated;
use super::time::TimeScale;
use super::{FileConfig, Record};
use crate::capture::Direction;
use crate::capture::secret::Secret;
use crate::clock::Timestamp;

/// Maximum length that options add to a packet.
const OPTIONS: u32 = 65_536;

/// A reader of blocks.
pub(super) struct Pcapng {
    big_endian: bool,
    interfaces: Vec<Interface>,
    max_interfaces: usize,
    pub(super) max_block: u32,
    /// From the last packet that had one.
    time: Timestamp,
    /// Whether the current block contains a packet.
    at_packet: bool,
    /// Whether a packet had a supported link type, and the first unsupported link type.
    reads: bool,
    unread: Option<u16>,
}

#[derive(Clone, Copy)]
struct Interface {
    link_number: u16,
    link: Option<LinkType>,
    snap: u32,
    scale: TimeScale,
    /// Packets lost, as last reported.
    lost: u64,
}

impl Pcapng {
    /// Whether a file that starts like this is in this format.
    pub(super) fn begins(magic: [u8; 4]) -> bool {
        u32::from_le_bytes(magic) == SHB_MAGIC
    }

    pub(super) fn new(config: &FileConfig) -> Self {
        Self {
            big_endian: false,
            interfaces: Vec::new(),
            max_interfaces: config.max_interfaces,
            max_block: config.max_packet_bytes.saturating_add(OPTIONS),
            time: Timestamp::default(),
            at_packet: false,
            reads: false,
            unread: None,
        }
    }

    /// A link type of skipped packets, since it is not supported.
    pub(super) const fn unread(&self) -> Option<u16> {
        self.unread
    }

    pub(super) const fn place(&self, packets: u64) -> Place {
        if self.at_packet { Place::Packet(packets.saturating_add(1)) } else { Place::After(packets) }
    }

    /// Reads the section header at the start of the file.
    pub(super) fn start(&mut self, input: &mut Input) -> Result<(), Reason> {
        match self.block(input)? {
            Some(block) => self.section(input, block),
            None => Err(Reason::Empty),
        }
    }

    #[inline]
    pub(super) fn next(
        &mut self,
        input: &mut Input,
        counters: &mut FileCounters,
        secrets: &mut dyn FnMut(Secret),
    ) -> Result<Option<Record>, Reason> {
        loop {
            self.at_packet = false;
            let Some(block) = self.block(input)? else {
                // Unsupported interfaces are skipped if another is supported. If none is, that is an error.
                return self
                    .unread
                    .filter(|_| !self.reads)
                    .map_or(Ok(None), |link| Err(Reason::LinkType(link)));
            };
            let record = match block.kind {
                EPB_MAGIC | OLD_PACKET => self.packet(input, block)?,
                SPB_MAGIC => {
                    let record = self.simple_packet(input, block)?;
                    counters.untimed = counters.untimed.saturating_add(u64::from(record.is_some()));
                    record
                }
                DSB_MAGIC if self.may_hold_secrets(block) => {
                    let is_read = self.secrets(input, block, secrets)?;
                    counters.skipped_blocks = counters.skipped_blocks.saturating_add(u64::from(!is_read));
                    continue;
                }
                kind => {
                    self.other(kind, input, block, counters)?;
                    continue;
                }
            };
            self.reads |= record.is_some();
            match record {
                Some(record) => return Ok(Some(record)),
                None => {
                    counters.packets = counters.packets.saturating_add(1);
                    counters.pass(Passed::LinkType);
                }
            }
        }
    }

    /// A block without a packet.
    fn other(
        &mut self,
        kind: u32,
        input: &mut Input,
        block: Block,
        counters: &mut FileCounters,
    ) -> Result<(), Reason> {
        match kind {
            SHB_MAGIC => self.section(input, block)?,
            IDB_MAGIC => {
                self.interface(input, block)?;
                counters.interfaces = counters.interfaces.saturating_add(1);
            }
            ISB_MAGIC => self.statistics(input, block, counters)?,
            _ => {
                self.skip(input, block)?;
                counters.skipped_blocks = counters.skipped_blocks.saturating_add(1);
            }
        }
        Ok(())
    }

    /// The next block, of which only the first bytes need to be present; `None` at the end.
    #[inline]
    fn block(&mut self, input: &mut Input) -> Result<Option<Block>, Reason> {
        let Some(&head) = peek::<8>(input)? else {
            return match input.unread().len() {
                0 => Ok(None),
                _ => Err(truncated("a block header", 8, input)),
            };
        };
        let [a, b, c, d, length @ ..] = head;
        let kind = self.u32([a, b, c, d]);
        // A section header reads the same in both byte orders; the word after its length determines the order.
        if kind == SHB_MAGIC {
            let Some(head) = peek::<FRAMING>(input)? else {
                return Err(truncated("the section header", 28, input));
            };
            let [.., a, b, c, d] = *head;
            self.big_endian = match u32::from_le_bytes([a, b, c, d]) {
                BOM_MAGIC => false,
                swapped if swapped.swap_bytes() == BOM_MAGIC => true,
                _ => return Err(Reason::Block("byte-order magic of the section header")),
            };
        }
        self.at_packet = matches!(kind, EPB_MAGIC | OLD_PACKET | SPB_MAGIC);
        let block = Block { kind, length: self.u32(length) };
        block.check(self.max_block)?;
        Ok(Some(block))
    }

    /// Makes a whole block available, and checks that its end matches its start.
    #[inline]
    pub(super) fn whole<'i>(&self, input: &'i mut Input, block: Block) -> Result<&'i [u8], Reason> {
        let length = block.bytes();
        if !input.fill(length)? {
            return Err(truncated(block.name(), length, input));
        }
        let bytes = input.unread().get(..length).unwrap_or_default();
        self.check_end(block, bytes.last_chunk::<4>().copied().unwrap_or_default())?;
        Ok(bytes)
    }

    #[inline]
    fn check_end(&self, block: Block, last: [u8; 4]) -> Result<(), Reason> {
        let end = self.u32(last);
        if end == block.length {
            return Ok(());
        }
        Err(Reason::BlockEnds { block: block.name(), start: block.length, end })
    }

    fn section(&mut self, input: &mut Input, block: Block) -> Result<(), Reason> {
        let bytes = self.whole(input, block)?;
        let Ok((_, header)) = parse_sectionheaderblock(bytes) else { return Err(block.malformed()) };
        if header.major_version != 1 {
            let (major, minor) = (header.major_version, header.minor_version);
            return Err(Reason::Version { format: "pcapng", major, minor });
        }
        input.take(block.bytes());
        self.interfaces.clear();
        Ok(())
    }

    fn interface(&mut self, input: &mut Input, block: Block) -> Result<(), Reason> {
        let bytes = self.whole(input, block)?;
        let parse = if self.big_endian {
            parse_interfacedescriptionblock_be
        } else {
            parse_interfacedescriptionblock_le
        };
        let Ok((_, description)) = parse(bytes) else { return Err(block.malformed()) };
        // Not the crate's own fields, which read the offset of a big-endian section in the wrong byte order.
        let options = self.options(bytes, 16);
        let resolution = options.get(options::IF_TSRESOL).map_or(6, |[byte]| byte);
        let offset = options.get(options::IF_TSOFFSET).map_or(0, |bytes| self.u64(bytes).cast_signed());
        let [low, high, ..] = description.linktype.0.to_le_bytes();
        let link_number = u16::from_le_bytes([low, high]);
        let interface = Interface {
            link_number,
            link: LinkType::new(link_number),
            snap: description.snaplen,
            scale: TimeScale::new(resolution, offset),
            lost: 0,
        };
        if self.interfaces.len() >= self.max_interfaces {
            return Err(Reason::Interfaces(self.max_interfaces));
        }
        self.interfaces.push(interface);
        input.take(block.bytes());
        Ok(())
    }

    /// An enhanced or an old packet block, which differ in the interface number. Parsed here and not by the crate,
    /// which does not support the old one and allocates the options of each packet.
    #[inline]
    fn packet(&mut self, input: &mut Input, block: Block) -> Result<Option<Record>, Reason> {
        let bytes = self.whole(input, block)?;
        let head: &[u8; PACKET_AT] = bytes.first_chunk().ok_or(block.malformed())?;
        let (words, _) = head.as_chunks::<4>();
        let &[_, _, interface, high, low, captured, original] = words else { return Err(block.malformed()) };
        let interface = match interface {
            [a, b, _, _] if block.kind == OLD_PACKET => u32::from(self.u16([a, b])),
            interface => self.u32(interface),
        };
        let captured = block.fit(self.u32(captured), PACKET_AT)?;
        let options = PACKET_AT.saturating_add(captured.next_multiple_of(4));
        let direction = self
            .options(bytes, options)
            .get(options::PACKET_FLAGS)
            .and_then(|flags| direction(self.u32(flags)));
        let interface = self.interface_of(interface)?;
        let (link, number) = (interface.link, interface.link_number);
        self.time = interface.scale.time(u64::from(self.u32(high)) << 32 | u64::from(self.u32(low)));
        let original = self.u32(original);
        let start = input.take(block.bytes()).start.saturating_add(PACKET_AT);
        let place = start..start.saturating_add(captured);
        let time = self.time;
        Ok(self.read(link, number).map(|link| Record { time, link, direction, place, original }))
    }

    fn simple_packet(&mut self, input: &mut Input, block: Block) -> Result<Option<Record>, Reason> {
        let bytes = self.whole(input, block)?;
        let parse = if self.big_endian { parse_simplepacketblock_be } else { parse_simplepacketblock_le };
        let Ok((_, packet)) = parse(bytes) else { return Err(block.malformed()) };
        let original = packet.origlen;
        let interface = self.interface_of(0)?;
        let (link, number) = (interface.link, interface.link_number);
        let captured = if interface.snap == 0 { original } else { original.min(interface.snap) };
        let captured = block.fit(captured, SIMPLE_PACKET_AT)?;
        let start = input.take(block.bytes()).start.saturating_add(SIMPLE_PACKET_AT);
        let place = start..start.saturating_add(captured);
        let time = self.time;
        Ok(self.read(link, number).map(|link| Record { time, link, direction: None, place, original }))
    }

    /// The link type of a packet, if supported; otherwise it is noted.
    fn read(&mut self, link: Option<LinkType>, number: u16) -> Option<LinkType> {
        if link.is_none() {
            self.unread.get_or_insert(number);
        }
        link
    }

    /// Counts the packets that the capturing program lost. Each report replaces its interface's previous one.
    fn statistics(
        &mut self,
        input: &mut Input,
        block: Block,
        counters: &mut FileCounters,
    ) -> Result<(), Reason> {
        let bytes = self.whole(input, block)?;
        let parse = if self.big_endian {
            parse_interfacestatisticsblock_be
        } else {
            parse_interfacestatisticsblock_le
        };
        let Ok((_, statistics)) = parse(bytes) else { return Err(block.malformed()) };
        let options = self.options(bytes, 20);
        let count = |code| options.get(code).map_or(0, |bytes| self.u64(bytes));
        let lost = count(options::ISB_IFDROP).saturating_add(count(options::ISB_OSDROP));
        let interface = usize::try_from(statistics.if_id).unwrap_or(usize::MAX);
        if let Some(interface) = self.interfaces.get_mut(interface) {
            let more = lost.saturating_sub(interface.lost);
            interface.lost = interface.lost.saturating_add(more);
            counters.lost_before = counters.lost_before.saturating_add(more);
        }
        input.take(block.bytes());
        Ok(())
    }

    /// Skips a block of any length without keeping it.
    fn skip(&self, input: &mut Input, block: Block) -> Result<(), Reason> {
        let length = u64::from(block.length);
        let body = length.saturating_sub(4);
        let have = input.skip(body)?;
        let Some(&last) = peek::<4>(input)? else {
            let have = have.saturating_add(u64::try_from(input.unread().len()).unwrap_or(u64::MAX));
            return Err(Reason::Truncated { what: block.name(), need: length, have });
        };
        self.check_end(block, last)?;
        input.take(4);
        Ok(())
    }

    #[inline]
    fn interface_of(&self, number: u32) -> Result<&Interface, Reason> {
        let interface = usize::try_from(number).ok().and_then(|index| self.interfaces.get(index));
        interface.ok_or(Reason::Interface { interface: number, described: self.interfaces.len() })
    }

    #[inline]
    fn options<'b>(&self, block: &'b [u8], at: usize) -> Options<'b> {
        Options::of(block, at, self.big_endian)
    }

    const fn u16(&self, bytes: [u8; 2]) -> u16 {
        if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    #[inline]
    pub(super) const fn u32(&self, bytes: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    const fn u64(&self, bytes: [u8; 8]) -> u64 {
        if self.big_endian { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) }
    }
}

/// The next `N` unread bytes; `None` if the file ends before.
#[inline]
fn peek<const N: usize>(input: &mut Input) -> Result<Option<&[u8; N]>, Reason> {
    input.fill(N)?;
    Ok(input.unread().first_chunk())
}

/// Direction of a packet: the lowest two bits of its flags.
const fn direction(flags: u32) -> Option<Direction> {
    match flags & 3 {
        1 => Some(Direction::Ingress),
        2 => Some(Direction::Egress),
        _ => None,
    }
}
