//! Ongoing incidents: each is reported when it begins, gets worse, is joined by clients, and grows.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::detect::ongoing::{RELAPSE, RETELL};
use crate::detect::window::{Moment, Table};
use crate::detect::{Evidence, Growth, Offender, Severity, Signal, Subject, Threat, Usage};
use crate::prefix::ClientNet;

/// Maximum concurrent incidents.
const INCIDENTS: usize = 4_096;
/// Maximum clients remembered as offenders.
const OFFENDERS: usize = 65_536;
/// Maximum offenders per signal; the rest comes with the next.
const PER_SIGNAL: usize = 1_024;
/// An incident is over, and a client no longer an offender, after this time without an attempt.
pub(crate) const OVER: Duration = Duration::from_secs(3_600);
/// Interval between signals that only add clients.
const PAUSE: Duration = Duration::from_secs(1);

/// What a rule finds at an attempt.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) threat: Threat,
    pub(crate) subject: Subject,
    pub(crate) severity: Severity,
    /// Who did it; empty if a block would hit the wrong ones.
    pub(crate) offenders: Vec<Offender>,
    /// Whose attempt it is, whether or not any action should follow.
    pub(crate) by: Option<Offender>,
}

/// How a rule explains a case.
pub(crate) struct Account {
    pub(crate) confidence: f64,
    pub(crate) summary: String,
    pub(crate) evidence: Evidence,
    /// Attempts that it rests on.
    pub(crate) attempts: u32,
    /// The first attempt that is part of it, as far as remembered.
    pub(crate) first: Option<Timestamp>,
    /// The window evaluated.
    pub(crate) span: Duration,
}

struct Incident {
    number: u64,
    severity: Severity,
    spoken: Moment,
    fresh: Vec<Offender>,
    /// Attempts reported, and those since.
    told: u64,
    untold: u64,
    by: BTreeMap<Offender, u64>,
    /// The last attempt counted.
    counted: u64,
    /// The last signal, without offenders; none before the first.
    said: Option<Signal>,
}

/// What a client is known to have done.
struct Offence {
    threat: Threat,
    subject: Subject,
    told: Moment,
    /// Its last attempt, and how many there were since the last report without a longer pause.
    last: Moment,
    since: u64,
}

/// A pause after which one attempt does not add to earlier ones.
const LONG_PAUSE: Duration = Duration::from_secs(60);

/// All incidents.
pub(crate) struct Incidents {
    open: Table<(Threat, Subject), Incident>,
    told: Table<(u64, ClientNet), ()>,
    offences: Table<ClientNet, Offence>,
    opened: u64,
    /// Attempts seen, to count each of them once.
    attempts: u64,
}

impl Incidents {
    pub(crate) fn new() -> Self {
        Self {
            open: Table::new(INCIDENTS, OVER),
            told: Table::new(OFFENDERS, OVER),
            offences: Table::new(OFFENDERS, OVER),
            opened: 0,
            attempts: 0,
        }
    }

    /// Another attempt is being evaluated.
    pub(crate) const fn next_attempt(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
    }

    /// A known offender failed again. After enough failures it is reported again, since the action against it may have
    /// expired. Its attempt belongs to the incident, whatever has left the rules' windows.
    pub(crate) fn goes_on(&mut self, who: Offender, now: Moment, at: Timestamp) -> Option<Signal> {
        let offence = self.offences.get(&who.client, now)?;
        let incident = self.open.get(&(offence.threat, offence.subject.clone()), now)?;
        incident.count(who, self.attempts);
        let before = if now.since(offence.last) > LONG_PAUSE { 0 } else { offence.since };
        (offence.last, offence.since) = (now, before.saturating_add(1));
        if offence.since >= RELAPSE && now.since(offence.told) >= RETELL {
            (offence.since, offence.told) = (0, now);
            incident.fresh.push(who);
            if incident.is_due(now) {
                return incident.again(now, at);
            }
        }
        None
    }

    /// Whether a case belongs to an ongoing incident.
    pub(crate) fn is_open(&self, case: &Case, now: Moment) -> bool {
        self.open.peek(&(case.threat, case.subject.clone()), now).is_some()
    }

