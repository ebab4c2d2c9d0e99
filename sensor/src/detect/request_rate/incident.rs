//! Requests over a limit, and who made them.

use sensor_common::limit::Rate;

use super::Limit;
use super::act::Over;
use crate::clock::Timestamp;
use crate::detect::{Evidence, Growth, Offender, Sample, Severity, Signal, Subject, Threat};
use crate::prefix::ClientNet;

/// Clients of one principal tracked individually. Beyond that, the one with the fewest requests passes its entry, and
/// its count, to the newcomer (A. Metwally, D. Agrawal, A. El Abbadi, "Efficient computation of frequent and top-k
/// elements in data streams", 2005).
const MAX_CLIENTS: usize = 32;

/// Clients named in evidence.
const NAMED: usize = 8;

/// An attack rather than a slip if this many bursts are over the limit within one incident.
const BURSTS: u64 = 10;

/// And at least so many requests.
const MANY: u64 = 100;

/// A client's part in an incident.
#[derive(Clone, Copy)]
pub(super) struct Share {
    pub(super) client: ClientNet,
    /// Requests since the incident began, within the limit or not.
    pub(super) requests: u64,
    pub(super) offends: bool,
}

/// Requests over a limit.
pub(super) struct Incident {
    pub(super) began: Timestamp,
    pub(super) last: Timestamp,
    pub(super) exceeded: u64,
    pub(super) told: Option<Severity>,
    pub(super) clients: Vec<Share>,
    pub(super) samples: Vec<Sample>,
}

impl Incident {
    pub(super) const fn new(now: Timestamp) -> Self {
        Self { began: now, last: now, exceeded: 0, told: None, clients: Vec::new(), samples: Vec::new() }
    }

    /// Counts a client's request. `beyond`: it exceeds the limit on its own. Returns whether it is an offender: it is
    /// charged no more than it used up.
    pub(super) fn share(&mut self, client: ClientNet, beyond: bool) -> bool {
        if !self.clients.iter().any(|share| share.client == client) {
            let fresh = Share { client, requests: 0, offends: false };
            if self.clients.len() < MAX_CLIENTS {
                self.clients.push(fresh);
            } else if let Some(least) = self.clients.iter_mut().min_by_key(|share| share.requests) {
                *least = Share { requests: least.requests, ..fresh };
            }
        }
        let all = self.clients.iter().fold(1_u64, |sum, share| sum.saturating_add(share.requests));
        let clients = u64::try_from(self.clients.len()).unwrap_or(u64::MAX);
        let Some(share) = self.clients.iter_mut().find(|share| share.client == client) else { return false };
        share.requests = share.requests.saturating_add(1);
        beyond && share.requests.saturating_mul(clients).saturating_mul(2) >= all
    }

    /// The severity, and whether that, or the offender, is news.
    pub(super) fn judge(&mut self, limit: &Limit, (client, offends): (ClientNet, bool)) -> (Severity, bool) {
        let many = many(limit.rate);
        let severity = if self.exceeded >= many { Severity::High } else { Severity::Medium };
        let worse = self.told.is_none_or(|told| told < severity);
        self.told = self.told.max(Some(severity));
        let share = self.clients.iter_mut().find(|share| share.client == client);
        let joins = offends && share.is_some_and(|share| !std::mem::replace(&mut share.offends, true));
        (severity, worse || joins)
    }

    /// The clients by their shares, the largest first.
    fn shares(&self) -> String {
        let all = self.clients.iter().fold(0_u64, |sum, share| sum.saturating_add(share.requests)).max(1);
        let mut shares = self.clients.clone();
        shares.sort_by_key(|share| (std::cmp::Reverse(share.requests), share.client));
        let texts = shares.iter().take(NAMED).map(|share| {
            let percent = share.requests.saturating_mul(100).checked_div(all).unwrap_or_default();
            format!("{} {percent}%", share.client)
        });
        texts.collect::<Vec<_>>().join(", ")
    }
}

pub(super) fn signal(
    incident: &Incident,
    limit: &Limit,
    subject: Subject,
    severity: Severity,
    offenders: Vec<Offender>,
    request: Over<'_>,
) -> Signal {
    let now = request.seen();
    let rate = limit.rate.to_string();
    let exceeded = incident.exceeded;
    let evidence = Evidence::default()
        .with("limit", rate.as_str())
        .with("over_limit", exceeded)
        .with("clients", incident.clients.len())
        .with("clients_by_share", incident.shares().as_str())
        .with("route", request.route())
        .showing(incident.samples.iter().cloned());
    let from = match (&subject, incident.clients.len()) {
        (Subject::Principal(_), 1) => format!(" from {}", request.address()),
        (Subject::Principal(_), clients) => format!(" from {clients} addresses ({})", incident.shares()),
        _ => String::new(),
    };
    Signal {
        at: now,
        threat: Threat::RequestRate,
        severity,
        confidence: 1.0,
        summary: format!("{subject} exceeds {rate} requests{from}: {exceeded} over the limit so far"),
        subject,
        offenders,
        evidence,
        window: (incident.began, now),
        decided: None,
        growth: Growth::default(),
    }
}

/// Requests over a limit from which they are many. A default burst is no measure of haste: it may be an hour's worth.
/// The count that the rate admits in a second replaces it.
pub(super) fn many(rate: Rate) -> u64 {
    let seconds = rate.period().nanoseconds().div_ceil(1_000_000_000);
    let burst = if rate.burst() == rate.count() { rate.count().div_ceil(seconds) } else { rate.burst() };
    burst.saturating_mul(BURSTS).max(MANY)
}
