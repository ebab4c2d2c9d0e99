//! Samples the client table periodically, for `sensor limit suggest`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use sensor_common::abi::{Event, Policy};
use tracing::warn;

use super::commands::Commands;
use super::engine::Engine;
use crate::clock::{self, Timestamp};
use crate::enforce::{Limits, Origin, Scope};
use crate::kernel::{Client, ClientPrefixes, ClientTable};
use crate::store::{Damage, StateFile, StoreError};
use crate::suggest::{Ask, History, Observer, Report, Seen, Standing, stride_for};

/// The file for the data collected.
const FILE: &str = "limits-seen.json";
/// Sampling interval: the measured burst depends on it, see [`crate::suggest`].
const PERIOD: Duration = Duration::from_secs(1);
/// The pause after a sample is this multiple of its duration: at most half a percent of one CPU.
const REST: u32 = 200;
/// How often the data is stored.
const KEEP: Duration = Duration::from_secs(300);
/// Clients named by detectors since the last sample; beyond that, the oldest are dropped.
const MAX_WAITING: usize = 1_024;

/// State shared by samples, alerts and requests.
#[derive(Debug)]
pub(super) struct Observing {
    observer: Mutex<Observer>,
    /// Separate, so that an alert does not wait for a sample.
    named: Mutex<Vec<IpNet>>,
    file: StateFile<History>,
}

impl Observing {
    /// Continues from an earlier daemon's data, if readable.
    pub(super) fn open(state_dir: &Path, now: Timestamp) -> Result<(Self, Option<Damage>), StoreError> {
        let mut file = StateFile::open(state_dir, FILE)?;
        let (history, damage) = file.recall(now);
        Ok((Self { observer: Mutex::new(Observer::new(history)), named: Mutex::default(), file }, damage))
    }

    /// A detector named these clients, so they do not represent usual traffic.
    pub(super) fn name(&self, clients: IpNet) {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if named.len() >= MAX_WAITING {
            named.swap_remove(0);
        }
        named.push(clients);
    }

    fn observer(&self) -> MutexGuard<'_, Observer> {
        self.observer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores the data. Waits for the disk.
    pub(super) fn keep(&self, now: Timestamp) {
        let history = self.observer().kept(now);
        if let Err(error) = self.file.save(&history) {
            warn!(%error, "data for `sensor limit suggest` could not be stored; after a restart it is collected again");
        }
    }

    fn take_named(&self, prefixes: ClientPrefixes, now: Timestamp) {
        let named = std::mem::take(&mut *self.named.lock().unwrap_or_else(PoisonError::into_inner));
        let mut observer = self.observer();
        for clients in named {
            let client = prefixes.client_of(clients.network());
            // An address represents its client.
            observer.name(if clients.prefix_len() > client.prefix_len() { client } else { clients }, now);
        }
    }

    /// Takes one sample; returns the stride of the next one.
    fn sample(&self, table: &ClientTable, stride: u32, admitted: u64, now: Timestamp) -> u32 {
        let mut observer = self.observer();
        observer.sample(now, stride, admitted, |see| {
            if let Err(error) = table.for_one_in(stride, |client| see(seen(&client))) {
                warn!(%error, "the client table cannot be read");
            }
        });
        observer.next_stride()
    }
}

fn seen(Client { address, slot, details }: &Client) -> Seen {
    let packets = slot.packets().saturating_add(slot.drops);
    let has = |flag| slot.flags & flag != 0;
    let standing = if has(Policy::ALLOWED) {
        Standing::Allowed
    } else if has(Policy::BLOCKED) {
        Standing::Blocked
    } else {
        Standing::Limited
    };
    let totals = Seen::totals(packets, slot.bytes, details.connections(), details.requests());
    Seen { client: *address, totals, drops: slot.drops, standing }
}

/// What a sample needs from the engine.
struct Surroundings {
    generation: u32,
    /// Set if they may have changed.
    scopes: Option<Vec<IpNet>>,
    admitted: u64,
    prefixes: ClientPrefixes,
}

impl Engine {
    fn surroundings(&self, generation: u32) -> Surroundings {
        let current = self.dataplane.settings().generation;
        let scopes = (current != generation).then(|| {
            let by_person =
                self.policy.scopes().into_iter().filter(|(_, rule)| rule.origin != Origin::Detector);
            by_person
                .filter_map(|(scope, _)| if let Scope::Prefix(prefix) = scope { Some(prefix) } else { None })
                .collect()
        });
        Surroundings {
            generation: current,
            scopes,
            admitted: self.dataplane.counters().event(Event::ClientAdmitted).unwrap_or(0),
            prefixes: self.config.tuning.prefixes,
        }
    }
}

/// Samples until dropped.
pub(super) async fn observe(commands: Arc<Commands>) {
    let (observing, table) = {
        let engine = commands.engine();
        (engine.observing.clone(), engine.dataplane.clients().clone())
    };
    let (mut generation, mut kept) = (0, clock::now());
    let mut stride = stride_for(table.count());
    // The first sample is taken at once: everything later has arrived since.
    let mut pause = Duration::ZERO;
    loop {
        tokio::time::sleep(pause).await;
        // The table is read without the engine's lock, so decisions do not wait for it.
        let around = commands.engine().surroundings(generation);
        generation = around.generation;
        let began = clock::now();
        if let Some(scopes) = around.scopes {
            observing.observer().set_scopes(scopes.into_iter());
        }
        observing.take_named(around.prefixes, began);
        stride = observing.sample(&table, stride, around.admitted, began);
        let now = clock::now();
        pause = PERIOD.max(now.since(began).saturating_mul(REST)).min(Duration::from_secs(30));
        if now.since(kept) >= KEEP || now < kept {
            kept = now;
            let observing = observing.clone();
            // A slow disk delays only the next file.
            let written = tokio::task::spawn_blocking(move || observing.keep(now)).await;
            if let Err(error) = written {
                warn!(%error, "data for `sensor limit suggest` was not stored");
            }
        }
    }
}

impl Commands {
    /// What limits would have done to the observed clients.
    pub(super) fn suggest(&self, ask: &Ask) -> Report {
        let (observing, in_force) = {
            let engine = self.engine();
            let scopes = engine.policy.scopes().into_keys();
            let in_force: BTreeMap<Scope, Limits> =
                scopes.map(|scope| (scope, engine.policy.limits_in_force(scope))).collect();
            (engine.observing.clone(), in_force)
        };
        observing.observer().report(ask, &in_force)
    }
}
