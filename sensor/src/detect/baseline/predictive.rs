//! How unusual a deviation is, given all earlier deviations.

use super::season::single;

/// Bins of the histogram, from 1e-13 to 3e13; values outside count in the outermost bins.
pub(super) const BINS: usize = 360;
/// Natural logarithm of a bin's width: deviations are resolved to 17 %.
const WIDTH: f64 = 0.17;
/// Natural logarithm of the smallest deviation distinguished from none.
const LEAST: f64 = -30.0;

/// Deviations after which history has as much weight as the prior. A chance of one in some thousand, as needed for an
/// alarm, cannot be estimated from fewer observations.
const CONCENTRATION: f64 = 2_000.0;
/// Index of the prior's tail: beyond typical deviations, the chance falls with this power of the deviation. As for
/// Student's t with three or four degrees of freedom, the usual choice for residuals with outliers.
const INDEX: f64 = 3.5;
/// The share of history that the tail is fitted to.
const TOP: f64 = 0.1;
/// Excesses that the prior's index counts for in the fit.
const EXCESSES: f64 = 20.0;
/// Memory of the history: a deviation loses weight by a factor of e over this many.
const REACH: f64 = 5_000.0;
/// Weight of a new deviation at which all weights are scaled down, before single precision overflows.
const MOST_UNIT: f64 = 1e12;

/// Upper bound of surprise, in nats.
pub(super) const MOST_SURPRISE: f64 = 100.0;

/// The posterior predictive distribution of a deviation (at least 0) under a Dirichlet process (T. S. Ferguson, "A
/// Bayesian analysis of some nonparametric problems", Annals of Statistics 1, 1973): a base measure, which counts for
/// [`CONCENTRATION`] deviations, and those that were seen.
///
/// The base measure is a Pareto distribution beyond history's upper tenth, with an index by B. M. Hill ("A simple
/// general approach to inference about the tail of a distribution", Annals of Statistics 3, 1975) that is shrunk
/// towards the prior's while the tail has few values. It therefore reflects how heavy the tail of this series is.
///
/// If history has no scale, since nothing ever deviated, the chance of a first deviation is that of Laplace's rule of
/// succession, whatever its size.
#[derive(Clone, Debug)]
pub(super) struct Predictive {
    bins: Box<[f32; BINS]>,
    /// Only bins between these two may be filled.
    filled: (u16, u16),
    /// Sum of all bins.
    total: f64,
    /// Weight of the next deviation. It grows, so that earlier ones fade.
    unit: f64,
}

/// The tail of history above a deviation.
#[derive(Clone, Copy, Debug)]
struct Tail {
    /// Number of deviations beyond, and the sum of their logarithmic excess.
    excesses: f64,
    sum: f64,
}

impl Predictive {
    pub(super) fn new() -> Self {
        Self { bins: Box::new([0.0; BINS]), filled: (u16::MAX, 0), total: 0.0, unit: 1.0 }
    }

    /// Nats of surprise at `deviation` (at least 0): minus the logarithm of the chance of one at least as large.
    /// `resolution`: deviations up to this cannot be distinguished from none; 0 if unknown.
    pub(super) fn surprise(&self, deviation: f64, resolution: f64) -> f64 {
        let count = self.total / self.unit;
        // A deviation below the measurement's resolution is not unusual.
        if count <= 0.0 || deviation <= resolution {
            return 0.0;
        }
        let as_large = self.from(bin_of(deviation)) / self.unit;
        let base = self.base(deviation, resolution, as_large / count, count);
        let chance = (CONCENTRATION * base + as_large) / (CONCENTRATION + count);
        (-chance.ln()).clamp(0.0, MOST_SURPRISE)
    }

    /// The chance of a deviation at least as large, under the base measure.
    fn base(&self, deviation: f64, resolution: f64, share_as_large: f64, count: f64) -> f64 {
        let resolution = resolution.ln().max(LEAST);
        let from = self.exceeded_by(TOP).max(resolution);
        let excess = deviation.ln() - from;
        if from <= LEAST + WIDTH && excess > 0.0 {
            return 1.0 / (count + 1.0);
        }
        let tail = self.tail(from);
        let share = (tail.excesses + 0.5) / (count + 1.0);
        if excess <= 0.0 {
            return share.max(share_as_large);
        }
        let mean = (tail.sum + EXCESSES / INDEX) / (tail.excesses + EXCESSES);
        share * (-excess / mean).exp()
    }

