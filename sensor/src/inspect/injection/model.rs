//! A linear model over n-grams of tokens: literals in runs of 1 to 3, classes in runs of 1 to 5, hashed into 65,536
//! weights. The score of a value is that of its best window of 20 tokens, which also is the explanation.
//!
//! `cargo xtask train-injection` writes the weights.

use super::tokens::Token;

/// Tokens scored together. In a longer window, prose would drown an attack.
pub const WINDOW: usize = 20;

/// Weights.
pub const BUCKETS: usize = 1 << 16;

/// Lengths of runs of literals, then of classes.
const LITERALS: usize = 3;
const CLASSES: usize = 5;
/// Runs that begin at each token.
pub const RUNS: usize = LITERALS + CLASSES;

/// The committed weights: a header, then one signed byte each.
const WEIGHTS: &[u8] = include_bytes!("weights.bin");

/// Bytes of the header: magic number with format, bias, scale, and a hash of the training data.
pub const HEADER: usize = 32;
/// The magic number, with the format.
pub const MARK: &[u8; 8] = b"SNSRINJ1";

/// The model.
pub struct Model {
    weights: Vec<i8>,
    /// Added to each sum, in units of a weight.
    bias: i32,
    /// Logits per unit of a weight.
    scale: f32,
}

impl Model {
    /// The built-in model.
    #[must_use]
    pub fn built_in() -> Self {
        Self::parse(WEIGHTS).unwrap_or_else(Self::silent)
    }

    /// A model that never reports anything.
    #[must_use]
    pub fn silent() -> Self {
        Self { weights: vec![0; BUCKETS], bias: -1, scale: 100.0 }
    }

    /// Parses a file of weights; none if it is not one.
    #[must_use]
    pub fn parse(file: &[u8]) -> Option<Self> {
        let body = file.strip_prefix(MARK)?;
        let (bias, body) = body.split_first_chunk::<4>()?;
        let (scale, _) = body.split_first_chunk::<4>()?;
        let weights = file.get(HEADER..).filter(|weights| weights.len() == BUCKETS)?;
        let weights = weights.iter().map(|byte| byte.cast_signed()).collect();
        Some(Self { weights, bias: i32::from_le_bytes(*bias), scale: f32::from_le_bytes(*scale) })
    }

    /// The score of the best window, in logits, and where it begins. `sums` is scratch space.
    #[must_use]
    pub fn score(&self, tokens: &[Token], sums: &mut Vec<[i32; RUNS]>) -> (f32, usize) {
        self.sum(tokens, sums);
        let last = tokens.len().saturating_sub(WINDOW);
        let mut best = (i32::MIN, 0);
        for start in 0..=last {
            let sum = window(sums, start, tokens.len());
            if sum > best.0 {
                best = (sum, start);
            }
        }
        let (sum, start) = best;
        (logits(sum.saturating_add(self.bias), self.scale), start)
    }

    /// Running sums of the weights of runs, by where they begin and by kind.
    fn sum(&self, tokens: &[Token], sums: &mut Vec<[i32; RUNS]>) {
        sums.clear();
        let mut total = [0_i32; RUNS];
        sums.push(total);
        for start in 0..tokens.len() {
            let rest = tokens.get(start..).unwrap_or_default();
            for (sum, bucket) in total.iter_mut().zip(runs(rest)) {
                let weight = bucket.and_then(|bucket| self.weights.get(bucket));
                *sum = sum.saturating_add(weight.map_or(0, |weight| i32::from(*weight)));
            }
            sums.push(total);
        }
    }
}

#[expect(clippy::cast_precision_loss, clippy::float_arithmetic, reason = "a sum of a few hundred bytes")]
fn logits(sum: i32, scale: f32) -> f32 {
    sum as f32 * scale
}

/// The weights of the runs that lie in the window that begins at a token.
fn window(sums: &[[i32; RUNS]], start: usize, length: usize) -> i32 {
    let end = start.saturating_add(WINDOW).min(length);
    let first = sums.get(start).copied().unwrap_or_default();
    let mut sum = 0_i32;
    for (kind, from) in first.iter().enumerate() {
        let run = run_length(kind);
        // A run ends inside of the window.
        let last = end.saturating_add(1).saturating_sub(run).max(start);
        let until = sums.get(last).and_then(|sums| sums.get(kind)).copied().unwrap_or(*from);
        sum = sum.saturating_add(until.saturating_sub(*from));
    }
    sum
}

/// Tokens of a run of a kind.
#[must_use]
pub const fn run_length(kind: usize) -> usize {
    if kind < LITERALS { kind.saturating_add(1) } else { kind.saturating_sub(LITERALS).saturating_add(1) }
}

/// The buckets of the runs that begin with the first token; none if there are too few tokens.
#[must_use]
pub fn runs(tokens: &[Token]) -> [Option<usize>; RUNS] {
    let mut buckets = [None; RUNS];
    let (mut literal, mut class) = (0x9e37_79b9_7f4a_7c15_u64, 0xc2b2_ae3d_27d4_eb4f_u64);
    for (at, token) in tokens.iter().take(CLASSES).enumerate() {
        literal = mix(literal, token.literal);
        class = mix(class, token.class);
        if at < LITERALS
            && let Some(bucket) = buckets.get_mut(at)
        {
            *bucket = Some(bucket_of(literal));
        }
        if let Some(bucket) = buckets.get_mut(at.saturating_add(LITERALS)) {
            *bucket = Some(bucket_of(class));
        }
    }
    buckets
}

const fn mix(hash: u64, token: u64) -> u64 {
    (hash.rotate_left(5) ^ token).wrapping_mul(0x517c_c1b7_2722_0a95)
}

fn bucket_of(hash: u64) -> usize {
    // The high bits of a product are the mixed ones.
    usize::try_from(hash >> 48).unwrap_or_default()
}
