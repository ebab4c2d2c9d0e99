//! `flood`: what the kernel drops. Limits and blocks drop packets silently; many drops are an attack, too.
//!
//! It gets the data plane's counters once a second from whoever reads them. Drops are reported in total, and by address
//! if few addresses make up most of them. Nobody is accused: the packets are already dropped, and a source address can
//! be forged, so a block would hit whomever the attacker names.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use documented::DocumentedFields;
use sensor_common::abi::Reason;

use super::ongoing::Ongoing;
use super::{Evidence, Growth, Offender, Preset, Severity, Signal, Subject, Threat};
use crate::clock::Timestamp;
use crate::config::Section;
use crate::prefix::ClientNet;

/// Thresholds, in packets dropped, or in monitor mode those that would be. Our own choice: a client that hits a limit
/// with a large download loses some hundred packets a second for a moment.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Packets per second dropped in total; ten times as many are severity high.
    pub packets: u32,
    /// Packets per second dropped from one client; ten times as many are severity high.
    pub client_packets: u32,
    /// How long the drops must last.
    pub lasting: Duration,
}

impl Config {
    /// The defaults of a preset.
    #[must_use]
    pub fn of(preset: Preset) -> Self {
        Self {
            packets: preset.scaled(1_000),
            client_packets: preset.scaled(500),
            lasting: Duration::from_secs(3),
        }
    }

    /// Reads `[detect.flood]`.
    #[must_use]
    pub fn read(section: &Section<'_>, preset: Preset) -> Self {
        let mut config = Self::of(preset);
        section.explain::<Self>();
        section.integer("packets", 1..=1_000_000_000, &mut config.packets);
        section.integer("client_packets", 1..=1_000_000_000, &mut config.client_packets);
        section.duration("lasting", Duration::from_secs(1), &mut config.lasting);
        config
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::of(Preset::Balanced)
    }
}

/// Reasons for drops, and their names in evidence.
pub const REASONS: [(Reason, &str); 7] = [
    (Reason::PacketRate, "packets"),
    (Reason::BitRate, "bits"),
    (Reason::ConnectionRate, "syn"),
    (Reason::RequestRate, "requests"),
    (Reason::NewcomerRate, "newcomers"),
    (Reason::Blocked, "blocked"),
    (Reason::SiteRate, "sites"),
];

/// Packets dropped since the program was loaded, in the order of [`REASONS`].
pub type Shed = [u64; REASONS.len()];

/// Clients tracked individually; further ones count only in the total.
const CLIENTS: usize = 65_536;
/// Clients of one flood reported individually.
const NAMED: usize = 64;
/// Interval between checks.
const STEP: Duration = Duration::from_secs(1);
/// This multiple of the threshold is severity high.
const HIGH: u64 = 10;

/// One flood, by address or in total, while it is above its threshold.
#[derive(Clone, Copy)]
struct Streak {
    since: Timestamp,
    shed: u64,
}

/// The detector.
pub struct Flood {
    config: Config,
    before: Option<(Timestamp, Shed)>,
    whole: Option<Streak>,
    streaks: BTreeMap<ClientNet, Streak>,
    /// Drops of clients at the last check.
    drops: HashMap<ClientNet, u64, ahash::RandomState>,
    looked: Option<Timestamp>,
    ongoing: Ongoing,
}

/// Drops between two checks.
#[derive(Clone, Copy)]
struct Step {
    at: Timestamp,
    lasted: Duration,
    packets: u64,
    by_reason: Shed,
}

impl Step {
    /// Packets a second.
    fn rate(&self, packets: u64) -> u64 {
        let millis = u64::try_from(self.lasted.as_millis()).unwrap_or(u64::MAX).max(1);
        packets.saturating_mul(1_000).checked_div(millis).unwrap_or_default()
    }
}

