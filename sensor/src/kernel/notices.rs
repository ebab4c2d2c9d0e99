//! Over-limit notices, from ring-buffer bytes to checked values.

use std::net::IpAddr;
use std::os::fd::{AsRawFd, RawFd};

use aya::maps::{Map, MapData, RingBuf};
use sensor_common::abi::{OverLimit, Reason, Verdict, maps};

use super::clients::address_of;
use super::error::KernelError;

/// A client exceeded a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its network address.
    pub client: IpAddr,
    /// Which limit.
    pub reason: Reason,
    /// Whether the packet was dropped.
    pub dropped: bool,
    /// Time on the data plane's clock, in nanoseconds.
    pub at: u64,
    /// Index of the interface.
    pub ifindex: u32,
}

/// The ring buffer of notices.
pub struct Notices {
    ring: RingBuf<MapData>,
}

impl Notices {
    pub(super) fn new(map: Map) -> Result<Self, KernelError> {
        Ok(Self { ring: RingBuf::try_from(map).map_err(KernelError::map(maps::NOTICES))? })
    }

    /// The next notice. Records that do not decode are skipped.
    pub fn next_notice(&mut self) -> Option<Notice> {
        loop {
            let item = self.ring.next()?;
            if let Some(notice) = decode(&item) {
                return Some(notice);
            }
        }
    }
}

impl AsRawFd for Notices {
    fn as_raw_fd(&self) -> RawFd {
        self.ring.as_raw_fd()
    }
}

fn decode(bytes: &[u8]) -> Option<Notice> {
    let record: OverLimit = bytemuck::try_pod_read_unaligned(bytes).ok()?;
    Some(Notice {
        client: address_of(record.key),
        reason: Reason::from_wire(record.reason)?,
        dropped: record.verdict == Verdict::Drop as u32,
        at: record.at,
        ifindex: record.ifindex,
    })
}
