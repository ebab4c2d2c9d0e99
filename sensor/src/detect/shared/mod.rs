//! What several hosts saw of the same login routes: an attack spread over them as well as over many clients.
//!
//! Each host counts within slots of time what strangers did on each route, and for each trait that attempts may share
//! ([`Slot`]). Clients, accounts and passwords go into sketches of keyed hashes, which merge ([`Sketch`]). The merged
//! counts of the last slots are judged with the test of [`distributed`](super::distributed) ([`judge`](judge::judge)).
//!
//! How slots travel is not known here: a detector tells a [`Shared`] what happened, and asks it what all hosts together
//! make of it. Neither call waits.

mod judge;
mod quota;
mod sketch;
mod tally;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use super::credentials::Network;
use crate::clock::Timestamp;
use crate::identity::FleetHashes;
use crate::prefix::ClientNet;

pub(crate) use judge::{Judge, Seen};
pub use judge::{Sums, Thresholds, Usual};
pub use quota::{Allowance, Charge, SharedLimits, Verdict, Whose as Charged};
pub(crate) use tally::Hashed;
pub use tally::{MAX_SLOT, Slot};

/// Length of a slot.
pub const SLOT: Duration = Duration::from_secs(30);
/// Slots that are judged together, besides the current one: ten minutes, the period that counts as the present.
pub const SLOTS: u64 = 20;

/// A trait that attempts may share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trait {
    /// The order of header names and the User-Agent.
    Program(u64),
    /// The network.
    Network(Network),
}

impl fmt::Display for Trait {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(fingerprint) => write!(out, "fingerprint {fingerprint:016x}"),
            Self::Network(network) => write!(out, "network {network}"),
        }
    }
}

impl Trait {
    /// For hashing.
    pub(crate) fn bytes(self) -> [u8; 9] {
        let (kind, bits) = match self {
            Self::Program(fingerprint) => (1, fingerprint),
            Self::Network(network) => (2, network.bits()),
        };
        let mut bytes = [kind; 9];
        bytes.iter_mut().skip(1).zip(bits.to_be_bytes()).for_each(|(byte, bits)| *byte = bits);
        bytes
    }
}

/// Whose attempt it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Of a client, or on an account, that was logged in before from there.
    Known,
    /// A stranger's first within an hour.
    Trial,
    /// A stranger's, again.
    Again,
}

/// An attempt, as a detector tells of it.
#[derive(Clone, Debug)]
pub struct Told {
    /// When it was answered.
    pub at: Timestamp,
    /// Its login route.
    pub route: Arc<str>,
    /// The client.
    pub client: ClientNet,
    /// The account and the password, hashed with the fleet's keys.
    pub hashes: FleetHashes,
    /// What it may have in common with others.
    pub traits: [Trait; 2],
    /// Whether the server refused it.
    pub failed: bool,
    /// Whose it was.
    pub whose: Whose,
    /// Whether it is one of the control group that counts.
    pub is_control: bool,
    /// What is usual on this host.
    pub usual: Usual,
}

/// What all hosts together make of a route.
#[derive(Clone, Debug, Default)]
pub struct Attack {
    /// Of the route as a whole.
    pub whole: Option<Sums>,
    /// Traits that the attack's attempts share, among those that this host has seen.
    pub traits: Vec<(Trait, Sums)>,
    /// Whether strangers who failed on this host got in on others: it is a bad day, not an attack on this host.
    pub is_explained: bool,
}

/// What all hosts together make of their routes.
#[derive(Clone, Debug, Default)]
pub struct Outlook {
    /// When.
    pub at: Timestamp,
    /// Routes about which there is something to say.
    pub routes: HashMap<Arc<str>, Attack>,
}

/// An outlook older than this says nothing: no host is accused of what the fleet no longer confirms.
pub(crate) const STALE: Duration = Duration::from_secs(5);

/// Other hosts, as a detector sees them. No call waits.
pub trait Shared: fmt::Debug + Send + Sync {
    /// An attempt happened here.
    fn tell(&self, told: Told);

    /// The latest outlook, if there is one and it can be had without waiting.
    fn outlook(&self) -> Option<Arc<Outlook>>;
}

/// What hosts of a fleet do together.
#[derive(Clone, Debug, Default)]
pub struct Together {
    /// They count login attempts.
    pub evidence: Option<Arc<dyn Shared>>,
    /// Limits of principals hold for all of them.
    pub limits: Option<Arc<dyn SharedLimits>>,
}

/// The other hosts, and what they last found; nobody, on a host of its own.
#[derive(Debug, Default)]
pub(crate) struct Others {
    shared: Option<Arc<dyn Shared>>,
    latest: Option<Arc<Outlook>>,
}

impl Others {
    pub(crate) fn of(together: &Together) -> Self {
        Self { shared: together.evidence.clone(), latest: None }
    }

    pub(crate) fn tell(&self, told: Told) {
        if let Some(shared) = &self.shared {
            shared.tell(told);
        }
    }

    /// The latest outlook, if it is another one than at the last call; an empty one once there is none any longer.
    pub(crate) fn news(&mut self, at: Timestamp) -> Option<Arc<Outlook>> {
        // What is known holds until it is stale, also while it cannot be read.
        let outlook = self.shared.as_ref()?.outlook().or_else(|| self.latest.clone());
        // Civil time may have been set back.
        let is_fresh = |outlook: &Arc<Outlook>| at.since(outlook.at).max(outlook.at.since(at)) <= STALE;
        let outlook = outlook.filter(is_fresh);
        let is_news = match (&outlook, &self.latest) {
            (Some(new), Some(old)) => !Arc::ptr_eq(new, old),
            (None, None) => false,
            (Some(_), None) | (None, Some(_)) => true,
        };
        self.latest = outlook;
        is_news.then(|| self.latest.clone().unwrap_or_default())
    }
}
