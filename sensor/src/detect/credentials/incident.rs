//! What is going on: each incident is told when it begins, when it gets worse, and when clients join it.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::detect::window::{Moment, Table};
use crate::detect::{Evidence, Offender, Severity, Signal, Subject, Threat, Usage};
use crate::prefix::ClientNet;

/// Incidents at a time.
const INCIDENTS: usize = 4_096;
/// Clients that are remembered as offenders.
const OFFENDERS: usize = 65_536;
/// Offenders that a signal tells at most; the rest comes with the next.
const PER_SIGNAL: usize = 1_024;
/// An incident is over when nothing was heard of it for so long, and a client is no longer an offender.
pub(crate) const OVER: Duration = Duration::from_secs(3_600);
/// Time between signals that only tell of further clients.
const PAUSE: Duration = Duration::from_secs(1);

/// What a rule finds at an attempt.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) threat: Threat,
    pub(crate) subject: Subject,
    pub(crate) severity: Severity,
    /// Who did it; empty where a block would hit the wrong ones.
    pub(crate) offenders: Vec<Offender>,
}

/// How a rule explains a case.
pub(crate) struct Account {
    pub(crate) confidence: f64,
    pub(crate) summary: String,
    pub(crate) evidence: Evidence,
    /// The time looked at.
    pub(crate) span: Duration,
}

struct Incident {
    number: u64,
    severity: Severity,
    began: Moment,
    spoken: Moment,
    fresh: Vec<Offender>,
    /// What was said last, without offenders; none before that.
    said: Option<Signal>,
}

/// All incidents.
pub(crate) struct Incidents {
    open: Table<(Threat, Subject), Incident>,
    told: Table<(u64, ClientNet), ()>,
    offences: Table<ClientNet, Threat>,
    opened: u64,
}

impl Incidents {
    pub(crate) fn new() -> Self {
        Self {
            open: Table::new(INCIDENTS, OVER),
            told: Table::new(OFFENDERS, OVER),
            offences: Table::new(OFFENDERS, OVER),
            opened: 0,
        }
    }

    /// Whether a case belongs to an incident that goes on.
    pub(crate) fn is_open(&self, case: &Case, now: Moment) -> bool {
        self.open.peek(&(case.threat, case.subject.clone()), now).is_some()
    }

    /// Takes note of a case; whether it is to be told now.
    pub(crate) fn note(&mut self, case: &Case, now: Moment) -> bool {
        let key = (case.threat, case.subject.clone());
        let number = self.opened.saturating_add(1);
        let incident = self.open.entry(key, now, || Incident {
            number,
            severity: case.severity,
            began: now,
            spoken: now,
            fresh: Vec::new(),
            said: None,
        });
        self.opened = self.opened.max(incident.number);
        for offender in &case.offenders {
            self.offences.entry(offender.client, now, || case.threat);
            let key = (incident.number, offender.client);
            if self.told.get(&key, now).is_none() {
                self.told.entry(key, now, || ());
                incident.fresh.push(*offender);
            }
        }
        let worse = case.severity > incident.severity;
        incident.severity = incident.severity.max(case.severity);
        worse
            || incident.said.is_none()
            || (!incident.fresh.is_empty() && now.since(incident.spoken) >= PAUSE)
    }

    /// Tells a case that was noted. The clients that it names for the first time are its signal's offenders.
    pub(crate) fn tell(
        &mut self,
        case: Case,
        account: Account,
        now: Moment,
        at: Timestamp,
    ) -> Option<Signal> {
        let Case { threat, subject, .. } = case;
        let incident = self.open.get(&(threat, subject.clone()), now)?;
        let span = account.span.max(now.since(incident.began));
        let began = at.minus(span);
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
        };
        incident.said = Some(signal.clone());
        Some(incident.speak(signal, now))
    }

    /// Tells of clients that joined since something was said last.
    pub(crate) fn advance(&mut self, now: Moment, at: Timestamp, signals: &mut Vec<Signal>) {
        for (_, incident) in self.open.iter_mut() {
            if incident.fresh.is_empty() || now.since(incident.spoken) < PAUSE {
                continue;
            }
            if let Some(said) = incident.said.clone() {
                let window = (said.window.0, at);
                signals.push(incident.speak(Signal { at, window, decided: None, ..said }, now));
            }
        }
    }

    /// What a client is known to have done lately.
    pub(crate) fn offence(&self, client: ClientNet, now: Moment) -> Option<Threat> {
        self.offences.peek(&client, now).copied()
    }

    pub(crate) fn usage(&self) -> [Usage; 3] {
        [self.open.usage(), self.told.usage(), self.offences.usage()]
    }
}

impl Incident {
    fn speak(&mut self, signal: Signal, now: Moment) -> Signal {
        self.spoken = now;
        let some = self.fresh.len().min(PER_SIGNAL);
        Signal { offenders: self.fresh.drain(..some).collect(), ..signal }
    }
}
