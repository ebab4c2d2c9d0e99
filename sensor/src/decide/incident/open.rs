//! The open incidents.

use std::collections::BTreeMap;
use std::time::Duration;

use ipnet::IpNet;

use super::record::{Incident, Participant, State, Step, Update};
use crate::clock::Timestamp;
use crate::decide::alert::{About, Action, Alert};
use crate::decide::id::RecordId;
use crate::detect::{Offender, Severity, Signal, Threat};
use crate::prefix::{self, ClientNet};

/// Maximum concurrent incidents.
const CAPACITY: usize = 8_192;
/// Maximum participants kept per incident, and in total.
const PARTICIPANTS: usize = 16_384;
const ALL_PARTICIPANTS: usize = 65_536;
/// Growth by this factor is reported at once; any other once a minute.
const TENFOLD: u64 = 10;
const MINUTE: Duration = Duration::from_secs(60);

type Key = (Threat, About);

/// An open incident.
#[derive(Debug)]
struct Open {
    /// Without participants.
    record: Incident,
    participants: BTreeMap<ClientNet, Participant>,
    /// Attempts at the last report.
    told_attempts: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub(in crate::decide) struct Incidents {
    open: BTreeMap<Key, Open>,
    /// Participants of all of them.
    kept: usize,
    evicted: u64,
    /// Incidents evicted for others, to be reported as over.
    gone: Vec<Update>,
}

/// A signal's effect on its incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decide) enum News {
    /// It starts one.
    Begins,
    /// It makes one worse.
    Worse,
    /// It belongs to one already reported.
    Known,
}

impl Incidents {
    /// Takes a signal. `new` creates the identifier of an incident. Returns the alert as it is, or would be, raised.
    pub(in crate::decide) fn note(
        &mut self,
        signal: &Signal,
        quiet: Duration,
        new: impl FnOnce() -> RecordId,
    ) -> (News, Alert) {
        let key = (signal.threat, About::from(&signal.subject));
        let goes_on = |open: &&mut Open| signal.at.since(open.record.last) < quiet;
        if let Some(open) = self.open.get_mut(&key).filter(goes_on) {
            let alert = Alert { ts: open.record.known, ..Alert::from_signal(signal, open.record.id) };
            return (open.grow(&alert, signal), alert);
        }
        if let Some(open) = self.open.remove(&key) {
            self.end(open, signal.at);
        }
        self.make_room(signal.at, quiet);
        let alert = Alert::from_signal(signal, new());
        let record = Incident { attempts: signal.growth.attempts, ..Incident::of(&alert) };
        let told_attempts = record.attempts;
        self.open.insert(key, Open { record, participants: BTreeMap::new(), told_attempts });
        (News::Begins, alert)
    }

    /// Records participants; only those requested through [`Self::participant`] get an entry.
    pub(in crate::decide) fn note_participants(&mut self, signal: &Signal) {
        let key = (signal.threat, About::from(&signal.subject));
        let Self { open, kept, .. } = self;
        let Some(open) = open.get_mut(&key) else { return };
        // What led to a single client's incident was all its own.
        let is_first = open.participants.is_empty() && open.record.known == signal.at;
        let alone = is_first && signal.growth.by.len().max(signal.offenders.len()) == 1;
        for (who, attempts) in &signal.growth.by {
            if let Some(participant) = open.participant(*who, signal.at, kept) {
                participant.attempts = participant.attempts.saturating_add(*attempts);
            }
        }
        for who in &signal.offenders {
            if let Some(participant) = open.participant(*who, signal.at, kept) {
                participant.accused = true;
                participant.attempts = participant.attempts.max(1);
            }
        }
        if alone {
            let first = open.record.first;
            open.participants.values_mut().for_each(|one| one.first = one.first.min(first));
        }
    }

    /// Whether an incident accuses anybody.
    pub(in crate::decide) fn accuses(&self, threat: Threat, about: &About) -> bool {
        let open = self.open.get(&(threat, about.clone()));
        open.is_some_and(|open| open.participants.values().any(|one| one.accused))
    }

    /// A participant of an incident.
    pub(in crate::decide) fn participant(
        &mut self,
        threat: Threat,
        about: &About,
        client: ClientNet,
    ) -> Option<&mut Participant> {
        self.open.get_mut(&(threat, about.clone()))?.participants.get_mut(&client)
    }

    /// Changes participants of an incident.
    pub(in crate::decide) fn change(
        &mut self,
        threat: Threat,
        about: &About,
        which: impl Fn(&Participant) -> bool,
        change: impl Fn(&mut Participant),
    ) {
        let Some(open) = self.open.get_mut(&(threat, about.clone())) else { return };
        open.participants.values_mut().filter(|one| which(one)).for_each(change);
    }

