//! The interface to the protocol above: bytes in order, gaps, ends.

use crate::capture::Endpoint;
use crate::clock::Timestamp;

/// Who sent the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The one that opened the connection.
    Client,
    /// The one that accepted it.
    Server,
}

impl Side {
    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// A connection when it is first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The client's endpoint.
    pub client: Endpoint,
    /// The server's endpoint.
    pub server: Endpoint,
    /// When the first segment was seen.
    pub time: Timestamp,
    /// Index of the interface of that segment.
    pub interface: u32,
    /// Whether the handshake was missed: the first bytes may come from the middle of a message.
    pub midstream: bool,
}

/// Why bytes are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Left out on purpose: by the snap length, or because the protocol had advised a skip.
    NotCaptured,
    /// Never seen, although the peer acknowledged them or the buffer that waited for them is full.
    Lost,
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CloseCause {
    /// Both directions ended with FIN.
    Fin,
    /// Reset.
    Rst,
    /// Nothing was seen for too long.
    Idle,
    /// The table was full and this connection had been idle longest.
    Evicted,
    /// A new connection with the same addresses and ports started.
    Reused,
    /// The protocol needs no more of it.
    Stopped,
    /// The source ended.
    EndOfCapture,
}

/// The protocol's advice about the bytes to come.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// The next ones are needed. How much of long segments is copied stays as it is.
    Continue,
    /// All of the connection's, from now on: none of them can be found without those before.
    Whole,
    /// From now on, of long segments the beginnings are enough.
    Beginnings,
    /// Not the next bytes, this many, of the side that just sent: they may be reported as [`Missing::NotCaptured`] or
    /// delivered anyway.
    Skip(u64),
    /// None of the connection.
    Stop,
}

/// When a connection is visited, and which of its sides may be sending bytes that are left out on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Now.
    pub time: Timestamp,
    /// Of the client.
    pub client_skips: bool,
    /// Of the server.
    pub server_skips: bool,
}

/// Consumer of the bytes of connections.
///
/// The calls for one side of a connection come in the order of its bytes. `time` is that of the segment that made the
/// bytes available in order; within a connection it goes backwards no further than the source does.
pub trait Protocol {
    /// State kept for each connection; small, since there may be 100,000 idle ones.
    type State;

    /// A connection is seen for the first time.
    fn open(&mut self, opening: &Opening) -> Self::State;

    /// The next bytes of a side; never empty.
    fn data(&mut self, state: &mut Self::State, side: Side, bytes: &[u8], time: Timestamp) -> Advice;

    /// The next `length` bytes of a side are missing; never 0.
    fn missing(
        &mut self,
        state: &mut Self::State,
        side: Side,
        length: u64,
        why: Missing,
        time: Timestamp,
    ) -> Advice;

    /// A side has sent its last byte (FIN, reached in order).
    fn end(&mut self, state: &mut Self::State, side: Side, time: Timestamp);

    /// The client was shown to receive what the server sends, so its address is genuine: its complete handshake was
    /// seen, or the server acknowledged bytes of it that were seen. Called once.
    fn proven(&mut self, _state: &mut Self::State) {}

    /// Two copies of the client's bytes differ.
    fn conflict(&mut self, _state: &mut Self::State) {}

    /// Time has passed. Each established connection is visited every few seconds, whether or not it sends.
    fn look(&mut self, _state: &Self::State, _look: &Look) {}

    /// What a connection waited for may be available; see [`Streams::wake`](super::Streams::wake).
    fn wake(&mut self, _state: &mut Self::State, _time: Timestamp) -> Advice {
        Advice::Continue
    }

    /// The connection is closed.
    fn close(&mut self, state: Self::State, cause: CloseCause, time: Timestamp);
}
