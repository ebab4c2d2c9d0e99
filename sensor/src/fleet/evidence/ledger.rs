//! Slots of this host and of others, and what they amount to; pure.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::record::{Record, seal};
use crate::clock::Timestamp;
use crate::detect::distributed::TRAIT_ACCOUNTS;
use crate::detect::shared::{
    Attack, Hashed, Judge, Outlook, SLOT, SLOTS, Seen, Slot, Sums, Thresholds, Told, Trait, Usual, Whose,
};
use crate::duration::milliseconds;
use crate::fleet::key::{PublicKey, SigningKey};
use crate::fleet::refusal::Refusal;
use crate::identity::{FLEET_KEYS, FleetKeys, FleetKind};
use crate::prefix::ClientNet;

/// Routes remembered, as many as detectors do, and traits of each that this host saw within the last slots.
const ROUTES: usize = 64;
const TRAITS: usize = 1_024;
/// Traits that are judged: those with most failures on all hosts.
const JUDGED: usize = 64;

/// A slot of this host.
#[derive(Debug, Default)]
struct Own {
    slot: Slot,
    /// Attempts that no other host has heard of.
    unsaid: u64,
    /// Attempts on routes that had no room in its last record.
    left_out: u64,
}

/// A slot of another host.
#[derive(Debug)]
struct Heard {
    /// Of the record as it came: the same is not verified twice.
    digest: blake3::Hash,
    sequence: u64,
    slot: Slot,
}

/// A login route of this host.
#[derive(Debug)]
struct Route {
    ids: [u64; FLEET_KEYS],
    usual: Usual,
    last: u64,
    /// Traits seen on this host, with when.
    traits: BTreeMap<Trait, ([u64; FLEET_KEYS], u64)>,
    /// What was found last time.
    was_on: bool,
    were_on: BTreeSet<Trait>,
}

/// All of it.
#[derive(Debug)]
pub struct Ledger {
    keys: FleetKeys,
    thresholds: Thresholds,
    routes: HashMap<Arc<str>, Route>,
    own: BTreeMap<u64, Own>,
    others: BTreeMap<PublicKey, BTreeMap<u64, Heard>>,
    current: u64,
    sequence: u64,
    unsaid: u64,
}

impl Ledger {
    /// An empty one.
    #[must_use]
    pub fn new(keys: FleetKeys, thresholds: Thresholds) -> Self {
        Self {
            keys,
            thresholds,
            routes: HashMap::new(),
            own: BTreeMap::new(),
            others: BTreeMap::new(),
            current: 0,
            sequence: 0,
            unsaid: 0,
        }
    }

    /// Counts an attempt of this host. One that comes late counts in the slot before the current one.
    pub fn count(&mut self, told: &Told) {
        let number = number_of(told.at).clamp(self.current.saturating_sub(1), self.current.max(1));
        let Self { keys, routes, own, .. } = self;
        let is_known = routes.contains_key(&told.route);
        if !is_known && routes.len() >= ROUTES {
            self.unsaid = self.unsaid.saturating_add(1);
            return;
        }
        let route = routes
            .entry(Arc::clone(&told.route))
            .or_insert_with(|| Route::new(keys.hash(FleetKind::Route, told.route.as_bytes())));
        (route.usual, route.last) = (told.usual, number);
        let own = own.entry(number).or_default();
        own.unsaid = own.unsaid.saturating_add(1);
        for id in route.ids.into_iter().filter(|id| *id != 0) {
            let Some(of_route) = own.slot.route(id) else { continue };
            if !told.failed {
                of_route.successes = of_route.successes.saturating_add(1);
                of_route.last_success = of_route.last_success.max(unix_millis(told.at));
            }
            if told.is_control {
                of_route.control.0 = of_route.control.0.saturating_add(1);
                of_route.control.1 = of_route.control.1.saturating_add(u32::from(told.failed));
            }
        }
        if told.whose == Whose::Known && told.failed {
            return;
        }
        let client = keys.hash(FleetKind::Client, &bytes_of(told.client));
        if told.whose == Whose::Known {
            let hashes = route.ids.into_iter().zip(client).zip(told.hashes.account);
            for ((id, client), account) in hashes.filter(|((id, _), _)| *id != 0) {
                let account = if account == 0 { client } else { account };
                own.slot.count_known(id, client, account);
            }
            return;
        }
        let [one, other] = told.traits.map(|what| route.ids_of(what, keys, number));
        for key in 0..FLEET_KEYS {
            let of = |hashes: &[u64; FLEET_KEYS]| hashes.get(key).copied().unwrap_or(0);
            let (id, client, account) = (of(&route.ids), of(&client), of(&told.hashes.account));
            if id == 0 {
                continue;
            }
            let attempt = Hashed {
                client,
                // One that could not be read.
                account: if account == 0 { client } else { account },
                password: of(&told.hashes.password),
                failed: told.failed,
                is_trial: told.whose == Whose::Trial,
            };
            own.slot.count(id, [of(&one), of(&other)], &attempt);
        }
    }

