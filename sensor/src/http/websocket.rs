//! WebSocket frames (RFC 6455, section 5.2), counted by their headers. Payloads are skipped unread.

use super::counters::{Counters, add};
use crate::clock::Timestamp;
use crate::stream::Side;

/// What one side sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Messages that ended; fragments of one count once.
    pub messages: u64,
    /// Payload bytes of messages.
    pub bytes: u64,
    /// Control frames: close, ping, pong.
    pub control: u64,
}

/// A WebSocket's totals, reported when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebSocket {
    /// As of its handshake: [`Exchange::socket`](super::Exchange::socket).
    pub number: u64,
    /// When the handshake was answered.
    pub opened: Timestamp,
    /// When it ended, as far as it was seen.
    pub closed: Timestamp,
    /// From the client.
    pub client: Sent,
    /// From the server.
    pub server: Sent,
    /// Whether bytes were missing, so there may have been more.
    pub partial: bool,
}

/// Both directions of a connection.
#[derive(Debug)]
pub(super) struct Socket {
    number: u64,
    opened: Timestamp,
    client: Reader,
    server: Reader,
}

#[derive(Clone, Copy, Debug, Default)]
struct Reader {
    /// A partial header.
    header: [u8; 14],
    have: u8,
    /// Remaining payload.
    left: u64,
    /// The payload belongs to a message, not to a control frame.
    is_message: bool,
    lost: bool,
    sent: Sent,
}

impl Socket {
    pub(super) fn new(number: u64, opened: Timestamp) -> Self {
        Self { number, opened, client: Reader::default(), server: Reader::default() }
    }

    const fn half(&mut self, side: Side) -> &mut Reader {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// Reads bytes and adds to the totals.
    pub(super) fn read(&mut self, side: Side, bytes: &[u8], totals: &mut Counters) {
        let before = self.half(side).sent;
        self.half(side).read(bytes);
        self.count(side, before, totals);
    }

    fn count(&mut self, side: Side, before: Sent, totals: &mut Counters) {
        let now = self.half(side).sent;
        let messages = now.messages.saturating_sub(before.messages);
        let bytes = now.bytes.saturating_sub(before.bytes);
        add(&mut totals.websocket_messages, messages);
        add(&mut totals.websocket_bytes, bytes);
        if side == Side::Client {
            add(&mut totals.websocket_client_messages, messages);
            add(&mut totals.websocket_client_bytes, bytes);
        }
    }

    /// Skips missing bytes; those known to be payload count.
    pub(super) fn skip(&mut self, side: Side, length: u64, totals: &mut Counters) {
        let before = self.half(side).sent;
        self.half(side).skip(length);
        self.count(side, before, totals);
    }

    /// Remaining payload, which is not needed.
    pub(super) const fn unwanted(&mut self, side: Side) -> u64 {
        let half = self.half(side);
        if half.lost { 0 } else { half.left }
    }

    pub(super) const fn told(&self, closed: Timestamp) -> WebSocket {
        WebSocket {
            number: self.number,
            opened: self.opened,
            closed,
            client: self.client.sent,
            server: self.server.sent,
            partial: self.client.lost || self.server.lost,
        }
    }
}

impl Reader {
    fn read(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() && !self.lost {
            if self.left > 0 {
                let here = self.left.min(rest.len() as u64);
                self.pass(here);
                rest = rest.get(usize::try_from(here).unwrap_or(usize::MAX)..).unwrap_or_default();
            } else if let Some((byte, after)) = rest.split_first() {
                rest = after;
                self.read_header(*byte);
            }
        }
    }