impl Flood {
    /// A detector that has seen nothing.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            before: None,
            whole: None,
            streaks: BTreeMap::new(),
            drops: HashMap::with_hasher(ahash::RandomState::new()),
            looked: None,
            ongoing: Ongoing::default(),
        }
    }

    /// Whether the next check of the counters is due.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.before.is_none_or(|(before, _)| now.since(before) >= STEP || now < before)
    }

    /// Takes the totals. `clients` returns the drops of every tracked client; it is called only during a flood, since
    /// it reads the whole table.
    pub fn observe(
        &mut self,
        now: Timestamp,
        shed: Shed,
        clients: impl FnOnce(&mut dyn FnMut(ClientNet, u64)),
        signals: &mut Vec<Signal>,
    ) {
        self.ongoing.advance(now, signals);
        let Some((before, known)) = self.before.replace((now, shed)) else { return };
        let lasted = now.since(before);
        if lasted.is_zero() {
            return;
        }
        let mut by_reason = Shed::default();
        for ((part, shed), known) in by_reason.iter_mut().zip(shed).zip(known) {
            // Fewer than before: another interface uses the counters.
            *part = shed.saturating_sub(known);
        }
        let packets = by_reason.iter().fold(0, |sum: u64, part| sum.saturating_add(*part));
        let step = Step { at: now, lasted, packets, by_reason };
        if step.rate(packets) < u64::from(self.config.packets.min(self.config.client_packets)) {
            self.whole = None;
            self.streaks.clear();
            (self.drops, self.looked) = (HashMap::with_hasher(ahash::RandomState::new()), None);
            return;
        }
        let told = self.look_at_clients(&step, clients, signals);
        self.look_at_all(&step, told, signals);
    }

    /// Finds clients with too many drops; returns their share of the total.
    fn look_at_clients(
        &mut self,
        step: &Step,
        clients: impl FnOnce(&mut dyn FnMut(ClientNet, u64)),
        signals: &mut Vec<Signal>,
    ) -> u64 {
        let mut grown: Vec<(u64, ClientNet)> = Vec::new();
        let is_first = self.looked.is_none();
        let (least, drops) = (u64::from(self.config.client_packets), &mut self.drops);
        clients(&mut |client, total| {
            if total == 0 || (drops.len() >= CLIENTS && !drops.contains_key(&client)) {
                return;
            }
            let known = drops.insert(client, total);
            let added = total.saturating_sub(known.unwrap_or(if is_first { total } else { 0 }));
            if step.rate(added) >= least {
                grown.push((added, client));
            }
        });
        self.looked = Some(step.at);
        grown.sort_unstable_by_key(|(added, client)| (std::cmp::Reverse(*added), *client));
        grown.truncate(NAMED);
        self.streaks.retain(|client, _| grown.iter().any(|(_, known)| known == client));
        let mut told: u64 = 0;
        for (added, client) in grown {
            let fresh = Streak { since: step.at.minus(step.lasted), shed: 0 };
            let streak = self.streaks.entry(client).or_insert(fresh);
            streak.shed = streak.shed.saturating_add(added);
            told = told.saturating_add(added);
            let (streak, who) = (*streak, Offender { client, proxied: false });
            let rate = step.rate(added);
            let signal = || {
                let summary = format!("limits or blocks drop {rate} packets a second from {client}");
                signal(step, Subject::Client(client), (rate, least), streak, summary)
            };
            tell(&mut self.ongoing, &self.config, (Some(who), added), streak, signal, signals);
        }
        told
    }

    /// Evaluates the total drops, besides those reported for single clients.
    fn look_at_all(&mut self, step: &Step, told: u64, signals: &mut Vec<Signal>) {
        let least = u64::from(self.config.packets);
        let rest = step.packets.saturating_sub(told);
        let rate = step.rate(rest);
        if rate < least {
            self.whole = None;
            return;
        }
        let fresh = Streak { since: step.at.minus(step.lasted), shed: 0 };
        let streak = self.whole.get_or_insert(fresh);
        streak.shed = streak.shed.saturating_add(rest);
        let streak = *streak;
        let signal = || {
            let largest = step.by_reason.iter().zip(REASONS).max_by_key(|(count, _)| **count);
            let mostly = largest.map_or("", |(_, (_, name))| name);
            let summary = format!(
                "limits or blocks drop {rate} packets a second, mostly over the limit on {mostly}; no single client \
                 sends most of them"
            );
            signal(step, Subject::Host, (rate, least), streak, summary)
        };
        tell(&mut self.ongoing, &self.config, (None, rest), streak, signal, signals);
    }
}

/// Reports a flood that has lasted long enough, and its growth.
fn tell(
    ongoing: &mut Ongoing,
    config: &Config,
    (who, added): (Option<Offender>, u64),
    streak: Streak,
    signal: impl FnOnce() -> Signal,
    signals: &mut Vec<Signal>,
) {
    let signal = signal();
    let is_lasting = signal.at.since(streak.since) >= config.lasting;
    let key = (signal.threat, signal.subject.clone());
    match ongoing.adds(key, (who, added), signal.severity, signal.at) {
        Some(true) => signals.push(ongoing.tell(signal, 0)),
        Some(false) => {}
        None if is_lasting => {
            let mut signal = ongoing.tell(signal, streak.shed);
            signal.growth.by = who.map(|who| (who, streak.shed)).into_iter().collect();
            signals.push(signal);
        }
        None => {}
    }
}

fn signal(
    step: &Step,
    subject: Subject,
    (rate, least): (u64, u64),
    streak: Streak,
    summary: String,
) -> Signal {
    let mut evidence = Evidence::default()
        .with("packets_per_second", rate)
        .with("packets_per_second_threshold", least)
        .with("packets_shed", streak.shed);
    if subject == Subject::Host {
        for (count, (_, name)) in step.by_reason.into_iter().zip(REASONS) {
            if count > 0 {
                evidence = evidence.with(&format!("{name}_per_second"), step.rate(count));
            }
        }
    }
    Signal {
        at: step.at,
        threat: Threat::Flood,
        severity: if rate >= least.saturating_mul(HIGH) { Severity::High } else { Severity::Medium },
        confidence: 1.0,
        subject,
        offenders: Vec::new(),
        summary,
        evidence,
        window: (streak.since, step.at),
        decided: None,
        growth: Growth::default(),
    }
}

#[cfg(test)]
mod tests;
