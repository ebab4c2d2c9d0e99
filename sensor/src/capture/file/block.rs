//! The frame of a pcapng block: its type and length.

use pcap_parser::{EPB_MAGIC, IDB_MAGIC, ISB_MAGIC, SHB_MAGIC, SPB_MAGIC};

use super::error::Reason;

/// The packet block of the first drafts, which the crate does not support.
pub(super) const OLD_PACKET: u32 = 2;

/// Bytes of a block outside its body: type, length, length again.
pub(super) const FRAMING: usize = 12;

/// Offset of the packet in an enhanced and in an old packet block.
pub(super) const PACKET_AT: usize = 28;

/// A Decryption Secrets Block; the crate parses it without its contents.
pub(super) const DSB_MAGIC: u32 = 10;

/// Offset of the secrets in it.
pub(super) const SECRETS_AT: usize = 16;

/// Its secrets are a TLS key log.
pub(super) const TLS_KEY_LOG: u32 = 0x544c_534b;

/// Offset of the packet in a simple packet block.
pub(super) const SIMPLE_PACKET_AT: usize = 12;

/// The type and total length of a block.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub(super) kind: u32,
    pub(super) length: u32,
}

impl Block {
    /// Checks the length. A skipped block may have any length; the others are kept whole.
    #[inline]
    pub(super) fn check(self, max: u32) -> Result<(), Reason> {
        let (kept, least) = match self.kind {
            EPB_MAGIC | OLD_PACKET => (true, PACKET_AT.saturating_add(4)),
            SHB_MAGIC => (true, 28),
            IDB_MAGIC => (true, 20),
            ISB_MAGIC => (true, 24),
            SPB_MAGIC => (true, 16),
            _ => (false, FRAMING),
        };
        let why = if self.bytes() < least {
            "it cannot be so short"
        } else if !self.length.is_multiple_of(4) {
            "lengths are multiples of 4"
        } else if kept && self.length > max {
            "that is longer than is read"
        } else {
            return Ok(());
        };
        Err(Reason::BlockLength { block: self.name(), length: self.length, why })
    }

    #[inline]
    pub(super) fn bytes(self) -> usize {
        usize::try_from(self.length).unwrap_or(usize::MAX)
    }

    /// The captured length of a packet that starts at `at` in the block, if the block contains that much.
    #[inline]
    pub(super) fn fit(self, captured: u32, at: usize) -> Result<usize, Reason> {
        let room = self.bytes().saturating_sub(4).saturating_sub(at);
        match usize::try_from(captured) {
            Ok(captured) if captured <= room => Ok(captured),
            _ => Err(Reason::BlockPacket { captured, block: self.length }),
        }
    }

    pub(super) const fn malformed(self) -> Reason {
        Reason::Block(self.name())
    }

    pub(super) const fn name(self) -> &'static str {
        match self.kind {
            SHB_MAGIC => "section header",
            IDB_MAGIC => "interface description",
            EPB_MAGIC => "enhanced packet block",
            SPB_MAGIC => "simple packet block",
            OLD_PACKET => "packet block",
            ISB_MAGIC => "interface statistics block",
            _ => "block",
        }
    }
}
