//! What of all this survives a restart.

use foldhash::quality::FixedState;

use super::known::Copying;
use super::mass_assignment::MassAssignment;
use super::unauthenticated::Unauthenticated;
use super::{Access, Known};
use crate::clock::Timestamp;
use crate::detect::learning::{Begun, PIECE, Taken};

impl Access {
    /// Takes a piece of it. The tables of routes come with the last one: they are small.
    pub(super) fn take_piece(&self, begun: Option<Begun>) -> Taken {
        let mut copying: Box<Copying> = begun.and_then(|begun| begun.downcast().ok()).unwrap_or_default();
        if self.known.as_ref().is_some_and(|known: &Known| !known.copy(&mut copying, PIECE)) {
            return Taken::Part(copying);
        }
        let known = self.known.is_some().then_some(copying);
        let (seed, at) = (self.seed, self.last.unix_nanos());
        let routes = self.unauthenticated.as_ref().map(Unauthenticated::learned);
        let fields = self.mass_assignment.as_ref().map(MassAssignment::learned);
        Taken::All(Box::new(move || {
            Some(serde_json::json!({
                "seed": seed,
                "at": at,
                "known": known.and_then(|known| known.kept()),
                "unauthenticated": routes,
                "mass-assignment": fields,
            }))
        }))
    }

    /// Takes it up.
    pub(super) fn take_up(&mut self, learned: &serde_json::Value) -> Result<(), String> {
        let number = |name| learned.get(name).and_then(serde_json::Value::as_u64);
        let (Some(seed), Some(at)) = (number("seed"), number("at")) else {
            return Err("access: no seed, or no time".to_owned());
        };
        let at = Timestamp::from_unix_nanos(at);
        (self.seed, self.hasher, self.last) = (seed, FixedState::with_seed(seed), at);
        let part = |name| learned.get(name).filter(|part| !part.is_null());
        if let (Some(known), Some(part)) = (&mut self.known, part("known")) {
            known.restore(part, at)?;
        }
        if let (Some(detector), Some(part)) = (&mut self.unauthenticated, part("unauthenticated")) {
            detector.restore(part, at)?;
        }
        if let (Some(detector), Some(part)) = (&mut self.mass_assignment, part("mass-assignment")) {
            detector.restore(part, at)?;
        }
        Ok(())
    }
}
