//! Weeks in which everything is chance.

use super::super::tally::Tally;
use super::super::{Spikes, Watch};
use super::{DAY, at, noise};
use crate::detect::Config;

/// A generator of noise, the same for the same seed.
struct Source(u64);

impl Source {
    fn uniform(&mut self) -> f64 {
        self.0 += 1;
        noise(self.0).max(1e-9)
    }

    /// Box and Muller's.
    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (self.uniform() * std::f64::consts::TAU).cos()
    }

    fn student_3(&mut self) -> f64 {
        let (normal, squares) = (self.normal(), (0..3).map(|_| self.normal().powi(2)).sum::<f64>());
        normal / (squares / 3.0).sqrt()
    }

    fn poisson(&mut self, mean: f64) -> f64 {
        let (mut count, mut product) = (0.0, self.uniform());
        while product > (-mean).exp() {
            product *= self.uniform();
            count += 1.0;
        }
        count
    }
}

/// A week of requests a minute that vary by chance and nothing else: alarms of the rate.
fn alarms_of_a_week(seed: u64, value: impl Fn(&mut Source) -> f64) -> usize {
    let mut source = Source(seed * 1_000_000_007);
    let threshold = Spikes::new(&Config::default()).threshold;
    let mut watch = Watch::default();
    let spikes = (0..7 * DAY).filter_map(|minute| {
        let requests = value(&mut source).round().max(0.0) as u32;
        let [rate, ..] = watch.judge(at(minute), &Tally::with_requests(requests));
        rate.filter(|spike| spike.score.anomaly >= threshold)
    });
    spikes.count()
}

#[test]
fn a_week_of_noise_alarms_nobody() {
    for seed in 1..=8 {
        let gaussian = alarms_of_a_week(seed, |source| 1_000.0 + 250.0 * source.normal());
        let busy = alarms_of_a_week(seed, |source| source.poisson(100.0));
        let quiet = alarms_of_a_week(seed, |source| source.poisson(2.0));
        assert_eq!((gaussian, busy, quiet), (0, 0, 0), "seed {seed}");
        let student = alarms_of_a_week(seed, |source| 600.0 + 60.0 * source.student_3());
        let log_normal = alarms_of_a_week(seed, |source| 300.0 * (0.7 * source.normal()).exp());
        assert!(student <= 1 && log_normal <= 1, "seed {seed}: {student} and {log_normal}");
    }
}
