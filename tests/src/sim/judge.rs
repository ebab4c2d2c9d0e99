//! Runs the detectors over a simulation, and compares their signals with the truth.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use sensor::clock::Timestamp;
use sensor::detect::{Config, Detectors, Severity, Signal, Subject, Threat};
use sensor::event::LoginOutcome;
use sensor::identity::KeyedHash;

use super::Simulation;
use super::attack::Scenario;
use super::baseline::Baseline;
use super::plan::{HOUR, MINUTE, Plan};
use super::record::{Behaviour, Lender, Origin, SimEvent, SimExchange};

/// What was simulated and what was said.
#[derive(Default)]
pub struct Record {
    /// The truth.
    pub truth: Truth,
    /// Signals, in order.
    pub heard: Vec<Signal>,
    /// What the comparison did.
    pub baseline: Baseline,
    /// Events.
    pub events: u64,
    /// Logins, and those of them that failed, of legitimate clients.
    pub logins: (u64, u64),
}

type Ban = (Timestamp, IpAddr);

/// Who did what.
#[derive(Debug, Default)]
pub struct Truth {
    /// When each of the attack's requests became known.
    pub attempts: Vec<Timestamp>,
    /// When the first one began.
    pub start: Option<Timestamp>,
    attackers: HashSet<IpAddr>,
    accounts: HashSet<KeyedHash>,
    taken: HashSet<KeyedHash>,
    known_for: HashMap<IpAddr, BTreeSet<Behaviour>>,
    owners: HashMap<KeyedHash, Behaviour>,
}

/// The configuration that is evaluated: the defaults.
#[must_use]
pub fn config() -> Config {
    let mut config = Config::default();
    // Off by default: it is for the operator to say what a key may do.
    config.request_rate.limits.per_principal = "600/min:300".parse().ok();
    config
}

/// Runs a configuration's detectors over a simulation; time advances every second.
#[must_use]
pub fn watch(simulation: Simulation, config: &Config) -> Record {
    const SECOND: Duration = Duration::from_secs(1);
    let mut detectors = Detectors::new(config);
    let (mut record, mut lender) = (Record::default(), Lender::default());
    let mut tick = simulation.site().plan.start;
    for event in simulation {
        while tick <= event.known() {
            record.heard.extend(detectors.advance(tick));
            tick = tick.plus(SECOND);
        }
        record.note(&event);
        lender.lend(&event, |event| record.heard.extend(detectors.observe(event)));
    }
    record
}

impl Record {
    fn note(&mut self, event: &SimEvent) {
        self.events += 1;
        let (began, client, origin) = event.source();
        match origin {
            Origin::Attack => {
                self.truth.start.get_or_insert(began);
                self.truth.attempts.push(event.known());
                self.truth.attackers.insert(client);
            }
            Origin::Benign(Behaviour::Resident) => {}
            Origin::Benign(behaviour) => {
                self.truth.known_for.entry(client).or_default().insert(behaviour);
            }
        }
        if let SimEvent::Exchange(exchange) = event {
            self.baseline.observe(exchange);
            self.note_login(exchange);
        }
    }

    fn note_login(&mut self, exchange: &SimExchange) {
        let Some((login, account)) = exchange.login.and_then(|login| Some((login, login.user?))) else {
            return;
        };
        match exchange.origin {
            Origin::Attack => {
                self.truth.accounts.insert(account);
                if login.outcome == LoginOutcome::Success {
                    self.truth.taken.insert(account);
                }
            }
            Origin::Benign(behaviour) => {
                self.logins.0 += 1;
                self.logins.1 += u64::from(login.outcome == LoginOutcome::Failure);
                if matches!(behaviour, Behaviour::ForgottenPassword | Behaviour::OldPassword) {
                    self.truth.owners.insert(account, behaviour);
                }
            }
        }
    }

    /// Whether the attack was found, and at what price.
    #[must_use]
    pub fn verdict(&self, scenario: &Scenario, start: Timestamp) -> Verdict {
        let (truth, start) = (&self.truth, self.truth.start.unwrap_or(start));
        let until = start.plus(scenario.lasts + MINUTE * 10);
        let is_it = |signal: &&Signal| {
            scenario.threats.contains(&signal.threat)
                && (start..=until).contains(&signal.at)
                && signal.severity > Severity::Info
                && truth.concerns(signal)
        };
        let mut named = BTreeSet::new();
        let (mut strangers, mut blocked) = (BTreeSet::new(), BTreeSet::new());
        for signal in &self.heard {
            for client in signal.offenders.iter().map(|offender| offender.client.address()) {
                if truth.attackers.contains(&client) {
                    named.insert(client);
                    continue;
                }
                strangers.insert(client);
                if signal.severity >= Severity::High {
                    blocked.insert(client);
                }
            }
        }
        let told = |signal: &Signal| match (signal.threat, &signal.subject) {
            (Threat::AccountTakeover, Subject::Account(account)) => Some(*account),
            _ => None,
        };
        let told: HashSet<KeyedHash> = self.heard.iter().filter_map(told).collect();
        let (bans, others): (Vec<Ban>, Vec<Ban>) =
            self.baseline.bans.iter().partition(|(_, client)| truth.attackers.contains(client));
        let distinct = |bans: &[Ban]| bans.iter().map(|ban| ban.1).collect::<BTreeSet<_>>().len();
        Verdict {
            found: self.heard.iter().find(is_it).map(|signal| truth.found(start, signal.at)),
            severity: self.heard.iter().filter(is_it).map(|signal| signal.severity).max(),
            attackers: truth.attackers.len(),
            named: named.len(),
            strangers: strangers.len(),
            strangers_blocked: blocked.len(),
            taken: truth.taken.len(),
            taken_told: told.intersection(&truth.taken).count(),
            baseline: bans.first().map(|ban: &Ban| truth.found(start, ban.0)),
            baseline_named: distinct(&bans),
            baseline_strangers: distinct(&others),
        }
    }

