//! The state of an HTTP/2 connection.

use super::abuse::Tally;
use super::frame;
use super::hpack::Decoder;
use super::reader::Reader;
use super::streams::{Stream, Streams};
use crate::clock::Timestamp;
use crate::http::message::Message;
use crate::stream::Side;

/// A connection.
#[derive(Debug)]
pub(in crate::http) struct Conn {
    pub(super) client: Half,
    pub(super) server: Half,
    pub(super) streams: Streams,
    pub(super) tally: Tally,
}

/// One direction.
#[derive(Debug)]
pub(super) struct Half {
    pub reader: Reader,
    pub decoder: Decoder,
    /// The payload of a frame that arrives in parts.
    pub partial: Partial,
    /// A header block to be continued by CONTINUATION.
    pub block: Option<Box<Block>>,
    /// The receiver's maximum frame size.
    pub max_length: u32,
    /// No frame was seen yet; the first must be SETTINGS.
    pub is_fresh: bool,
}

/// The part of a payload that has arrived.
#[derive(Debug, Default)]
pub(super) struct Partial {
    pub bytes: Option<Box<Message>>,
    /// Some of it was not kept.
    pub cut: bool,
    /// When it began.
    pub began: Option<Timestamp>,
}

/// A header block, and its first frame's fields.
#[derive(Debug)]
pub(super) struct Block {
    pub opened: Opened,
    /// `None` if it is not kept because it is too long or incomplete.
    pub bytes: Option<Box<Message>>,
    pub too_long: bool,
    pub continuations: u32,
}

/// The fields of the frame that starts a header block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opened {
    pub stream: u32,
    /// It has END_STREAM.
    pub ends: bool,
    /// It is a PUSH_PROMISE.
    pub pushed: bool,
    /// When it began.
    pub began: Timestamp,
}

impl Half {
    const fn new(reader: Reader, midstream: bool) -> Self {
        Self {
            reader,
            decoder: Decoder::new(midstream),
            partial: Partial { bytes: None, cut: false, began: None },
            block: None,
            max_length: if midstream { u32::MAX } else { frame::USUAL_LENGTH },
            is_fresh: !midstream,
        }
    }
}

impl Conn {
    /// A connection whose client has sent the first `preface` bytes of the preface.
    pub(in crate::http) fn new(preface: u8) -> Self {
        Self {
            client: Half::new(Reader::at_preface(preface), false),
            server: Half::new(Reader::at_frame(), false),
            streams: Streams::default(),
            tally: Tally::default(),
        }
    }

    /// A connection whose beginning was not seen.
    pub(in crate::http) fn midstream() -> Self {
        let mut conn = Self {
            client: Half::new(Reader::anywhere(), true),
            server: Half::new(Reader::anywhere(), true),
            streams: Streams::default(),
            tally: Tally::default(),
        };
        conn.streams.unseen = (0, u32::MAX);
        conn
    }

    /// A connection upgraded from HTTP/1.1, whose request becomes stream 1 (RFC 7540, section 3.2), with the client's
    /// settings.
    pub(in crate::http) fn upgraded(request: Box<Message>, settings: &[u8]) -> Self {
        let mut conn = Self::new(0);
        conn.apply(Side::Client, settings);
        let mut stream = Stream::new(1, request.started());
        stream.request = Some(request);
        stream.client_ended = true;
        conn.streams.push(stream);
        conn
    }

    /// The client has sent the first `read` bytes of the preface.
    pub(in crate::http) fn expect_preface(&mut self, read: u8) {
        self.client.reader.begin(Some(read));
    }

    pub(super) const fn half(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// Whether there is nothing to report.
    pub(super) fn is_quiet(&self) -> bool {
        self.tally.since_told.kinds().iter().all(|(_, count)| *count == 0)
    }

    /// Bytes allocated, not counting messages.
    #[cfg(test)]
    pub(in crate::http) fn allocated(&self) -> usize {
        let tables = self.client.decoder.allocated().saturating_add(self.server.decoder.allocated());
        tables.saturating_add(self.streams.allocated()).saturating_add(size_of::<Self>())
    }
}
