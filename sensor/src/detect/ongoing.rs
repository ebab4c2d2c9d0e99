//! Reported attacks that continue: how much they grow, and when to report that.
//!
//! A detector counts within windows, and reports a threat when a count passes its threshold. From then on every further
//! attempt belongs to the same attack, whatever the windows contain: an attacker whose block has just expired must not
//! have to reach the threshold again, and an attack of an hour must not stay "10 of 10" in the records.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Usage;
use super::signal::{Growth, Offender, Signal, Subject};
use super::threat::{Severity, Threat};
use crate::clock::Timestamp;

/// Maximum concurrent attacks.
const CAPACITY: usize = 4_096;
/// Clients of one attack tracked individually between two signals.
const MOST: usize = 1_024;
/// Interval between signals of an ongoing attack.
pub(super) const RETELL: Duration = Duration::from_secs(10);
/// The same while it grows tenfold.
const PAUSE: Duration = Duration::from_secs(1);
/// Attempts since the last signal that make a client an offender again. A single one may be a neighbour's slip, behind
/// the same address, just after its block expired.
pub(super) const RELAPSE: u64 = 3;
/// Without an attempt for this long, the next one must reach the detector's whole threshold again.
const OVER: Duration = Duration::from_secs(3_600);

struct Case {
    /// The last signal.
    said: Signal,
    spoken: Timestamp,
    last: Timestamp,
    told: u64,
    untold: u64,
    /// It was seen to continue since the last signal.
    lasts: bool,
    by: BTreeMap<Offender, u64>,
}

/// Those of one detector.
#[derive(Default)]
pub(super) struct Ongoing {
    cases: BTreeMap<(Threat, Subject), Case>,
    has_news: bool,
    evicted: u64,
}

impl Ongoing {
    /// Completes a signal of the detector's evaluation. `so_far` counts the attempts that led to it, if it is the
    /// first.
    pub(super) fn tell(&mut self, signal: Signal, so_far: u64) -> Signal {
        let now = signal.at;
        let key = (signal.threat, signal.subject.clone());
        if let Some(case) = self.cases.get_mut(&key)
            && !is_over(case, now)
        {
            return case.speak(signal);
        }
        let of_each = match signal.offenders.len() {
            0 | 1 => so_far,
            _ => 1,
        };
        let by = signal.offenders.iter().map(|offender| (*offender, of_each));
        let mut case = Case {
            said: signal.clone(),
            spoken: now,
            last: now,
            told: 0,
            untold: so_far.max(1),
            lasts: false,
            by: by.take(MOST).collect(),
        };
        let signal = case.speak(signal);
        self.make_room(now);
        self.cases.insert(key, case);
        signal
    }

    /// Records an attempt. Returns whether it belongs to a reported attack and is worth a signal with new numbers.
    pub(super) fn goes_on(
        &mut self,
        (threat, subject): (Threat, Subject),
        who: Offender,
        now: Timestamp,
    ) -> bool {
        let Some(case) = self.cases.get_mut(&(threat, subject)) else { return false };
        if is_over(case, now) {
            return false;
        }
        case.last = now;
        case.untold = case.untold.saturating_add(1);
        if case.by.len() < MOST || case.by.contains_key(&who) {
            let count = case.by.entry(who).or_default();
            *count = count.saturating_add(1);
        }
        self.has_news = true;
        case.is_due(now) && case.by.get(&who).is_some_and(|count| *count >= RELAPSE)
    }

    /// As [`Self::goes_on`], of a client whose attempts in the current window are rated `severity`. Returns whether a signal
    /// is due, also because that is more than was `told` in the window, which is updated.
    pub(super) fn is_news(
        &mut self,
        about: (Threat, Subject),
        who: Offender,
        (told, severity): (&mut Option<Severity>, Severity),
        now: Timestamp,
    ) -> bool {
        let goes_on = self.goes_on(about, who, now);
        let is_worse = *told < Some(severity);
        *told = (*told).max(Some(severity));
        goes_on || is_worse
    }

