//! AdaGrad on the best window of each value.

use crate::inspect::injection::Token;
use crate::inspect::injection::model::{BUCKETS, HEADER, MARK, RUNS, WINDOW, run_length, runs};

/// The buckets of the runs that begin at each token; none where there are too few tokens.
pub(crate) type Runs = Vec<[Option<usize>; RUNS]>;

/// A value to train on.
pub(crate) struct Example {
    pub(crate) runs: Runs,
    pub(crate) is_attack: bool,
    pub(crate) weight: f32,
}

/// The runs of some tokens.
pub(crate) fn runs_of(tokens: &[Token]) -> Runs {
    (0..tokens.len()).map(|start| runs(tokens.get(start..).unwrap_or_default())).collect()
}

/// Weights before they are bytes.
pub(crate) struct Weights {
    weights: Vec<f32>,
    squares: Vec<f32>,
    bias: f32,
    bias_square: f32,
}

/// Times that all examples are seen.
const EPOCHS: usize = 10;
/// Step of AdaGrad.
const STEP: f32 = 0.01;
/// What weights lose with each step, so that rare runs say little.
const DECAY: f32 = 2e-5;

impl Weights {
    /// Trains on examples, in an order that depends on the seed alone.
    pub(crate) fn train(examples: &[Example], seed: u64) -> Self {
        let mut weights =
            Self { weights: vec![0.0; BUCKETS], squares: vec![1e-3; BUCKETS], bias: -1.0, bias_square: 1e-1 };
        let mut order: Vec<usize> = (0..examples.len()).collect();
        let mut random = seed;
        for _ in 0..EPOCHS {
            shuffle(&mut order, &mut random);
            for at in &order {
                if let Some(example) = examples.get(*at) {
                    weights.step(example);
                }
            }
        }
        weights
    }

    fn step(&mut self, example: &Example) {
        let (sum, start) = self.best(&example.runs);
        let label = if example.is_attack { 1.0 } else { 0.0 };
        let error = (1.0 / (1.0 + (-(sum + self.bias)).exp()) - label) * example.weight;
        if error.abs() < 1e-4 {
            return;
        }
        let end = (start + WINDOW).min(example.runs.len());
        for (at, runs) in example.runs.iter().enumerate().take(end).skip(start) {
            for (kind, bucket) in runs.iter().enumerate() {
                let Some(bucket) = bucket.filter(|_| at + run_length(kind) <= end) else { continue };
                let (Some(weight), Some(square)) =
                    (self.weights.get_mut(bucket), self.squares.get_mut(bucket))
                else {
                    continue;
                };
                let gradient = error + DECAY * *weight;
                *square += gradient * gradient;
                *weight -= STEP * gradient / square.sqrt();
            }
        }
        self.bias_square += error * error;
        self.bias -= STEP * error / self.bias_square.sqrt();
    }

    /// The sum of the best window, and where that begins.
    fn best(&self, runs: &Runs) -> (f32, usize) {
        let mut sums = vec![[0.0_f32; RUNS]; runs.len() + 1];
        for (at, buckets) in runs.iter().enumerate() {
            for (kind, bucket) in buckets.iter().enumerate() {
                let weight = bucket.and_then(|bucket| self.weights.get(bucket)).copied().unwrap_or_default();
                sums[at + 1][kind] = sums[at][kind] + weight;
            }
        }
        let last = runs.len().saturating_sub(WINDOW);
        let mut best = (f32::NEG_INFINITY, 0);
        for start in 0..=last {
            let end = (start + WINDOW).min(runs.len());
            let mut sum = 0.0;
            for (kind, before) in sums[start].iter().enumerate() {
                let until = (end + 1).saturating_sub(run_length(kind)).max(start);
                sum += sums[until][kind] - before;
            }
            if sum > best.0 {
                best = (sum, start);
            }
        }
        best
    }

    /// The file of weights: the score is shifted so that `threshold` becomes 0.
    pub(crate) fn file(&self, threshold: f32, data: &[u8; 16]) -> Vec<u8> {
        let mut sizes: Vec<f32> =
            self.weights.iter().map(|weight| weight.abs()).filter(|size| *size > 0.0).collect();
        sizes.sort_by(f32::total_cmp);
        let largest = sizes.get(sizes.len().saturating_sub(1 + sizes.len() / 500)).copied().unwrap_or(1.0);
        let scale = (largest / 127.0).max(1e-6);
        let mut file = MARK.to_vec();
        // What has the threshold's own score stays below it.
        let bias = (self.bias / scale).round() as i32 - (threshold / scale).ceil() as i32;
        file.extend_from_slice(&bias.to_le_bytes());
        file.extend_from_slice(&scale.to_le_bytes());
        file.extend_from_slice(data);
        assert_eq!(file.len(), HEADER, "the header");
        file.extend(
            self.weights.iter().map(|weight| (weight / scale).round().clamp(-127.0, 127.0) as i8 as u8),
        );
        file
    }
}

fn shuffle(order: &mut [usize], random: &mut u64) {
    for at in (1..order.len()).rev() {
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let other = (*random >> 33) as usize % (at + 1);
        order.swap(at, other);
    }
}
