//! Support of the tests, and what most of them begin with.

mod bounds;
mod handshakes;
mod holes;
mod order;
mod overlaps;
mod properties;
mod roles;
mod twins;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::capture::{Direction, Endpoint, Flags, Segment};
use crate::clock::Timestamp;

/// What a protocol is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Open { client_port: u16, midstream: bool },
    Data(Side, Vec<u8>),
    Missing(Side, u64, Missing),
    End(Side),
    Close(CloseCause),
}

/// Writes down what it is told, and gives prepared advice.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    pub(super) told: Vec<Told>,
    pub(super) times: Vec<u64>,
    pub(super) advice: VecDeque<Advice>,
}

impl Recorder {
    fn advise(&mut self) -> Advice {
        self.advice.pop_front().unwrap_or(Advice::Continue)
    }
}

impl Protocol for Recorder {
    type State = ();

    fn open(&mut self, opening: &Opening) {
        self.told.push(Told::Open { client_port: opening.client.port(), midstream: opening.midstream });
    }

    fn data(&mut self, _: &mut (), side: Side, bytes: &[u8], time: Timestamp) -> Advice {
        self.times.push(time.unix_nanos() / 1000);
        match self.told.last_mut() {
            Some(Told::Data(last, data)) if *last == side => data.extend_from_slice(bytes),
            _ => self.told.push(Told::Data(side, bytes.to_vec())),
        }
        self.advise()
    }

    fn missing(&mut self, _: &mut (), side: Side, length: u64, why: Missing, _: Timestamp) -> Advice {
        self.told.push(Told::Missing(side, length, why));
        self.advise()
    }

    fn end(&mut self, _: &mut (), side: Side, _: Timestamp) {
        self.told.push(Told::End(side));
    }

    fn close(&mut self, (): (), cause: CloseCause, _: Timestamp) {
        self.told.push(Told::Close(cause));
    }
}

pub(super) const CLIENT_ISN: u32 = 1000;
pub(super) const SERVER_ISN: u32 = 5000;
pub(super) const ACK: Flags = Flags::ACK;
pub(super) const SYN: Flags = Flags::SYN;
pub(super) const SYN_ACK: Flags = Flags(Flags::SYN.0 | Flags::ACK.0);
pub(super) const FIN_ACK: Flags = Flags(Flags::FIN.0 | Flags::ACK.0);
pub(super) const RST_ACK: Flags = Flags(Flags::RST.0 | Flags::ACK.0);

/// One connection's wire. Offsets count payload bytes: byte 0 follows the SYN.
pub(super) struct Wire {
    pub(super) streams: Streams<Recorder>,
    /// Microseconds.
    pub(super) now: u64,
    pub(super) port: u16,
    pub(super) direction: Option<Direction>,
    pub(super) crossed: bool,
    pub(super) isn: [u32; 2],
    /// What each side has acknowledged: of the client's bytes, of the server's.
    pub(super) acknowledged: [u32; 2],
    pub(super) instruction: Option<Instruction>,
}

impl Wire {
    pub(super) fn new(config: Config) -> Self {
        Self {
            streams: Streams::new(Config { seed: Some(7), ..config }, Recorder::default()),
            now: 1_000_000,
            port: 40_000,
            direction: None,
            crossed: false,
            isn: [CLIENT_ISN, SERVER_ISN],
            acknowledged: [0, 0],
            instruction: None,
        }
    }

    /// After the handshake, with nothing recorded.
    pub(super) fn established(config: Config) -> Self {
        let mut wire = Self::new(config);
        wire.handshake();
        wire.take();
        wire
    }

    pub(super) fn handshake(&mut self) {
        let [client, server] = self.isn;
        self.raw(Side::Client, client, 0, SYN, b"");
        self.raw(Side::Server, server, client.wrapping_add(1), SYN_ACK, b"");
        self.client(0, b"");
    }

    pub(super) fn ends(&self) -> (Endpoint, Endpoint) {
        let client = Endpoint::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), self.port);
        (client, Endpoint::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 80))
    }

    pub(super) fn make<'a>(
        &self,
        side: Side,
        sequence: u32,
        acknowledgement: u32,
        flags: Flags,
        payload: &'a [u8],
    ) -> Segment<'a> {
        let (client, server) = self.ends();
        let (source, destination) = if side == Side::Client { (client, server) } else { (server, client) };
        Segment {
            time: Timestamp::from_unix_micros(self.now),
            source,
            destination,
            interface: 3,
            direction: self.direction,
            crossed: self.crossed,
            sequence,
            acknowledgement,
            flags,
            urgent: 0,
            length: u32::try_from(payload.len()).unwrap(),
            payload,
            ..Segment::default()
        }
    }

    pub(super) fn put(&mut self, segment: &Segment<'_>) {
        self.instruction = self.streams.segment(segment);
    }

    pub(super) fn raw(&mut self, side: Side, sequence: u32, acknowledgement: u32, flags: Flags, data: &[u8]) {
        let segment = self.make(side, sequence, acknowledgement, flags, data);
        self.put(&segment);
    }

    pub(super) fn send(&mut self, side: Side, offset: u32, flags: Flags, data: &[u8]) {
        let segment = self.segment(side, offset, flags, data);
        self.put(&segment);
    }

    pub(super) fn segment<'a>(&self, side: Side, offset: u32, flags: Flags, data: &'a [u8]) -> Segment<'a> {
        let [client, server] = self.isn.map(|isn| isn.wrapping_add(1));
        let (own, peer, acknowledged) = match side {
            Side::Client => (client, server, self.acknowledged[1]),
            Side::Server => (server, client, self.acknowledged[0]),
        };
        self.make(side, own.wrapping_add(offset), peer.wrapping_add(acknowledged), flags, data)
    }

    pub(super) fn client(&mut self, offset: u32, data: &[u8]) {
        self.send(Side::Client, offset, ACK, data);
    }

    pub(super) fn server(&mut self, offset: u32, data: &[u8]) {
        self.send(Side::Server, offset, ACK, data);
    }

    pub(super) fn wait(&mut self, microseconds: u64) {
        self.now += microseconds;
    }

    pub(super) fn advance(&mut self, microseconds: u64) {
        self.wait(microseconds);
        self.streams.advance(Timestamp::from_unix_micros(self.now));
    }

    pub(super) fn finish(&mut self) -> Vec<Told> {
        self.streams.finish(Timestamp::from_unix_micros(self.now));
        let counters = self.streams.counters();
        assert_eq!((counters.active, counters.buffered_bytes, counters.tracked), (0, 0, 0));
        self.take()
    }

    pub(super) fn advise(&mut self, advice: Advice) {
        self.streams.protocol_mut().advice.push_back(advice);
    }

    /// What was told since the last time.
    pub(super) fn take(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.streams.protocol_mut().told)
    }

    pub(super) fn counters(&self) -> &Counters {
        self.streams.counters()
    }
}

pub(super) fn client(data: &[u8]) -> Told {
    Told::Data(Side::Client, data.to_vec())
}

pub(super) fn server(data: &[u8]) -> Told {
    Told::Data(Side::Server, data.to_vec())
}

pub(super) fn lost(side: Side, length: u64) -> Told {
    Told::Missing(side, length, Missing::Lost)
}

pub(super) fn not_captured(side: Side, length: u64) -> Told {
    Told::Missing(side, length, Missing::NotCaptured)
}