    /// Adds several attempts of one kind, by a known client or not. None if the attack was not reported; otherwise
    /// whether it is worth a signal.
    pub(super) fn adds(
        &mut self,
        key: (Threat, Subject),
        (who, count): (Option<Offender>, u64),
        severity: Severity,
        now: Timestamp,
    ) -> Option<bool> {
        let case = self.cases.get_mut(&key)?;
        if is_over(case, now) {
            return None;
        }
        case.last = now;
        case.untold = case.untold.saturating_add(count);
        if let Some(who) = who
            && (case.by.len() < MOST || case.by.contains_key(&who))
        {
            let of_it = case.by.entry(who).or_default();
            *of_it = of_it.saturating_add(count);
        }
        self.has_news = true;
        Some(case.is_due(now) || severity > case.said.severity)
    }

    /// A reported attack continues, without a new attempt.
    pub(super) fn lasts(&mut self, threat: Threat, subject: Subject, now: Timestamp) {
        if let Some(case) = self.cases.get_mut(&(threat, subject))
            && !is_over(case, now)
        {
            (case.last, case.lasts, self.has_news) = (now, true, true);
        }
    }

    /// Reports growth since the last signal that nothing else will report: the attack may be over.
    pub(super) fn advance(&mut self, now: Timestamp, signals: &mut Vec<Signal>) {
        if !self.has_news {
            return;
        }
        self.has_news = false;
        self.cases.retain(|_, case| !is_over(case, now));
        for case in self.cases.values_mut().filter(|case| case.untold > 0 || case.lasts) {
            if !case.is_due(now) {
                self.has_news = true;
                continue;
            }
            let said = case.said.clone();
            let window = (said.window.0, now);
            let signal = Signal { at: now, window, offenders: Vec::new(), decided: None, ..said };
            signals.push(case.speak(signal));
        }
    }

    fn make_room(&mut self, now: Timestamp) {
        if self.cases.len() < CAPACITY {
            return;
        }
        self.cases.retain(|_, case| !is_over(case, now));
        if self.cases.len() >= CAPACITY
            && let Some(key) = self.cases.iter().min_by_key(|(_, case)| case.last).map(|(key, _)| key.clone())
        {
            self.cases.remove(&key);
            self.evicted = self.evicted.saturating_add(1);
        }
    }

    /// Its bounds.
    pub(super) fn usage(&self) -> Usage {
        Usage { entries: self.cases.len(), capacity: CAPACITY, evicted: self.evicted }
    }
}

impl Case {
    fn is_due(&self, now: Timestamp) -> bool {
        let since = now.since(self.spoken);
        let tenfold = self.untold > 0 && self.untold >= self.told.saturating_mul(9);
        since >= RETELL || now < self.spoken || (tenfold && since >= PAUSE)
    }

    /// Stores a signal, whose offenders may join the earlier ones.
    fn speak(&mut self, mut signal: Signal) -> Signal {
        let relapsed = |who: &&Offender| self.by.get(who).is_some_and(|count| *count >= RELAPSE);
        for who in self.said.offenders.iter().filter(relapsed).take(MOST) {
            if !signal.offenders.contains(who) {
                signal.offenders.push(*who);
            }
        }
        let before = std::mem::replace(&mut self.said, signal.clone());
        let known = before.offenders.into_iter().filter(|who| !signal.offenders.contains(who));
        let room = MOST.saturating_sub(self.said.offenders.len());
        self.said.offenders.extend(known.take(room));
        self.grow(signal)
    }

    fn grow(&mut self, mut signal: Signal) -> Signal {
        let attempts = std::mem::take(&mut self.untold);
        self.lasts = false;
        self.told = self.told.saturating_add(attempts);
        (self.spoken, self.last) = (signal.at, self.last.max(signal.at));
        signal.growth = Growth { attempts, by: std::mem::take(&mut self.by).into_iter().collect() };
        signal
    }
}