    /// Open incidents, with all participants.
    pub(in crate::decide) fn records(&self) -> Vec<Incident> {
        let of = |open: &Open| Incident {
            offenders: open.participants.values().cloned().collect(),
            ..open.record.clone()
        };
        self.open.values().map(of).collect()
    }

    /// What to store of an incident, with the participants that a signal or decision named.
    pub(in crate::decide) fn update(
        &mut self,
        threat: Threat,
        about: &About,
        changed: impl Fn(&Participant) -> bool,
        now: Timestamp,
    ) -> Option<Update> {
        Some(self.open.get_mut(&(threat, about.clone()))?.update(changed, now))
    }

    /// Ends those without a signal for this long.
    pub(in crate::decide) fn advance(&mut self, now: Timestamp, quiet: Duration) -> Vec<Update> {
        let over = self.open.extract_if(.., |_, open| now.since(open.record.last) >= quiet);
        let over: Vec<Open> = over.map(|(_, open)| open).collect();
        for open in over {
            self.end(open, now);
        }
        std::mem::take(&mut self.gone)
    }

    fn end(&mut self, open: Open, now: Timestamp) {
        self.kept = self.kept.saturating_sub(open.participants.len());
        let record =
            Incident { state: State::Over, over: Some(now), step: Step::Over, told: now, ..open.record };
        self.gone.push(Update { incident: record, step: Some(Step::Over) });
    }

    fn make_room(&mut self, now: Timestamp, quiet: Duration) {
        if self.open.len() < CAPACITY {
            return;
        }
        let over = self.open.extract_if(.., |_, open| now.since(open.record.last) >= quiet);
        let mut over: Vec<Open> = over.map(|(_, open)| open).collect();
        if self.open.len() >= CAPACITY {
            // The least severe, then the longest silent: dropping it means reporting it again.
            let order = |open: &Open| (open.record.severity, open.record.last);
            let least = self.open.iter().min_by_key(|(_, open)| order(open)).map(|(key, _)| key.clone());
            over.extend(least.and_then(|key| self.open.remove(&key)));
            self.evicted = self.evicted.saturating_add(1);
        }
        for open in over {
            self.end(open, now);
        }
    }

    /// Restores an incident of an earlier run, with its participants.
    pub(in crate::decide) fn restore(&mut self, incident: Incident) {
        let Incident { offenders, .. } = &incident;
        let room = ALL_PARTICIPANTS.saturating_sub(self.kept).min(PARTICIPANTS);
        let participants: BTreeMap<ClientNet, Participant> =
            offenders.iter().take(room).map(|one| (one.client, one.clone())).collect();
        if incident.state == State::Over || self.open.len() >= CAPACITY {
            return;
        }
        self.kept = self.kept.saturating_add(participants.len());
        let key = (incident.detector, incident.about.clone());
        let told_attempts = incident.attempts;
        let record = Incident { offenders: Vec::new(), ..incident };
        self.open.insert(key, Open { record, participants, told_attempts });
    }

    /// For each open incident: its latest signal, and everybody it accuses.
    pub(in crate::decide) fn accused(&self) -> Vec<(Incident, Vec<Offender>)> {
        let accused = |open: &Open| {
            let accused = open.participants.values().filter(|one| one.accused);
            accused.map(Participant::offender).collect()
        };
        self.open.values().map(|open| (open.record.clone(), accused(open))).collect()
    }

    /// A person lifted the decision about a prefix; returns the incidents that changed.
    pub(in crate::decide) fn pardon(&mut self, prefix: &IpNet, now: Timestamp) -> Vec<Update> {
        let mut updates = Vec::new();
        for open in self.open.values_mut() {
            let own = open.participants.values_mut().filter(|one| one.client.prefix() == *prefix);
            let mut changed = false;
            for participant in own.filter(|one| one.accused) {
                (participant.pardoned, participant.action, participant.until) = (true, Action::None, None);
                participant.reason = Some("lifted by an operator".to_owned());
                changed = true;
            }
            if changed {
                updates.push(open.update(|one| one.client.prefix() == *prefix, now));
            }
        }
        updates
    }

    /// Those that a client takes part in, or that are about it.
    pub(in crate::decide) fn of(&self, prefix: &IpNet) -> Vec<Incident> {
        let takes_part = |open: &Open| {
            let about = open.record.about.prefix();
            about.is_some_and(|about| prefix::overlap(&about, prefix))
                || open.participants.keys().any(|client| prefix::overlap(&client.prefix(), prefix))
        };
        self.open.values().filter(|open| takes_part(open)).map(|open| open.record.clone()).collect()
    }