    fn read_header(&mut self, byte: u8) {
        if let Some(place) = self.header.get_mut(usize::from(self.have)) {
            *place = byte;
        }
        self.have = self.have.saturating_add(1);
        let [first, second, ..] = self.header;
        let extended: u8 = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if second & 0x80 != 0 { 4 } else { 0 };
        if self.have < 2 || self.have < extended.saturating_add(mask).saturating_add(2) {
            return;
        }
        self.have = 0;
        let [_, _, a, b, c, d, e, f, g, h, ..] = self.header;
        self.left = match extended {
            0 => u64::from(second & 0x7f),
            2 => u64::from(u16::from_be_bytes([a, b])),
            _ => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        };
        // A reserved opcode or a length of 64 bits: not a frame.
        if !matches!(first & 0x0f, 0..=2 | 8..=10) || self.left > i64::MAX.unsigned_abs() {
            self.lost = true;
        } else if first & 0x08 != 0 {
            self.is_message = false;
            self.sent.control = self.sent.control.saturating_add(1);
        } else {
            self.is_message = true;
            self.sent.messages = self.sent.messages.saturating_add(u64::from(first & 0x80 != 0));
        }
    }

    fn skip(&mut self, length: u64) {
        if length > self.left {
            self.lost = true;
        } else {
            self.pass(length);
        }
    }

    /// Payload counts when it arrives: a header can announce any length.
    const fn pass(&mut self, length: u64) {
        self.left = self.left.saturating_sub(length);
        if self.is_message {
            self.sent.bytes = self.sent.bytes.saturating_add(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(pieces: &mut dyn Iterator<Item = &[u8]>) -> (Sent, bool) {
        let mut socket = Socket::new(1, Timestamp::default());
        pieces.for_each(|piece| socket.read(Side::Client, piece, &mut Counters::default()));
        let told = socket.told(Timestamp::default());
        (told.client, told.partial)
    }

    #[test]
    fn frames_are_counted_however_they_are_cut() {
        let mut bytes = Vec::new();
        // Text with a mask, two fragments, a ping, 126 and 65,536 bytes, close.
        bytes.extend(b"\x81\x83mask\x00\x01\x02\x01\x02ab\x80\x01c\x89\x00");
        bytes.extend([0x82, 126, 0, 126].into_iter().chain([b'x'; 126]));
        bytes.extend([0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0].into_iter().chain([b'x'; 65_536]));
        bytes.extend(b"\x88\x02\x03\xe8");
        let expected = (Sent { messages: 4, bytes: 3 + 3 + 126 + 65_536, control: 2 }, false);
        assert_eq!(sent(&mut std::iter::once(&bytes[..])), expected);
        for size in [1, 2, 7, 1_000] {
            assert_eq!(sent(&mut bytes.chunks(size)), expected, "{size}");
        }
    }

    #[test]
    fn what_is_no_frame_or_missing_ends_the_count_and_is_told() {
        assert!(sent(&mut std::iter::once(&b"\x83\x00"[..])).1, "a reserved opcode");
        assert!(sent(&mut std::iter::once(&b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"[..])).1);
        let (mut socket, mut totals) = (Socket::new(1, Timestamp::default()), Counters::default());
        socket.read(Side::Server, b"\x82\x0aab", &mut totals);
        assert_eq!(socket.unwanted(Side::Server), 8);
        socket.skip(Side::Server, 8, &mut totals);
        socket.read(Side::Server, b"\x82\x01a", &mut totals);
        assert_eq!(socket.told(Timestamp::default()).server, Sent { messages: 2, bytes: 11, control: 0 });
        assert_eq!((totals.websocket_messages, totals.websocket_bytes), (2, 11));
        assert_eq!(totals.websocket_client_messages, 0);
        socket.skip(Side::Server, 1, &mut totals);
        assert!(socket.told(Timestamp::default()).partial);
    }

    #[test]
    fn a_header_that_announces_more_than_comes_counts_what_came() {
        let (mut socket, mut totals) = (Socket::new(1, Timestamp::default()), Counters::default());
        socket.read(Side::Client, b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xffabc", &mut totals);
        assert_eq!((totals.websocket_client_messages, totals.websocket_client_bytes), (1, 3));
    }
}
