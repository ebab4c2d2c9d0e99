//! Limits of principals that hold for all hosts of a fleet together.
//!
//! A detector charges each request to the fleet and goes on; what all hosts together make of it comes as a [`Verdict`] soon
//! after. No call waits: a passive sensor need not ask before it lets somebody pass.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::identity::{FLEET_KEYS, KeyedHash};
use crate::prefix::ClientNet;

/// Whose requests, and which limit: 0 for the general one, else the index of the route's, as in the configuration of this
/// host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Whose {
    /// The principal, as this host hashes it.
    pub principal: KeyedHash,
    /// The client.
    pub client: ClientNet,
    /// The limit.
    pub place: u16,
}

/// A limit, as all hosts understand it: a generic cell rate algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// What a request costs.
    pub each: Duration,
    /// What may be spent at once.
    pub depth: Duration,
}

/// A request to charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Whose.
    pub whose: Whose,
    /// The principal, hashed with each key of the fleet; 0 where there is none.
    pub hashes: [u64; FLEET_KEYS],
    /// The route's template if it has a limit of its own.
    pub route: Option<Arc<str>>,
    /// What it costs: a part of [`Allowance::each`], if another site made a browser send it.
    pub cost: Duration,
    /// The limit.
    pub allowance: Allowance,
}

/// What all hosts together make of somebody's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whose.
    pub whose: Whose,
    /// How long the principal is over its limit; none if it is not.
    pub over: Option<Duration>,
    /// Whether this client exceeds the limit on its own.
    pub alone: bool,
    /// Whether less than a quarter of the limit is left.
    pub near: bool,
}

/// Other hosts, as the detector of limits sees them. No call waits.
pub trait SharedLimits: fmt::Debug + Send + Sync {
    /// Charges a request; returns whether a verdict is to be expected. What finds no room is counted, and not charged.
    fn charge(&self, charge: Charge) -> bool;

    /// The verdicts since the last call.
    fn verdicts(&self) -> Vec<Verdict>;
}
