//! Options of pcapng blocks.

use pcap_parser::{PcapError, parse_option_be, parse_option_le};

pub(super) const IF_TSRESOL: u16 = 9;
pub(super) const IF_TSOFFSET: u16 = 14;
/// The same in enhanced and old packet blocks.
pub(super) const PACKET_FLAGS: u16 = 2;
pub(super) const ISB_IFDROP: u16 = 5;
pub(super) const ISB_OSDROP: u16 = 7;

const END: u16 = 0;

/// The options at the end of a block.
#[derive(Clone, Copy)]
pub(super) struct Options<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl<'a> Options<'a> {
    /// Those of a whole block, from `at` to its last length field.
    #[inline]
    pub(super) fn of(block: &'a [u8], at: usize, big_endian: bool) -> Self {
        let end = block.len().saturating_sub(4);
        Self { bytes: block.get(at..end).unwrap_or_default(), big_endian }
    }

    /// The value of the first option with a code, if it has `N` bytes. An option of another length counts as absent, as
    /// does everything after an option that exceeds the block.
    #[inline]
    pub(super) fn get<const N: usize>(self, code: u16) -> Option<[u8; N]> {
        let mut rest = self.bytes;
        while !rest.is_empty() {
            let parsed = if self.big_endian {
                parse_option_be::<PcapError<&[u8]>>(rest)
            } else {
                parse_option_le::<PcapError<&[u8]>>(rest)
            };
            let (behind, option) = parsed.ok()?;
            if option.code.0 == code {
                return option.as_bytes().ok()?.try_into().ok();
            }
            if option.code.0 == END {
                return None;
            }
            rest = behind;
        }
        None
    }
}