    /// Time passes: what is older than the period that is judged is forgotten.
    pub fn advance(&mut self, now: Timestamp) {
        self.current = number_of(now);
        let oldest = self.current.saturating_sub(SLOTS);
        let kept = self.own.split_off(&oldest);
        let gone = std::mem::replace(&mut self.own, kept);
        let lost =
            gone.into_values().map(|own| own.unsaid.max(own.left_out).saturating_add(own.slot.uncounted()));
        self.unsaid = lost.fold(self.unsaid, u64::saturating_add);
        for slots in self.others.values_mut() {
            *slots = slots.split_off(&oldest);
        }
        self.others.retain(|_, slots| !slots.is_empty());
        self.routes.retain(|_, route| {
            route.traits.retain(|_, (_, last)| *last >= oldest);
            route.last >= oldest
        });
    }

    /// Slots of this host in which something happened that was not said, each as a signed record.
    pub fn records(&mut self, now: Timestamp, fleet: &str, key: &SigningKey) -> Vec<(u64, Vec<u8>)> {
        let mut records = Vec::new();
        for (number, own) in self.own.iter_mut().filter(|(_, own)| own.unsaid > 0) {
            self.sequence = self.sequence.saturating_add(1).max(unix_micros(now));
            let (slot, left_out) = own.slot.write();
            own.left_out = left_out;
            records.push((*number, seal(*number, self.sequence, &slot, fleet, key)));
        }
        records
    }

    /// These records are with the server.
    pub fn said(&mut self, records: &[(u64, Vec<u8>)]) {
        for (number, _) in records {
            if let Some(own) = self.own.get_mut(number) {
                own.unsaid = 0;
            }
        }
    }

    /// The server may have lost everything, or gives it to others only now: all is said again.
    pub fn say_again(&mut self) {
        self.own.values_mut().for_each(|own| own.unsaid = own.unsaid.max(1));
    }

    /// This host tells others nothing, so nothing is waiting to be said.
    pub fn keep_to_itself(&mut self) {
        self.own.values_mut().for_each(|own| own.unsaid = 0);
    }

    /// Slots of other hosts that may have changed: the current one and that before it, or all.
    pub fn wanted(&self, all: bool) -> impl Iterator<Item = u64> + use<> {
        let back = if all { SLOTS } else { 1 };
        self.current.saturating_sub(back)..=self.current
    }

    /// Takes a record of another host. Returns whether it is news.
    ///
    /// # Errors
    /// If it is not a record of that host about that slot, or older than one that came.
    pub fn take(&mut self, by: PublicKey, number: u64, blob: &[u8], fleet: &str) -> Result<bool, Refusal> {
        let digest = blake3::hash(blob);
        let slots = self.others.entry(by).or_default();
        let known = slots.get(&number);
        if known.is_some_and(|known| known.digest == digest) {
            return Ok(false);
        }
        let newer = known.map_or(0, |known| known.sequence);
        let Record { sequence, slot, .. } = Record::open(blob, fleet, (by, number, newer))?;
        slots.insert(number, Heard { digest, sequence, slot });
        Ok(true)
    }

    /// Forgets hosts that are not trusted, or no longer.
    pub fn retain(&mut self, trusted: &BTreeSet<PublicKey>) {
        self.others.retain(|key, _| trusted.contains(key));
    }

    /// Other hosts that were heard within the period that is judged.
    #[must_use]
    pub fn heard(&self) -> usize {
        self.others.values().filter(|slots| !slots.is_empty()).count()
    }

    /// Attempts of which no other host heard.
    #[must_use]
    pub const fn unsaid(&self) -> u64 {
        self.unsaid
    }

    /// What all hosts together make of this host's routes.
    pub fn outlook(&mut self, now: Timestamp) -> Outlook {
        let mut routes = std::mem::take(&mut self.routes);
        let mut outlook = Outlook { at: now, routes: HashMap::new() };
        for (name, route) in &mut routes {
            let found = self.judged(route, now);
            if found.whole.is_some() || !found.traits.is_empty() || found.is_explained {
                outlook.routes.insert(Arc::clone(name), found);
            }
        }
        self.routes = routes;
        outlook
    }

