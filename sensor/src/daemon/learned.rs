//! What an earlier daemon learned.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::detect::Detectors;
use crate::posture::{self, Inventory};
use crate::route::{Learned, Routes};
use crate::store::{Damage, StateFile};

/// The file with routes.
pub(super) const ROUTES: &str = "routes.json";
/// The file with what detectors learned.
pub(super) const BASELINES: &str = "baselines.json";

/// What detectors learned, by name.
pub(super) type Baselines = StateFile<BTreeMap<String, serde_json::Value>>;

/// Gives detectors what earlier ones had learned.
pub(super) fn restore_detectors(
    baselines: &mut Baselines,
    detectors: &mut Detectors,
    now: Timestamp,
) -> Vec<Damage> {
    let (learned, damage) = baselines.recall(now);
    let mut damages = Vec::from_iter(damage);
    if let Some(unread) = detectors.restore(&learned) {
        damages.push(baselines.set_aside(unread, "the rest of it is in force", now));
    }
    damages
}

/// Restores what an earlier daemon had recorded of routes.
pub(super) fn restore_inventory(
    file: &mut StateFile<posture::Kept>,
    inventory: &mut Inventory,
    now: Timestamp,
) -> Option<Damage> {
    let (kept, damage) = file.recall(now);
    inventory.restore(kept);
    damage
}

/// Restores the routes that an earlier daemon learned.
pub(super) fn restore_routes(
    file: &mut StateFile<Option<Learned>>,
    routes: &mut Routes,
    now: Timestamp,
) -> Option<Damage> {
    let (learned, damage) = file.recall(now);
    let Some(learned) = learned else { return damage };
    match routes.import(&learned) {
        Ok(()) => damage,
        Err(error) => Some(file.set_aside(error.to_string(), "routes are learned again", now)),
    }
}
