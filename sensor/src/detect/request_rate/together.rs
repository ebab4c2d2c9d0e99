//! Limits of principals that hold for all hosts of a fleet together.
//!
//! Each request is charged to the fleet, and its verdict comes a little later. If a limit is nearly used up, the last
//! request of each client is kept until then: the client may be at another host by the time the verdict is here.

use std::sync::Arc;
use std::time::Duration;

use super::act::Act;
use super::{KEEP, Limit, Request};
use crate::clock::Timestamp;
use crate::detect::Usage;
use crate::detect::recent::Recent;
use crate::detect::shared::{Allowance, Charge, Charged, SharedLimits, Verdict};
use crate::identity::KeyedHash;

/// What the fleet said of a client's part of a principal's requests.
#[derive(Default)]
struct Part {
    /// Until when the principal is over its limit.
    over: Timestamp,
    alone: bool,
    /// Whether there was a verdict, and much was left.
    has_room: bool,
    last: Option<Box<Act>>,
}

/// The fleet's side of limits.
pub(super) struct Together {
    limits: Arc<dyn SharedLimits>,
    parts: Recent<Charged, Part>,
    /// Until when a verdict is to be expected about a request that is kept.
    expected: Timestamp,
}

/// How soon verdicts come, usually.
const SOON: Duration = Duration::from_millis(300);

/// What is known of a request at once.
#[derive(Clone, Copy, Default)]
pub(super) struct Known {
    /// The principal is over its limit.
    pub(super) over: bool,
    /// Because of this client.
    pub(super) alone: bool,
}

impl Together {
    pub(super) fn new(limits: Arc<dyn SharedLimits>, entries: u32, seed: u64) -> Self {
        Self { limits, parts: Recent::new(entries, KEEP, seed), expected: Timestamp::default() }
    }

    /// Charges a request.
    pub(super) fn charge(
        &mut self,
        limit: &Limit,
        (principal, cost): (KeyedHash, u64),
        request: &Request<'_>,
    ) -> Known {
        let Request { exchange, client, place } = *request;
        let whose = Charged { principal, client, place };
        // Credentials that the server refuses are nobody's, and anybody can make them up in masses.
        if exchange.outcome() == Some(401) {
            return Known::default();
        }
        let answers = self.limits.charge(Charge {
            whose,
            hashes: exchange.fleet_principal,
            route: exchange.route.filter(|_| place > 0).map(Arc::from),
            cost: Duration::from_nanos(cost),
            allowance: Allowance { each: Duration::from_nanos(limit.quota.cost(1)), depth: limit.depth },
        });
        let Some(part) = self.parts.touch(whose, exchange.seen, Part::default) else {
            return Known::default();
        };
        if part.over > exchange.seen {
            return Known { over: true, alone: part.alone };
        }
        if answers && !part.has_room {
            part.last = Some(Box::new(Act::of(exchange)));
            self.expected = exchange.seen.plus(SOON);
        }
        Known::default()
    }

    /// Takes verdicts; those that say of a request that it was over the limit, with the request.
    pub(super) fn hear(&mut self, now: Timestamp) -> Vec<(Verdict, Box<Act>)> {
        let mut news = Vec::new();
        for verdict in self.limits.verdicts() {
            let at = self.parts.hash(&verdict.whose);
            let Some(part) = self.parts.get(at, &verdict.whose, now) else { continue };
            part.over = verdict.over.map(|over| now.plus(over)).unwrap_or_default();
            part.alone = verdict.alone;
            part.has_room = verdict.over.is_none() && !verdict.near;
            let last = part.last.take();
            news.extend(last.filter(|_| verdict.over.is_some()).map(|last| (verdict, last)));
        }
        news
    }

    /// A request was over the limit by what this host saw: its verdict is no news.
    pub(super) fn settled(&mut self, whose: Charged, now: Timestamp) {
        let at = self.parts.hash(&whose);
        if let Some(part) = self.parts.get(at, &whose, now) {
            part.last = None;
        }
    }

    pub(super) fn awaits(&self, now: Timestamp) -> bool {
        now < self.expected
    }

    pub(super) fn sweep(&mut self, now: Timestamp) {
        self.parts.sweep(now, 1_024, |_, _| {});
    }

