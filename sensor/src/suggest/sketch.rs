//! Quantiles of needs, with a bounded relative error.
//!
//! Bins grow by a constant factor, as in DDSketch (Masson, Rim and Lee, "DDSketch: a fast and fully-mergeable quantile
//! sketch with relative-error guarantees", 2019). A bin is reported by its upper edge: a limit reported to affect
//! nobody must not have affected anybody.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Ratio of adjacent bins' upper edges: reported values are at most 5 % above the truth, and never below it.
pub const GROWTH: f64 = 1.05;

/// Clients whose need is in one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Bin(u64, u64);

/// A multiset of whole numbers, each with a client's traffic as its weight. At most 570 bins: the numbers are at most
/// 10^12.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sketch {
    bins: BTreeMap<u16, Bin>,
    max: u64,
}

/// The largest burst that a rate may have.
const MOST: u64 = sensor_common::limit::Rate::MAX_BURST;

impl Sketch {
    /// Adds a client that needs a burst of `need`, at least 1, and sent `units`.
    pub fn insert(&mut self, need: u64, units: u64) {
        let need = need.clamp(1, MOST);
        let bin = self.bins.entry(index(need)).or_default();
        *bin = Bin(bin.0.saturating_add(1), bin.1.saturating_add(units));
        self.max = self.max.max(need);
    }

    /// Adds everything that another one holds.
    pub fn merge(&mut self, other: &Self) {
        for (index, Bin(clients, units)) in &other.bins {
            let bin = self.bins.entry(*index).or_default();
            *bin = Bin(bin.0.saturating_add(*clients), bin.1.saturating_add(*units));
        }
        self.max = self.max.max(other.max);
    }

    /// Clients.
    #[must_use]
    pub fn clients(&self) -> u64 {
        self.bins.values().fold(0, |sum, bin| sum.saturating_add(bin.0))
    }

    /// The traffic of all clients.
    #[must_use]
    pub fn units(&self) -> u64 {
        self.bins.values().fold(0, |sum, bin| sum.saturating_add(bin.1))
    }

    /// The smallest need that at most a share `1 - quantile` of the clients exceeds, up to [`GROWTH`]; 0 without
    /// clients.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> u64 {
        let wanted = quantile.clamp(0.0, 1.0) * precise(self.clients());
        let mut below = 0_u64;
        for (index, bin) in &self.bins {
            below = below.saturating_add(bin.0);
            if precise(below) >= wanted {
                return largest(*index).min(self.max);
            }
        }
        self.max
    }

    /// Clients that need more than `burst`, and their traffic; both as shares of all, and never too low.
    #[must_use]
    pub fn above(&self, burst: u64) -> (f64, f64) {
        let over = self.bins.iter().filter(|(index, _)| largest(**index).min(self.max) > burst);
        let (clients, units) = over
            .fold((0_u64, 0_u64), |sum, (_, bin)| (sum.0.saturating_add(bin.0), sum.1.saturating_add(bin.1)));
        (share(clients, self.clients()), share(units, self.units()))
    }
}

/// The bin of a number: bin `i` holds what is above `GROWTH^(i-1)` and up to `GROWTH^i`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 567")]
fn index(need: u64) -> u16 {
    let place = (precise(need).ln() / GROWTH.ln()).ceil().max(0.0) as u16;
    // Rounding of the logarithm may put an edge into the bin above or below.
    if largest(place) < need { place.saturating_add(1) } else { place }
}

/// The largest whole number of a bin.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts saturate, far above the bound"
)]
fn largest(index: u16) -> u64 {
    GROWTH.powi(i32::from(index)) as u64
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, and a bin is wider")]
const fn precise(number: u64) -> f64 {
    number as f64
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { precise(part) / precise(whole) }
}