    /// Records a case; returns whether to report it now.
    pub(crate) fn note(&mut self, case: &Case, now: Moment) -> bool {
        let key = (case.threat, case.subject.clone());
        let number = self.opened.saturating_add(1);
        let incident = self.open.entry(key, now, || Incident {
            number,
            severity: case.severity,
            spoken: now,
            fresh: Vec::new(),
            told: 0,
            untold: 0,
            by: BTreeMap::new(),
            counted: 0,
            said: None,
        });
        self.opened = self.opened.max(incident.number);
        if let Some(who) = case.by {
            incident.count(who, self.attempts);
        }
        for offender in &case.offenders {
            self.offences.entry(offender.client, now, || Offence {
                threat: case.threat,
                subject: case.subject.clone(),
                told: now,
                last: now,
                since: 0,
            });
            let key = (incident.number, offender.client);
            if self.told.get(&key, now).is_none() {
                self.told.entry(key, now, || ());
                incident.fresh.push(*offender);
            }
        }
        let worse = case.severity > incident.severity;
        incident.severity = incident.severity.max(case.severity);
        worse || incident.said.is_none() || incident.is_due(now)
    }

    /// Reports a recorded case. Its signal's offenders are the clients named for the first time.
    pub(crate) fn tell(
        &mut self,
        case: Case,
        account: Account,
        now: Moment,
        at: Timestamp,
    ) -> Option<Signal> {
        let Case { threat, subject, .. } = case;
        let incident = self.open.get(&(threat, subject.clone()), now)?;
        if incident.said.is_none() {
            incident.began_with(account.attempts.into(), case.by);
        }
        let first = account.first.unwrap_or_else(|| at.minus(account.span)).min(at);
        let began = incident.said.as_ref().map_or(first, |said| said.window.0.min(first));
        let signal = Signal {
            at,
            threat,
            severity: incident.severity,
            confidence: account.confidence,
            subject,
            offenders: Vec::new(),
            summary: account.summary,
            evidence: account.evidence,
            window: (began, at),
            decided: None,
            growth: Growth::default(),
        };
        incident.said = Some(signal.clone());
        Some(incident.speak(signal, now))
    }

    /// Reports clients that joined since the last signal, and growth.
    pub(crate) fn advance(&mut self, now: Moment, at: Timestamp, signals: &mut Vec<Signal>) {
        for (_, incident) in self.open.iter_mut() {
            if !incident.is_due(now) {
                continue;
            }
            signals.extend(incident.again(now, at));
        }
    }

    /// What a client is known to have done recently.
    pub(crate) fn offence(&self, client: ClientNet, now: Moment) -> Option<Threat> {
        self.offences.peek(&client, now).map(|offence| offence.threat)
    }

    pub(crate) fn usage(&self) -> [Usage; 3] {
        [self.open.usage(), self.told.usage(), self.offences.usage()]
    }
}

impl Incident {
    /// Counts an attempt, once.
    fn count(&mut self, who: Offender, attempt: u64) {
        if self.counted == attempt {
            return;
        }
        self.counted = attempt;
        self.untold = self.untold.saturating_add(1);
        if self.by.len() < PER_SIGNAL || self.by.contains_key(&who) {
            let count = self.by.entry(who).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// What led to the first signal happened before there was an incident to count it for.
    fn began_with(&mut self, attempts: u64, who: Option<Offender>) {
        self.untold = self.untold.max(attempts);
        let of_one = matches!(self.fresh.as_slice(), [] | [_]);
        if let Some(count) = who.and_then(|who| self.by.get_mut(&who))
            && of_one
        {
            *count = attempts.max(*count);
        }
    }

    /// Further offenders are reported after a second; growth alone at ten times as much, or after ten seconds.
    fn is_due(&self, now: Moment) -> bool {
        let since = now.since(self.spoken);
        let tenfold = self.untold > 0 && self.untold >= self.told.saturating_mul(9);
        let has_news = !self.fresh.is_empty() || tenfold;
        (has_news && since >= PAUSE) || (self.untold > 0 && since >= RETELL)
    }

    /// The last signal, with what happened since.
    fn again(&mut self, now: Moment, at: Timestamp) -> Option<Signal> {
        let said = self.said.clone()?;
        let window = (said.window.0, at);
        Some(self.speak(Signal { at, window, decided: None, ..said }, now))
    }

    fn speak(&mut self, signal: Signal, now: Moment) -> Signal {
        self.spoken = now;
        let some = self.fresh.len().min(PER_SIGNAL);
        let attempts = std::mem::take(&mut self.untold);
        self.told = self.told.saturating_add(attempts);
        let growth = Growth { attempts, by: std::mem::take(&mut self.by).into_iter().collect() };
        Signal { offenders: self.fresh.drain(..some).collect(), growth, ..signal }
    }
}
