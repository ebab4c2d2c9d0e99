//! State of a TLS connection.

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
use crate::kernel::Guarded;
use crate::stream::Side;

/// The phase of a connection.
///
/// ```text
/// Hello ---> Waiting ---> Open
///    \          |          /
///     `-----> Closed <----'
/// ```
#[derive(Debug)]
pub(super) enum Stage {
    /// The hellos are being read.
    Hello(Box<Handshake>),
    /// Waiting for its secret.
    Waiting(Box<Handshake>),
    /// Records are being decrypted.
    Open,
    /// Nothing is read any more.
    Closed,
}

/// After a gap, a record's number is found by trial decryption. A connection has a budget of this many bytes for it,
/// which is also the maximum, and earns more with the bytes that it sends: no stream costs more than a constant times
/// its size.
const TRIALS: u64 = 4 << 20;
const TRIALS_PER_BYTE: u64 = 8;
/// Cost of a trial of few bytes, in bytes: setting up the cipher.
const LEAST_TRIAL: u64 = 256;

/// A connection in TLS.
#[derive(Debug)]
pub(super) struct Session {
    /// Distinguishes it from all others.
    pub(super) id: u64,
    pub(super) ends: Ends,
    pub(super) stage: Stage,
    pub(super) client: Half,
    pub(super) server: Half,
    /// Until they are passed to the application.
    pub(super) facts: Option<Box<Facts>>,
    /// What is spoken inside cannot be read from the beginnings of segments.
    pub(super) needs_whole: bool,
    /// State needed only at the start.
    pub(super) start: Option<Guarded<Start>>,
    /// RFC 7366.
    pub(super) encrypt_then_mac: bool,
    /// The hash of the key schedule.
    pub(super) hash: Hash,
    pub(super) outcome: Outcome,
    pub(super) failures: u8,
    /// Remaining bytes for trial decryption.
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
            needs_whole: false,
            start: None,
            encrypt_then_mac: false,
            hash: Hash::Sha256,
            outcome: Outcome::Incomplete,
            failures: 0,
            trials: TRIALS,
        }
    }

    /// Bytes of the stream earn budget for trials.
    pub(super) fn earn(&mut self, bytes: usize) {
        self.trials = self.trials.saturating_add((bytes as u64).saturating_mul(TRIALS_PER_BYTE)).min(TRIALS);
    }

    /// Pays for trial decryption of this many bytes; returns whether the budget sufficed.
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

/// How the records of a side are protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not at all, until ChangeCipherSpec (TLS 1.2).
    #[default]
    Clear,
    /// With handshake keys, until a record opens under the application keys (TLS 1.3).
    Handshake,
    /// With the current keys.
    Open,
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Half {
    pub(super) framing: Framing,
    pub(super) phase: Phase,
    pub(super) keys: Option<Guarded<Keys>>,
    /// The secret of the keys, in TLS 1.3.
    pub(super) secret: Option<SecretBytes>,
    /// Number of key updates so far.
    pub(super) generation: u32,
    /// Number of the next record.
    pub(super) sequence: u64,
    /// The last record's explicit nonce.
    pub(super) explicit: u64,
    /// Record boundaries are unknown.
    pub(super) doubt: Option<Box<Doubt>>,
    /// Bytes to come that the application does not need.
    pub(super) unwanted: u64,
    /// Bytes to come of a handshake message that continues in the next record.
    pub(super) message: u32,
    pub(super) ended: bool,
}

/// What is known about a stretch without record boundaries.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// Bytes of the stream since the last record that was read.
    pub(super) lost: u64,
    /// Bytes of content reported to the application as missing.
    pub(super) told: u64,
    /// The application's message ended in it.
    pub(super) over: bool,
    /// False records, and possible truncated ones.
    pub(super) failures: u8,
    pub(super) inside: u8,
    /// Bytes are missing unexpectedly.
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
            // A gap of any length would require any number of trials.
            while session.pays(RECORD) {
                trials += 1;
            }
        }
        assert_eq!(trials * RECORD as u64, TRIALS + (sent as u64 - RECORD as u64) * TRIALS_PER_BYTE);
        assert!((0..).take_while(|_| session.pays(1)).count() == 0, "a short one costs something, too");
    }
}
