//! Exchanges by the systemd unit or container that served them, for metrics.

use super::totals::StatusClass;
use crate::event::{UnitId, Units};

/// Most units with series of their own, the first that served anything; the rest share one.
pub const MAX_UNITS_TOLD: usize = 32;
/// The names of the rest, and of exchanges whose unit is not known. No unit and no container is called like this: their
/// names have a dot or a colon.
const REST: &str = "other";
const UNKNOWN: &str = "unknown";

/// Counts by [`StatusClass`], in the order of [`StatusClass::ALL`].
pub type ClassCounts = [u64; StatusClass::ALL.len()];

/// The counts.
#[derive(Clone, Debug, Default)]
pub(super) struct ByUnit {
    is_on: bool,
    units: Vec<(UnitId, ClassCounts)>,
    unknown: ClassCounts,
    rest: Option<ClassCounts>,
}

impl ByUnit {
    /// Counts if asked to.
    pub(super) fn new(is_on: bool) -> Self {
        Self { is_on, ..Self::default() }
    }

    /// Counts an exchange.
    pub(super) fn note(&mut self, unit: Option<UnitId>, status: Option<u16>) {
        if !self.is_on {
            return;
        }
        let class = StatusClass::of(status);
        let counts = match unit {
            Some(unit) => self.counts_of(unit),
            None => &mut self.unknown,
        };
        let row = StatusClass::ALL.iter().position(|one| *one == class);
        if let Some(count) = row.and_then(|row| counts.get_mut(row)) {
            *count = count.saturating_add(1);
        }
    }

    fn counts_of(&mut self, unit: UnitId) -> &mut ClassCounts {
        let Self { units, rest, .. } = self;
        if units.len() < MAX_UNITS_TOLD && !units.iter().any(|(known, _)| *known == unit) {
            units.push((unit, ClassCounts::default()));
        }
        let own = units.iter_mut().find(|(known, _)| *known == unit);
        own.map_or_else(|| rest.get_or_insert_default(), |(_, counts)| counts)
    }

    /// All of them, by name; none if they are not counted.
    pub(super) fn told(&self, units: &Units) -> Vec<(String, ClassCounts)> {
        if !self.is_on {
            return Vec::new();
        }
        let own = self.units.iter().filter_map(|(unit, counts)| Some((units.name(*unit)?, counts)));
        own.chain([(UNKNOWN, &self.unknown)])
            .chain(self.rest.as_ref().map(|counts| (REST, counts)))
            .map(|(name, counts)| (name.to_owned(), *counts))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Served;

    #[test]
    fn units_beyond_the_bound_share_one() {
        let served = (1..=40_u16).map(|port| {
            let unit = format!("{port}.service").into();
            Served { port, address: None, unit }
        });
        let (mut units, mut counts) = (Units::default(), ByUnit::new(true));
        units.set(&served.collect::<Vec<_>>());
        for (port, status) in (1..=40).zip([Some(200), Some(503)].into_iter().cycle()) {
            counts.note(units.of([192, 0, 2, 1].into(), port), status);
        }
        counts.note(units.of([192, 0, 2, 1].into(), 1), None);
        counts.note(None, Some(200));
        let told = counts.told(&units);
        let sum = |of: &ClassCounts| of.iter().sum::<u64>();
        assert_eq!(told.len(), MAX_UNITS_TOLD + 2);
        assert_eq!((told[0].0.as_str(), sum(&told[0].1)), ("1.service", 2));
        let unknown = told.iter().find(|(name, _)| name == UNKNOWN);
        assert_eq!(unknown.map(|(_, of)| sum(of)), Some(1));
        assert_eq!(told.last().map(|(name, of)| (name.as_str(), sum(of))), Some(("other", 8)));
        let mut off = ByUnit::new(false);
        off.note(units.of([192, 0, 2, 1].into(), 1), Some(200));
        assert!(off.told(&units).is_empty());
    }
}