    /// Adds a deviation to history, with a weight of at most 1.
    pub(super) fn observe(&mut self, deviation: f64, weight: f64) {
        let bin = bin_of(deviation);
        if let Some(count) = self.bins.get_mut(bin) {
            *count += single(self.unit * weight);
        }
        let bin = u16::try_from(bin).unwrap_or_default();
        self.filled = (self.filled.0.min(bin), self.filled.1.max(bin));
        self.total += self.unit * weight;
        self.unit /= 1.0 - 1.0 / REACH;
        if self.unit > MOST_UNIT {
            self.scale(1.0 / self.unit);
        }
    }

    /// The weights of history, from the first bin that may be filled on; for a file.
    pub(super) fn weights(&self) -> (u16, impl ExactSizeIterator<Item = f32>) {
        let (first, last) = (usize::from(self.filled.0), usize::from(self.filled.1));
        let bins = self.bins.get(first..=last).unwrap_or_default();
        (self.filled.0, bins.iter().map(|&count| single(f64::from(count) / self.unit)))
    }

    /// History with these weights; none if there are more of them than bins.
    pub(super) fn with_weights(first: u16, weights: &[f32]) -> Option<Self> {
        let mut history = Self::new();
        let Some(last) = weights.len().checked_sub(1) else { return Some(history) };
        let last = first.checked_add(u16::try_from(last).ok()?)?;
        history.bins.get_mut(usize::from(first)..=usize::from(last))?.copy_from_slice(weights);
        history.filled = (first, last);
        history.scale(1.0);
        Some(history)
    }

    /// Ages history by this many unobserved deviations.
    pub(super) fn age(&mut self, deviations: f64) {
        // However old it is, it gives the scale.
        let passed = deviations.clamp(0.0, 2.0 * REACH);
        self.scale((-passed / REACH).exp() / self.unit);
    }

    fn scale(&mut self, factor: f64) {
        let factor = single(factor);
        self.bins.iter_mut().for_each(|count| *count *= factor);
        self.total = self.bins.iter().copied().map(f64::from).sum();
        self.unit = 1.0;
    }

    /// Weight of history at a bin or above; half of the bin's own.
    fn from(&self, bin: usize) -> f64 {
        let own = self.bins.get(bin).copied().map_or(0.0, f64::from);
        let above = self.filled().rev().take_while(|&(at, _)| at > bin);
        own / 2.0 + above.map(|(_, count)| count).sum::<f64>()
    }

    /// Natural logarithm of the deviation exceeded by this share of history.
    fn exceeded_by(&self, share: f64) -> f64 {
        let need = share * self.total;
        let mut above = 0.0;
        for (bin, count) in self.filled().rev() {
            if above + count >= need {
                let into = if count > 0.0 { (need - above) / count } else { 0.0 };
                return edge_of(bin) + WIDTH * (1.0 - into.clamp(0.0, 1.0));
            }
            above += count;
        }
        LEAST
    }

    fn tail(&self, from: f64) -> Tail {
        let beyond = self.filled().rev().map(|(bin, count)| (edge_of(bin) + WIDTH / 2.0 - from, count));
        let (excesses, sum) = beyond
            .take_while(|&(excess, _)| excess > 0.0)
            .fold((0.0, 0.0), |(excesses, sum), (excess, count)| (excesses + count, sum + count * excess));
        Tail { excesses: excesses / self.unit, sum: sum / self.unit }
    }

    /// The bins that may be filled, with what is in them.
    fn filled(&self) -> impl DoubleEndedIterator<Item = (usize, f64)> {
        let (first, last) = (usize::from(self.filled.0), usize::from(self.filled.1));
        let bins = self.bins.get(first..=last).unwrap_or_default();
        bins.iter().enumerate().map(move |(at, &count)| (first.saturating_add(at), f64::from(count)))
    }
}

/// The bin that a deviation falls into.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the bins that there are"
)]
fn bin_of(deviation: f64) -> usize {
    const LAST: f64 = (BINS - 1) as f64;
    // The logarithm of zero is minus infinity, so the bin is the first.
    ((deviation.ln() - LEAST) / WIDTH).clamp(0.0, LAST) as usize
}

/// Natural logarithm of a bin's smallest deviation.
fn edge_of(bin: usize) -> f64 {
    u32::try_from(bin).map_or(f64::MAX, f64::from) * WIDTH + LEAST
}
