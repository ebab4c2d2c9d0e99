//! How unusual a deviation is, by all deviations before it.

/// Bins of the histogram: eight per cent wide each, from 1e-12 to about 1e12; what lies outside is counted in the
/// outermost.
const BINS: usize = 700;
/// Natural logarithm of a bin's width.
const WIDTH: f64 = 0.08;
/// Natural logarithm of the least deviation that is told from none.
const LEAST: f64 = -27.63;

/// Shape of the prior: beyond the median, the chance of a deviation falls with this power of it. A tail of Student's t
/// with three or four degrees of freedom, which is what is usually taken for residuals with outliers.
const SHAPE: f64 = 3.5;
/// Deviations until history weighs as much as the prior. A chance of one in some thousand, which is what an alarm is
/// about, cannot be read off fewer than that many observations.
const TRUSTED_AFTER: f64 = 2000.0;
/// How suddenly history takes over from the prior around [`TRUSTED_AFTER`].
const SUDDENNESS: i32 = 6;
/// Deviations that history reaches back: each has lost its weight by a factor e after so many.
const REACH: f64 = 5000.0;

/// Surprise is bounded by this, in nats.
pub(super) const MOST_SURPRISE: f64 = 100.0;

/// The posterior predictive distribution of a deviation (at least 0) under a Dirichlet process (T. S. Ferguson, "A
/// Bayesian analysis of some nonparametric problems", Annals of Statistics 1, 1973): the prior's base measure and the
/// empirical distribution, mixed by how much history there is. The base measure is log-logistic, and its median is
/// that of history: no outlier moves it, and before there is history of rare deviations it says how rare they are.
///
/// 2.8 KB whatever is observed.
#[derive(Clone, Debug)]
pub(super) struct Predictive {
    bins: Box<[f32; BINS]>,
    weight: f64,
}

impl Predictive {
    pub(super) fn new() -> Self {
        Self { bins: Box::new([0.0; BINS]), weight: 0.0 }
    }

    /// Nats of surprise at `deviation` (at least 0): minus the logarithm of the chance of one that is as large.
    /// `resolution`: no less is taken for a typical deviation.
    pub(super) fn surprise(&self, deviation: f64, resolution: f64) -> f64 {
        if self.weight <= 0.0 {
            return 0.0;
        }
        let typical = self.median().max(resolution);
        let base = 1.0 / (1.0 + (deviation / typical).powf(SHAPE));
        let empirical = self.share_from(deviation);
        let trust = 1.0 / (1.0 + (self.weight / TRUSTED_AFTER).powi(SUDDENNESS));
        let chance = trust * base + (1.0 - trust) * empirical;
        // A median of zero with a deviation of zero is as typical as can be.
        if chance.is_nan() { 0.0 } else { (-chance.ln()).clamp(0.0, MOST_SURPRISE) }
    }

    /// Adds a deviation to history.
    pub(super) fn observe(&mut self, deviation: f64) {
        let keep = 1.0 - 1.0 / REACH;
        self.weight = self.weight * keep + 1.0;
        let keep = single(keep);
        self.bins.iter_mut().for_each(|bin| *bin *= keep);
        if let Some(bin) = self.bins.get_mut(bin_of(deviation)) {
            *bin += 1.0;
        }
    }

    /// Share of history that lies at `deviation` or above; of its own bin, half does.
    fn share_from(&self, deviation: f64) -> f64 {
        let bin = bin_of(deviation);
        let own = self.bins.get(bin).copied().unwrap_or_default();
        let above: f32 = self.bins.iter().skip(bin).skip(1).sum();
        (f64::from(above) + f64::from(own) / 2.0) / self.weight
    }

    /// The deviation that half of history exceeds.
    fn median(&self) -> f64 {
        let mut below = 0.0;
        for (at, &count) in self.bins.iter().enumerate() {
            below += f64::from(count);
            if below * 2.0 >= self.weight {
                return middle_of(at);
            }
        }
        middle_of(BINS)
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
    // Of zero the logarithm is minus infinity, and the bin the first.
    ((deviation.ln() - LEAST) / WIDTH).clamp(0.0, LAST) as usize
}

/// A deviation in the middle of a bin.
fn middle_of(bin: usize) -> f64 {
    let bin = u32::try_from(bin).map_or(f64::MAX, f64::from);
    ((bin + 0.5) * WIDTH + LEAST).exp()
}

#[expect(clippy::cast_possible_truncation, reason = "a factor near 1")]
const fn single(factor: f64) -> f32 {
    factor as f32
}