    /// Under each key; hosts may have only one in common.
    fn judged(&self, route: &mut Route, now: Timestamp) -> Attack {
        let mut found = Attack::default();
        for (key, id) in route.ids.into_iter().enumerate().filter(|(_, id)| *id != 0) {
            let seen = self.seen(id);
            // Alone, a host's own detector has all that can be known.
            if seen.hosts < 2 {
                continue;
            }
            let judge = Judge::of(&seen, route.usual, self.thresholds, unix_millis(now));
            found.whole = stronger(found.whole, judge.whole(route.was_on));
            found.is_explained |= judge.is_explained();
            for (what, id) in route.candidates(&seen, key) {
                let Some(sums) = judge.group(id, route.were_on.contains(&what), TRAIT_ACCOUNTS) else {
                    continue;
                };
                let known = found.traits.iter().position(|(known, _)| *known == what);
                match known.and_then(|place| found.traits.get_mut(place)) {
                    Some((_, known)) => *known = stronger(Some(*known), Some(sums)).unwrap_or(sums),
                    None => found.traits.push((what, sums)),
                }
            }
        }
        route.was_on = found.whole.is_some();
        route.were_on = found.traits.iter().map(|(what, _)| *what).collect();
        found
    }

    /// What hosts saw of a route; this one is the first.
    fn seen(&self, id: u64) -> Seen<'_> {
        let ago = |number: u64| self.current.saturating_sub(number);
        let own = self.own.iter().filter_map(|(number, own)| {
            let route = own.slot.find(id)?;
            Some((ago(*number), 0, route))
        });
        let mut seen = Seen { hosts: 1, slots: own.collect() };
        for slots in self.others.values() {
            let before = seen.slots.len();
            let host = seen.hosts;
            let of_route = slots.iter().filter_map(|(number, heard)| {
                let route = heard.slot.find(id)?;
                Some((ago(*number), host, route))
            });
            seen.slots.extend(of_route);
            if seen.slots.len() > before {
                seen.hosts = seen.hosts.saturating_add(1);
            }
        }
        seen.slots.sort_by_key(|(ago, host, _)| (*ago, *host));
        seen
    }
}

impl Route {
    const fn new(ids: [u64; FLEET_KEYS]) -> Self {
        Self {
            ids,
            usual: Usual { strangers: 0.0, control: 0.0, shift: 0.0 },
            last: 0,
            traits: BTreeMap::new(),
            was_on: false,
            were_on: BTreeSet::new(),
        }
    }

    /// The identifiers of a trait; those of a route's traits are its own.
    fn ids_of(&mut self, what: Trait, keys: &FleetKeys, number: u64) -> [u64; FLEET_KEYS] {
        if let Some((ids, last)) = self.traits.get_mut(&what) {
            *last = number;
            return *ids;
        }
        let ids = keys.hash(FleetKind::Trait, &what.bytes());
        if self.traits.len() < TRAITS {
            self.traits.insert(what, (ids, number));
        }
        ids
    }

    /// Traits that this host has seen and that have enough failures on all hosts, those with most first.
    fn candidates(&self, seen: &Seen<'_>, key: usize) -> Vec<(Trait, u64)> {
        let mut failures: HashMap<u64, u32> = HashMap::new();
        for (id, failed) in seen.slots.iter().flat_map(|(_, _, route)| route.failures()) {
            let sum = failures.entry(id).or_default();
            *sum = sum.saturating_add(failed);
        }
        let mut candidates: Vec<(Trait, u64, u32)> = self
            .traits
            .iter()
            .filter_map(|(what, (ids, _))| {
                let id = ids.get(key).copied()?;
                let failed = failures.get(&id).copied()?;
                (failed >= TRAIT_ACCOUNTS).then_some((*what, id, failed))
            })
            .collect();
        candidates.sort_by_key(|(what, _, failed)| (Reverse(*failed), *what));
        candidates.into_iter().take(JUDGED).map(|(what, id, _)| (what, id)).collect()
    }
}

fn stronger(one: Option<Sums>, other: Option<Sums>) -> Option<Sums> {
    [one, other].into_iter().flatten().max_by(|one, other| one.score.total_cmp(&other.score))
}

/// The slot of a moment, counted since 1970.
pub(super) fn number_of(at: Timestamp) -> u64 {
    unix_millis(at).checked_div(milliseconds(SLOT)).unwrap_or(0)
}

fn unix_millis(at: Timestamp) -> u64 {
    unix_micros(at).checked_div(1_000).unwrap_or(0)
}

fn unix_micros(at: Timestamp) -> u64 {
    at.unix_nanos().checked_div(1_000).unwrap_or(0)
}

fn bytes_of(client: ClientNet) -> [u8; 17] {
    let (hi, lo, length) = client.parts();
    let mut bytes = [length; 17];
    let address = hi.to_be_bytes().into_iter().chain(lo.to_be_bytes());
    bytes.iter_mut().zip(address).for_each(|(byte, of_address)| *byte = of_address);
    bytes
}