    /// Every prefix that takes part in an incident, with the worst one.
    pub(in crate::decide) fn marks(&self) -> BTreeMap<IpNet, (Severity, RecordId)> {
        let mut marks: BTreeMap<IpNet, (Severity, RecordId)> = BTreeMap::new();
        for open in self.open.values() {
            let mark = (open.record.severity, open.record.id);
            let clients = open.participants.keys().map(|client| client.prefix());
            for prefix in clients.chain(open.record.about.prefix()) {
                let known = marks.entry(prefix).or_insert(mark);
                *known = (*known).max(mark);
            }
        }
        marks
    }

    /// Number of open incidents, by threat and severity.
    pub(in crate::decide) fn count(&self) -> BTreeMap<(Threat, Severity), u64> {
        let mut counts: BTreeMap<(Threat, Severity), u64> = BTreeMap::new();
        for open in self.open.values() {
            let count = counts.entry((open.record.detector, open.record.severity)).or_default();
            *count = count.saturating_add(1);
        }
        counts
    }

    /// Incidents dropped for lack of room.
    pub(in crate::decide) const fn evicted(&self) -> u64 {
        self.evicted
    }
}

impl Open {
    fn grow(&mut self, alert: &Alert, signal: &Signal) -> News {
        let record = &mut self.record;
        record.last = record.last.max(signal.at);
        record.first = record.first.min(alert.window.start);
        record.attempts = record.attempts.saturating_add(signal.growth.attempts);
        let worse = alert.severity > record.severity;
        if alert.severity >= record.severity {
            (record.severity, record.confidence) = (alert.severity, alert.confidence.max(record.confidence));
            record.summary.clone_from(&alert.summary);
            record.evidence.clone_from(&alert.evidence);
        }
        if worse { News::Worse } else { News::Known }
    }

    fn participant(&mut self, who: Offender, at: Timestamp, kept: &mut usize) -> Option<&mut Participant> {
        let is_known = self.participants.contains_key(&who.client);
        if !is_known && (self.participants.len() >= PARTICIPANTS || *kept >= ALL_PARTICIPANTS) {
            self.record.unlisted = self.record.unlisted.saturating_add(1);
            return None;
        }
        *kept = kept.saturating_add(usize::from(!is_known));
        let participant = self.participants.entry(who.client).or_insert_with(|| Participant::new(who, at));
        participant.last = participant.last.max(at);
        participant.proxied |= who.proxied;
        Some(participant)
    }

    fn update(&mut self, changed: impl Fn(&Participant) -> bool, now: Timestamp) -> Update {
        self.summarise();
        let record = &mut self.record;
        let grew = record.attempts > self.told_attempts;
        let tenfold = self.told_attempts > 0 && record.attempts >= self.told_attempts.saturating_mul(TENFOLD);
        let step = (grew && (tenfold || now.since(record.told) >= MINUTE)).then_some(Step::Grew);
        if let Some(step) = step {
            (record.step, record.told, self.told_attempts) = (step, now, record.attempts);
        }
        let offenders = self.participants.values().filter(|one| changed(one)).cloned().collect();
        Update { incident: Incident { offenders, ..self.record.clone() }, step }
    }

    /// Summarises the actions against participants.
    fn summarise(&mut self) {
        let record = &mut self.record;
        record.clients = u64::try_from(self.participants.len()).unwrap_or(u64::MAX);
        (record.blocked, record.limited) = (0, 0);
        let (mut action, mut until, mut reason) = (Action::None, None, None);
        for participant in self.participants.values().filter(|one| one.accused) {
            let count = match participant.action {
                Action::Block | Action::WouldBlock => &mut record.blocked,
                Action::Limit | Action::WouldLimit => &mut record.limited,
                Action::None if participant.proxied && participant.until.is_some() => &mut record.blocked,
                Action::None => {
                    reason = participant.reason.clone();
                    continue;
                }
            };
            *count = count.saturating_add(1);
            if participant.action.strength() >= action.strength() {
                action = participant.action;
                reason = reason.or_else(|| participant.reason.clone());
            }
            until = until.max(participant.until);
        }
        (record.action, record.until) = (action, until);
        if reason.is_some() || action != Action::None {
            record.reason_no_action = reason;
        }
    }

    /// Records that it was reported as worse.
    const fn told(&mut self, step: Step, now: Timestamp) {
        (self.record.step, self.record.told, self.told_attempts) = (step, now, self.record.attempts);
    }
}

impl Incidents {
    /// Records that an incident was reported as worse.
    pub(in crate::decide) fn told_worse(&mut self, threat: Threat, about: &About, now: Timestamp) {
        if let Some(open) = self.open.get_mut(&(threat, about.clone())) {
            open.told(Step::Worse, now);
        }
    }

    /// Records why no action was possible, if that is not due to a participant.
    pub(in crate::decide) fn set_reason(&mut self, threat: Threat, about: &About, reason: Option<&str>) {
        if let Some(open) = self.open.get_mut(&(threat, about.clone())) {
            open.record.reason_no_action = reason.map(str::to_owned);
        }
    }
}
