//! What reassembly hands on: bytes in order, holes, ends.

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

/// A connection as it is first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Where the client's end is.
    pub client: Endpoint,
    /// Where the server's end is.
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
    /// Left out on purpose: a snap length, or bytes that the protocol had advised to skip.
    NotCaptured,
    /// Never seen, although the peer acknowledged them or the buffer that waited for them is full.
    Lost,
}

/// Why a connection is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CloseCause {
    /// Both directions ended with FIN.
    Fin,
    /// Reset.
    Rst,
    /// Nothing was seen for too long.
    Idle,
    /// The table was full and this was the connection idle for longest.
    Evicted,
    /// A new connection with the same addresses and ports began.
    Reused,
    /// The protocol needs no more of it.
    Stopped,
    /// The source ended.
    EndOfCapture,
}

/// What a protocol wants of the bytes to come.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// All of them.
    Continue,
    /// Not the next so many bytes of the side that just sent: they may be reported as
    /// [`Missing::NotCaptured`] or delivered all the same.
    Skip(u64),
    /// None of the connection.
    Stop,
}

/// When a connection is looked at, and which of its sides may be sending bytes that are left out on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Now.
    pub time: Timestamp,
    /// Of the client.
    pub client_skips: bool,
    /// Of the server.
    pub server_skips: bool,
}

/// What is done with the bytes of connections.
///
/// The calls for one side of a connection come in the order of its bytes. `time` is that of the segment which
/// made the bytes available in order; it never goes backwards within a connection by more than the source does.
pub trait Protocol {
    /// Kept for each connection; small, since there may be 100,000 idle ones.
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

    /// The client was shown to get what the server sends, so it is who its address says: its handshake was seen whole,
    /// or the server acknowledged bytes of it that were seen. Told once.
    fn proven(&mut self, _state: &mut Self::State) {}

    /// Two copies of the client's bytes differ.
    fn conflict(&mut self, _state: &mut Self::State) {}

    /// Time has passed. Each established connection is looked at every few seconds, whether or not it sends.
    fn look(&mut self, _state: &Self::State, _look: &Look) {}

    /// What a connection waited for may be there; see [`Streams::wake`](super::Streams::wake).
    fn wake(&mut self, _state: &mut Self::State, _time: Timestamp) -> Advice {
        Advice::Continue
    }

    /// The connection is forgotten.
    fn close(&mut self, state: Self::State, cause: CloseCause, time: Timestamp);
}