    /// The alarms in a period without attacks, or besides one: a threat to a subject is one alarm as long as its
    /// signals are less than an hour apart.
    #[must_use]
    pub fn alarms(&self, plan: &Plan) -> Vec<Alarm> {
        let mut alarms: Vec<Alarm> = Vec::new();
        let mut open: BTreeMap<(Threat, &Subject), usize> = BTreeMap::new();
        for signal in &self.heard {
            let behaviours = self.truth.behind(signal, plan);
            let known = open.get(&(signal.threat, &signal.subject)).copied();
            match known.filter(|number| signal.at.since(alarms[*number].last) <= HOUR) {
                Some(number) => {
                    let alarm = &mut alarms[number];
                    alarm.last = signal.at;
                    alarm.severity = alarm.severity.max(signal.severity);
                    alarm.behaviours.extend(behaviours);
                    alarm.clients.extend(signal.offenders.iter().map(|offender| offender.client.address()));
                }
                None => {
                    open.insert((signal.threat, &signal.subject), alarms.len());
                    alarms.push(Alarm {
                        first: signal.at,
                        last: signal.at,
                        threat: signal.threat,
                        subject: signal.subject.to_string(),
                        summary: signal.summary.clone(),
                        severity: signal.severity,
                        behaviours,
                        clients: signal.offenders.iter().map(|offender| offender.client.address()).collect(),
                    });
                }
            }
        }
        alarms
    }
}

impl Truth {
    /// Whether a signal is about the attack.
    fn concerns(&self, signal: &Signal) -> bool {
        let is_subject = match &signal.subject {
            Subject::Client(client) => self.attackers.contains(&client.address()),
            Subject::Network(network) => self.attackers.iter().any(|client| network.contains(client)),
            Subject::Account(account) => self.accounts.contains(account),
            // Where and when are right; of an anomaly that is all there is.
            Subject::Principal(_) | Subject::Route(_) | Subject::Host => true,
        };
        is_subject
            || signal.offenders.iter().any(|offender| self.attackers.contains(&offender.client.address()))
    }

    fn found(&self, start: Timestamp, at: Timestamp) -> Found {
        let before = self.attempts.partition_point(|attempt| *attempt <= at);
        let share = before as f64 / self.attempts.len().max(1) as f64;
        Found { after: at.since(start), before: share }
    }

    /// What those do whom a signal is about.
    fn behind(&self, signal: &Signal, plan: &Plan) -> BTreeSet<Behaviour> {
        let mut clients: Vec<IpAddr> =
            signal.offenders.iter().map(|offender| offender.client.address()).collect();
        match &signal.subject {
            Subject::Client(client) => clients.push(client.address()),
            Subject::Account(account) => {
                if let Some(owner) = self.owners.get(account) {
                    return BTreeSet::from([*owner]);
                }
            }
            Subject::Network(_) | Subject::Principal(_) | Subject::Route(_) | Subject::Host => {}
        }
        let known = clients.iter().filter_map(|client| self.known_for.get(client)).flatten();
        let mut behaviours: BTreeSet<Behaviour> = known.copied().collect();
        for behaviour in [Behaviour::Marketing, Behaviour::Deployment] {
            let goes_on = |(from, until): &(Timestamp, Timestamp)| {
                (*from..until.plus(MINUTE * 10)).contains(&signal.at)
            };
            if plan.windows(behaviour).iter().any(goes_on) {
                behaviours.insert(behaviour);
            }
        }
        behaviours
    }
}

/// When an attack was found.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// From the beginning of its first request.
    pub after: Duration,
    /// The share of its requests that were made until then.
    pub before: f64,
}

/// How an attack fared.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// When it was found, where it was.
    pub found: Option<Found>,
    /// The worst that was rightly said of it.
    pub severity: Option<Severity>,
    /// Its addresses.
    pub attackers: usize,
    /// Those of them that were named as offenders.
    pub named: usize,
    /// Legitimate clients that were named as offenders.
    pub strangers: usize,
    /// Those of them in a signal of severity high or above: they would be blocked.
    pub strangers_blocked: usize,
    /// Accounts that the attacker got into.
    pub taken: usize,
    /// Those of them that were told.
    pub taken_told: usize,
    /// When the comparison banned the first attacker.
    pub baseline: Option<Found>,
    /// Attackers that it banned.
    pub baseline_named: usize,
    /// Legitimate clients that it banned.
    pub baseline_strangers: usize,
}

/// Something that was said for a while.
#[derive(Clone, Debug)]
pub struct Alarm {
    /// The first signal.
    pub first: Timestamp,
    /// The last one.
    pub last: Timestamp,
    /// What was said.
    pub threat: Threat,
    /// About what.
    pub subject: String,
    /// How the first signal put it.
    pub summary: String,
    /// The worst.
    pub severity: Severity,
    /// What those do whom it is about; empty where they do nothing but browse.
    pub behaviours: BTreeSet<Behaviour>,
    /// Those who would be acted against.
    pub clients: BTreeSet<IpAddr>,
}
