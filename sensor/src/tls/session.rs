//! What is kept of a connection in TLS.

use super::counters::Outcome;
use super::early::Start;
use super::facts::Facts;
use super::keys::Keys;
use super::record::Framing;
use super::secrets::Ends;
use super::suite::Hash;
use super::waiting::Handshake;
use crate::capture::Endpoint;
use crate::capture::secret::SecretBytes;
use crate::stream::Side;

/// How far a connection has come.
///
/// ```text
/// Hello ---> Waiting ---> Open
///    \          |          /
///     `-----> Closed <----'
/// ```
#[derive(Debug)]
pub(super) enum Stage {
    /// The hellos are read.
    Hello(Box<Handshake>),
    /// For its secret.
    Waiting(Box<Handshake>),
    /// Records are decrypted.
    Open,
    /// Nothing is read any more.
    Closed,
}

/// A connection in TLS.
#[derive(Debug)]
pub(super) struct Session {
    /// Tells it from all others.
    pub(super) id: u64,
    pub(super) ends: Ends,
    pub(super) stage: Stage,
    pub(super) client: Half,
    pub(super) server: Half,
    /// Until the application is told them.
    pub(super) facts: Option<Box<Facts>>,
    /// What is needed at the start only.
    pub(super) start: Option<Box<Start>>,
    /// RFC 7366.
    pub(super) encrypt_then_mac: bool,
    /// The hash of the key schedule.
    pub(super) hash: Hash,
    pub(super) outcome: Outcome,
    pub(super) failures: u8,
}

impl Session {
    pub(super) fn new(id: u64, (client, server): (Endpoint, Endpoint)) -> Self {
        Self {
            id,
            ends: (client, server),
            stage: Stage::Hello(Box::default()),
            client: Half::default(),
            server: Half::default(),
            facts: None,
            start: None,
            encrypt_then_mac: false,
            hash: Hash::Sha256,
            outcome: Outcome::Incomplete,
            failures: 0,
        }
    }

    pub(super) const fn half(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}

/// What the records of a side are protected with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing, until ChangeCipherSpec (TLS 1.2).
    #[default]
    Clear,
    /// Keys of the handshake, until a record opens under those for application data (TLS 1.3).
    Handshake,
    /// The keys at hand.
    Open,
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Half {
    pub(super) framing: Framing,
    pub(super) phase: Phase,
    pub(super) keys: Option<Box<Keys>>,
    /// What the keys were made of; of TLS 1.3.
    pub(super) secret: Option<SecretBytes>,
    /// Updates of the keys so far.
    pub(super) generation: u32,
    /// Of the next record.
    pub(super) sequence: u64,
    /// The nonce that the last record told.
    pub(super) explicit: u64,
    /// Where records begin is not known.
    pub(super) doubt: Option<Box<Doubt>>,
    /// Bytes to come that the application does not need.
    pub(super) unwanted: u64,
    /// Bytes to come of a handshake message that a record did not end.
    pub(super) message: u32,
    pub(super) ended: bool,
}

/// What is known of a stretch in which records cannot be told apart.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// Bytes of the stream since the last record that was read.
    pub(super) lost: u64,
    /// Bytes of contents that the application was told to be missing.
    pub(super) told: u64,
    /// The application's message has ended in it.
    pub(super) over: bool,
    /// Records that turned out to be none, and cut ones that may be.
    pub(super) failures: u8,
    pub(super) inside: u8,
    /// Bytes are missing that should have been there.
    pub(super) is_loss: bool,
}
