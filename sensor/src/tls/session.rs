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

/// After a hole, the number of a record is found by trial, each of which costs what decrypting costs. A connection has so
/// many bytes of it to begin with and at most, and earns more with the bytes that it sends: no stream costs more than so many
/// times its size.
const TRIALS: u64 = 4 << 20;
const TRIALS_PER_BYTE: u64 = 8;
/// What a trial of few bytes costs, in bytes: setting up the cipher.
const LEAST_TRIAL: u64 = 256;

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
    /// Bytes that may still be decrypted on trial.
    trials: u64,
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
            trials: TRIALS,
        }
    }

    /// Bytes of the stream pay for trials to come.
    pub(super) fn earn(&mut self, bytes: usize) {
        self.trials = self.trials.saturating_add((bytes as u64).saturating_mul(TRIALS_PER_BYTE)).min(TRIALS);
    }

    /// Pays for decrypting so many bytes on trial; whether it can.
    pub(super) fn pays(&mut self, bytes: usize) -> bool {
        let cost = (bytes as u64).max(LEAST_TRIAL);
        let left = self.trials.checked_sub(cost);
        self.trials = left.unwrap_or(self.trials);
        left.is_some()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::tests::ends;

    #[test]
    fn trials_cost_so_many_times_what_was_sent_and_no_more() {
        const RECORD: usize = 16_384;
        let mut session = Session::new(1, ends());
        let mut trials = 0_u64;
        let sent = 1_000 * RECORD;
        for _ in 0..1_000 {
            session.earn(RECORD);
            // A hole of any length asks for as many as there may be.
            while session.pays(RECORD) {
                trials += 1;
            }
        }
        assert_eq!(trials * RECORD as u64, TRIALS + (sent as u64 - RECORD as u64) * TRIALS_PER_BYTE);
        assert!((0..).take_while(|_| session.pays(1)).count() == 0, "a short one costs something, too");
    }
}
