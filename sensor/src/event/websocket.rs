//! The end of a WebSocket.

use serde::Serialize;

use crate::clock::Timestamp;

/// What was sent in a WebSocket, counted from frame headers; never what it said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct WebSocketEnd {
    /// `ts` of its handshake's record.
    pub opened: Timestamp,
    /// From the handshake's response to the end, in microseconds.
    pub duration_us: u64,
    /// Messages of the client; fragments of one count once.
    pub client_messages: u64,
    /// Payload bytes of these.
    pub client_bytes: u64,
    /// Close, ping and pong frames of the client.
    pub client_control_frames: u64,
    /// Messages of the server.
    pub server_messages: u64,
    /// Payload bytes of these.
    pub server_bytes: u64,
    /// Close, ping and pong frames of the server.
    pub server_control_frames: u64,
}
