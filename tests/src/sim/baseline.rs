//! The rule that most hosts have: fail2ban's defaults, 5 failures of an address within 10 minutes are a ban of 10
//! minutes (`maxretry`, `findtime`, `bantime` of its `jail.conf`).
//!
//! The rule alone, on the same events and without fail2ban's delay of reading logs: what it finds is the most that
//! such a tool could. While an address is banned, its attempts are not counted, since they would not come.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use sensor::clock::Timestamp;
use sensor::event::LoginOutcome;

use super::plan::MINUTE;
use super::record::SimExchange;

/// Failures that are one too many.
const MAX_RETRY: usize = 5;

/// The rule, and whom it has banned.
#[derive(Debug, Default)]
pub struct Baseline {
    failures: HashMap<IpAddr, VecDeque<Timestamp>>,
    banned_until: HashMap<IpAddr, Timestamp>,
    /// Each ban: when, and whom.
    pub bans: Vec<(Timestamp, IpAddr)>,
}

impl Baseline {
    /// Looks at an exchange.
    pub fn observe(&mut self, exchange: &SimExchange) {
        let now = exchange.seen();
        let has_failed = exchange.login.is_some_and(|login| login.outcome == LoginOutcome::Failure);
        let is_banned = || self.banned_until.get(&exchange.client).is_some_and(|until| now < *until);
        if !has_failed || is_banned() {
            return;
        }
        let (find_time, ban_time) = (MINUTE * 10, MINUTE * 10);
        let failures = self.failures.entry(exchange.client).or_default();
        failures.push_back(now);
        failures.retain(|failure| now.since(*failure) <= find_time);
        if failures.len() >= MAX_RETRY {
            failures.clear();
            self.banned_until.insert(exchange.client, now.plus(ban_time));
            self.bans.push((now, exchange.client));
        }
    }
}