    pub(super) fn usage(&self) -> Usage {
        self.parts.usage()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::{Config, Limits, RequestRate};
    use super::*;
    use crate::detect::made_up::{api_key, at_ms, exchange, net, observe, sources};
    use crate::detect::{Detector as _, Severity, Signal, Subject, shared};

    /// Other hosts, as a test says.
    #[derive(Debug, Default)]
    struct Others(Mutex<(Vec<Charge>, Vec<Verdict>)>);

    impl SharedLimits for Others {
        fn charge(&self, charge: Charge) -> bool {
            self.0.lock().unwrap().0.push(charge);
            true
        }

        fn verdicts(&self) -> Vec<Verdict> {
            std::mem::take(&mut self.0.lock().unwrap().1)
        }
    }

    impl Others {
        /// They say of everything that was charged what this makes of it.
        fn say(&self, says: impl Fn(Charged) -> Verdict) {
            let mut all = self.0.lock().unwrap();
            let charged = std::mem::take(&mut all.0);
            all.1 = charged.into_iter().map(|charge| says(charge.whose)).collect();
        }
    }

    fn detector() -> (RequestRate, Arc<Others>) {
        let limits = Limits { per_principal: Some("100/min".parse().unwrap()), ..Limits::default() };
        let mut detector = RequestRate::new(&Config { limits, ..Config::default() }, sources(), 1);
        let others = Arc::new(Others::default());
        detector.join(&shared::Together { evidence: None, limits: Some(others.clone()) });
        (detector, others)
    }

    fn request(detector: &mut RequestRate, ms: u64, from: u32, key: u32) -> Vec<Signal> {
        let mut exchange = exchange(ms, from, "/", "/", 200);
        exchange.principal = Some(api_key(key));
        observe(detector, &exchange)
    }

    fn hear(detector: &mut RequestRate, ms: u64) -> Vec<Signal> {
        let mut signals = Vec::new();
        detector.hear(at_ms(ms), &mut signals);
        signals
    }

    const fn over(whose: Charged, alone: bool) -> Verdict {
        Verdict { whose, over: Some(Duration::from_millis(600)), alone, near: true }
    }

    #[test]
    fn the_last_request_is_over_the_limit_as_soon_as_the_fleet_says_so() {
        for (alone, offenders) in [(true, vec![net(5)]), (false, Vec::new())] {
            let (mut detector, others) = detector();
            assert!(request(&mut detector, 0, 5, 1).is_empty());
            assert!(detector.awaits(at_ms(1)) && !detector.awaits(at_ms(1_000)));
            others.say(|whose| over(whose, alone));
            let signals = hear(&mut detector, 20);
            assert_eq!(signals.len(), 1);
            assert_eq!(signals[0].subject, Subject::Principal(api_key(1)));
            assert_eq!(signals[0].severity, Severity::Medium);
            let named: Vec<_> = signals[0].offenders.iter().map(|offender| offender.client).collect();
            assert_eq!(named, offenders);
            assert_eq!(signals[0].evidence.exchanges.len(), 1);
            assert!(hear(&mut detector, 30).is_empty(), "told twice");
        }
    }

    #[test]
    fn many_people_behind_an_address_do_not_answer_for_one_of_them() {
        let (mut detector, others) = detector();
        for key in 0..20 {
            request(&mut detector, u64::from(key), 5, key);
        }
        others.say(|whose| over(whose, true));
        let signals = hear(&mut detector, 40);
        assert!(signals.len() == 20 && signals.iter().all(|signal| signal.offenders.is_empty()));
    }

    #[test]
    fn while_a_principal_is_over_its_limit_each_request_is() {
        let (mut detector, others) = detector();
        request(&mut detector, 0, 5, 1);
        others.say(|whose| over(whose, true));
        hear(&mut detector, 10);
        let exceeded = |detector: &mut RequestRate| {
            let key = (super::super::Actor::Principal(api_key(1)), 0);
            let account = detector.accounts.touch(key, at_ms(20), Default::default).unwrap();
            account.incident.as_ref().map_or(0, |incident| incident.exceeded)
        };
        assert_eq!(exceeded(&mut detector), 1);
        request(&mut detector, 20, 5, 1);
        assert_eq!(exceeded(&mut detector), 2);
        // The same request's verdict counts nothing twice.
        others.say(|whose| over(whose, true));
        hear(&mut detector, 30);
        assert_eq!(exceeded(&mut detector), 2);
        // By then one conforms again, if nobody says otherwise.
        request(&mut detector, 700, 5, 1);
        assert_eq!(exceeded(&mut detector), 2);
    }

    #[test]
    fn what_this_host_found_over_the_limit_is_counted_once() {
        let (mut detector, others) = detector();
        for ms in 0..101 {
            request(&mut detector, ms, 5, 1);
        }
        let exceeded = |detector: &mut RequestRate| {
            let key = (super::super::Actor::Principal(api_key(1)), 0);
            let account = detector.accounts.touch(key, at_ms(200), Default::default).unwrap();
            account.incident.as_ref().map_or(0, |incident| incident.exceeded)
        };
        assert_eq!(exceeded(&mut detector), 1);
        others.say(|whose| over(whose, true));
        hear(&mut detector, 200);
        assert_eq!(exceeded(&mut detector), 1);
    }

    #[test]
    fn refused_credentials_are_not_charged() {
        let (mut detector, others) = detector();
        let mut exchange = exchange(0, 5, "/", "/", 401);
        exchange.principal = Some(api_key(1));
        observe(&mut detector, &exchange);
        assert!(others.0.lock().unwrap().0.is_empty());
    }

    #[test]
    fn nothing_is_kept_of_requests_far_from_the_limit() {
        let (mut detector, others) = detector();
        request(&mut detector, 0, 5, 1);
        others.say(|whose| Verdict { whose, over: None, alone: false, near: false });
        assert!(hear(&mut detector, 10).is_empty());
        request(&mut detector, 1_000, 5, 1);
        assert!(!detector.awaits(at_ms(1_001)));
        // It went over at once: the next request is told.
        others.say(|whose| over(whose, true));
        assert!(hear(&mut detector, 1_010).is_empty());
        assert_eq!(request(&mut detector, 1_020, 5, 1).len(), 1);
    }
}
