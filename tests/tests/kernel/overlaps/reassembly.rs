//! The same segments through reassembly.

use std::net::{IpAddr, Ipv4Addr};

use sensor::capture::{Endpoint, Flags, Segment};
use sensor::clock::Timestamp;
use sensor::stream::{Advice, CloseCause, Config, Missing, Opening, Protocol, Side, Streams};

use super::peer::Step;

/// Collects what the client sent, until the first hole.
#[derive(Default)]
struct Reader {
    read: Vec<u8>,
    broken: bool,
}

impl Protocol for Reader {
    type State = ();

    fn open(&mut self, _: &Opening) {}

    fn data(&mut self, (): &mut (), side: Side, bytes: &[u8], _: Timestamp) -> Advice {
        if side == Side::Client && !self.broken {
            self.read.extend_from_slice(bytes);
        }
        Advice::Continue
    }

    fn missing(&mut self, (): &mut (), _: Side, _: u64, _: Missing, _: Timestamp) -> Advice {
        self.broken = true;
        Advice::Continue
    }

    fn end(&mut self, (): &mut (), _: Side, _: Timestamp) {}

    fn close(&mut self, (): (), _: CloseCause, _: Timestamp) {}
}

/// What the application should read.
pub(super) fn read(steps: &[Step]) -> Vec<u8> {
    const ISN: u32 = u32::MAX - 10;
    let mut streams = Streams::new(Config::default(), Reader::default());
    let client = Endpoint::new(IpAddr::V4(Ipv4Addr::new(10, 77, 0, 2)), 1024);
    let server = Endpoint::new(IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1)), 80);
    let from_client = Segment {
        time: Timestamp::from_unix_micros(1),
        source: client,
        destination: server,
        interface: 0,
        direction: None,
        sequence: ISN,
        acknowledgement: 0,
        flags: Flags::SYN,
        urgent: 0,
        length: 0,
        payload: &[],
        ..Segment::default()
    };
    let answer = Segment {
        source: server,
        destination: client,
        sequence: 99,
        acknowledgement: ISN.wrapping_add(1),
        flags: Flags(Flags::SYN.0 | Flags::ACK.0),
        ..from_client
    };
    let _none = [streams.segment(&from_client), streams.segment(&answer)];
    for step in steps {
        let _none = streams.segment(&Segment {
            sequence: ISN.wrapping_add(1).wrapping_add(step.offset),
            acknowledgement: 100,
            flags: Flags(step.flags),
            urgent: step.urgent,
            length: u32::try_from(step.data.len()).unwrap_or_default(),
            payload: &step.data,
            ..from_client
        });
    }
    std::mem::take(&mut streams.protocol_mut().read)
}