fn is_over(case: &Case, now: Timestamp) -> bool {
    now.since(case.last) > OVER
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Evidence;

    const SECOND: u64 = 1;

    fn signal(client: &str, seconds: u64) -> Signal {
        Signal {
            at: at(seconds),
            threat: Threat::BruteForce,
            severity: Severity::High,
            confidence: 0.9,
            subject: Subject::Client(client.parse().unwrap()),
            offenders: Vec::new(),
            summary: String::new(),
            evidence: Evidence::default(),
            window: (at(0), at(seconds)),
            decided: None,
            growth: Growth::default(),
        }
    }

    fn who(address: &str) -> Offender {
        Offender { client: address.parse().unwrap(), proxied: false }
    }

    fn told(ongoing: &mut Ongoing, at: u64) -> Signal {
        let mut signal = signal("192.0.2.7", at);
        signal.offenders = vec![who("192.0.2.7")];
        ongoing.tell(signal, 10)
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_micros(seconds * 1_000_000)
    }

    fn attempt(ongoing: &mut Ongoing, client: &str, seconds: u64) -> bool {
        let subject = Subject::Client("192.0.2.7".parse().unwrap());
        ongoing.goes_on((Threat::BruteForce, subject), who(client), at(seconds))
    }

    fn advance(ongoing: &mut Ongoing, seconds: u64) -> Vec<Signal> {
        let mut signals = Vec::new();
        ongoing.advance(at(seconds), &mut signals);
        signals
    }

    #[test]
    fn what_goes_on_is_told_with_what_was_added() {
        let mut ongoing = Ongoing::default();
        assert!(!attempt(&mut ongoing, "192.0.2.7", 99), "nothing was told yet");
        let first = told(&mut ongoing, 100);
        assert_eq!(first.growth, Growth { attempts: 10, by: vec![(who("192.0.2.7"), 10)] });
        for second in 101..110 {
            assert!(!attempt(&mut ongoing, "192.0.2.7", second));
            assert!(advance(&mut ongoing, second).is_empty());
        }
        assert!(attempt(&mut ongoing, "192.0.2.7", 110), "ten seconds later it is worth a signal");
        let [signal] = &advance(&mut ongoing, 110 + SECOND)[..] else { panic!("told once") };
        assert_eq!((signal.growth.attempts, signal.offenders.len()), (10, 1));
        assert!(advance(&mut ongoing, 200).is_empty(), "nothing new");
    }

    #[test]
    fn tenfold_growth_is_told_at_once() {
        let mut ongoing = Ongoing::default();
        told(&mut ongoing, 100);
        for _ in 0..90 {
            attempt(&mut ongoing, "192.0.2.7", 101);
        }
        assert_eq!(advance(&mut ongoing, 101)[0].growth.attempts, 90);
    }

    /// The block has ended, and somebody behind the same address mistypes once: that is no relapse. Three attempts are.
    #[test]
    fn one_attempt_after_a_pause_is_counted_and_makes_no_offender() {
        let mut ongoing = Ongoing::default();
        told(&mut ongoing, 100);
        assert!(!attempt(&mut ongoing, "192.0.2.7", 800));
        assert_eq!(advance(&mut ongoing, 801)[0].offenders, []);
        for (second, due) in [(1_400, false), (1_400, false), (1_401, true)] {
            assert_eq!(attempt(&mut ongoing, "192.0.2.7", second), due);
        }
        assert_eq!(advance(&mut ongoing, 1_401)[0].offenders, [who("192.0.2.7")]);
    }

    /// Who takes part without being an offender is counted, and stays none.
    #[test]
    fn participants_do_not_become_offenders() {
        let mut ongoing = Ongoing::default();
        told(&mut ongoing, 100);
        for _ in 0..50 {
            attempt(&mut ongoing, "192.0.2.8", 120);
        }
        let [signal] = &advance(&mut ongoing, 121)[..] else { panic!("told") };
        assert_eq!((&signal.offenders[..], &signal.growth.by[..]), (&[][..], &[(who("192.0.2.8"), 50)][..]));
    }

    #[test]
    fn an_attack_is_over_after_an_hour_and_the_number_of_attacks_is_bounded() {
        let mut ongoing = Ongoing::default();
        told(&mut ongoing, 100);
        assert!(!attempt(&mut ongoing, "192.0.2.7", 100 + 3_601));
        for number in 0..5_000_u32 {
            let client = std::net::Ipv4Addr::from(number).to_string();
            ongoing.tell(signal(&client, 5_000), 1);
        }
        let usage = ongoing.usage();
        assert_eq!((usage.entries, usage.evicted), (CAPACITY, 5_000 - 4_096));
    }
}
