//! The latest attempts, for samples and for an attack's attempts before its discovery.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Attempt, Network};
use crate::clock::Timestamp;
use crate::detect::window::Moment;
use crate::detect::{Evidence, Offender, Sample};
use crate::identity::KeyedHash;
use crate::prefix::ClientNet;

/// Attempts kept.
const CAPACITY: usize = 4_096;

/// Attempts examined for five that differ.
const MOST_LOOKED_AT: usize = 64;

/// What is kept of an attempt.
pub(crate) struct Seen {
    pub(crate) now: Moment,
    pub(crate) ts: Timestamp,
    pub(crate) offender: Offender,
    pub(crate) site: Option<ClientNet>,
    pub(crate) network: Network,
    pub(crate) account: Option<KeyedHash>,
    /// The client's own address.
    address: IpAddr,
    pub(crate) password: Option<KeyedHash>,
    pub(crate) fingerprint: u64,
    pub(crate) failed: bool,
    pub(crate) familiar: bool,
    pub(crate) strange: bool,
    pub(crate) route: Arc<str>,
    method: Option<&'static str>,
    status: Option<u16>,
    unit: Option<Box<str>>,
    /// The identity of the session that it started.
    pub(crate) session: Option<KeyedHash>,
}

/// A ring of them.
pub(crate) struct Recent(VecDeque<Seen>);

impl Recent {
    pub(crate) fn new() -> Self {
        Self(VecDeque::new())
    }

    pub(crate) fn push(&mut self, attempt: &Attempt<'_>) {
        if self.0.len() >= CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back(Seen {
            now: attempt.now,
            ts: attempt.exchange.ts,
            offender: attempt.offender(),
            site: attempt.site,
            address: attempt.exchange.client,
            network: attempt.network,
            account: attempt.account,
            password: attempt.password,
            fingerprint: attempt.fingerprint,
            failed: attempt.failed,
            familiar: attempt.familiar,
            // Nobody joins an attack because of a cross-site request.
            strange: attempt.is_strange() && !attempt.is_foreign,
            route: Arc::clone(&attempt.route),
            method: attempt.exchange.method,
            status: attempt.exchange.status,
            unit: attempt.exchange.unit.map(Box::from),
            session: attempt.exchange.login.and_then(|login| login.session),
        });
    }

    /// The latest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Seen> {
        self.0.iter().rev()
    }

    /// When the first of the matching attempts was made, within a time before now.
    pub(crate) fn first(
        &self,
        now: Moment,
        span: Duration,
        meant: impl Fn(&Seen) -> bool,
    ) -> Option<Timestamp> {
        let within = self.iter().take_while(|seen| now.since(seen.now) <= span);
        within.filter(|seen| meant(seen)).last().map(|seen| seen.ts)
    }

    /// Examples of the matching attempts, latest first.
    pub(crate) fn samples(&self, meant: impl Fn(&Seen) -> bool) -> Vec<Sample> {
        let mut samples: Vec<Sample> = Vec::new();
        for seen in self.iter().filter(|seen| meant(seen)).take(MOST_LOOKED_AT) {
            let sample = seen.sample();
            if !samples.iter().any(|kept| kept.is_like(&sample)) {
                samples.push(sample);
            }
            if samples.len() >= Evidence::MAX_SAMPLES {
                break;
            }
        }
        samples
    }
}

impl Seen {
    pub(crate) fn sample(&self) -> Sample {
        Sample {
            ts: self.ts,
            client: self.address,
            method: self.method.map(str::to_owned),
            route: Some(self.route.to_string()),
            path: None,
            status: self.status,
            user: self.account.map(|account| account.to_string()),
            unit: self.unit.as_deref().map(str::to_owned),
        }
    }
}
