use std::time::Duration;

use proptest::prelude::*;

use super::{Baseline, Score};
use crate::clock::Timestamp;

const MINUTE: usize = 60;
const DAY: u64 = 86_400;

/// Monday, 5 January 2026.
fn at(second: u64) -> Timestamp {
    Timestamp::default().plus(Duration::from_secs(1_767_571_200 + second))
}

/// Noise from -1 to 1, the same each time (splitmix64).
fn noise(index: u64) -> f64 {
    let mut bits = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    f64::from((bits >> 40) as u32) / f64::from(1_u32 << 23) - 1.0
}

/// 100 by night and 1,000 by day, and noise of a tenth.
fn daily(second: u64) -> f64 {
    let hour = (second % DAY) as f64 / 3_600.0;
    let level = 550.0 - 450.0 * (hour / 24.0 * std::f64::consts::TAU).cos();
    level * (1.0 + 0.1 * noise(second))
}

/// Teaches minutes from one moment to another; the highest score.
fn teach(baseline: &mut Baseline, seconds: std::ops::Range<u64>, value: impl Fn(u64) -> f64) -> f64 {
    let minutes = seconds.step_by(MINUTE);
    minutes.map(|second| baseline.observe(at(second), value(second)).anomaly).fold(0.0, f64::max)
}

#[test]
fn a_spike_is_found_in_the_first_hour_at_any_scale() {
    for scale in [1e-6, 1.0, 1e9] {
        let mut baseline = Baseline::new();
        let calm = teach(&mut baseline, 0..3_600, |second| scale * (100.0 + 10.0 * noise(second)));
        assert!(calm < 0.4, "{calm} at {scale}");
        let score = baseline.observe(at(3_600), scale * 1_000.0);
        assert!(score.anomaly > 0.6, "{score:?} at {scale}");
        assert!((score.expected / scale - 100.0).abs() < 15.0, "{score:?} at {scale}");
    }
}

#[test]
fn a_shift_of_all_values_changes_little() {
    let spike_at = |shift: f64| {
        let mut baseline = Baseline::new();
        teach(&mut baseline, 0..2 * DAY, |second| shift + daily(second));
        baseline.observe(at(2 * DAY), shift + 3_000.0).surprise
    };
    let difference = spike_at(0.0) - spike_at(1e5);
    assert!(difference.abs() < 0.5, "{difference}");
}

#[test]
fn the_peak_of_a_day_is_usual_at_noon_and_unusual_at_midnight() {
    let mut baseline = Baseline::new();
    teach(&mut baseline, 0..4 * DAY, daily);
    let calm = teach(&mut baseline, 4 * DAY..7 * DAY, daily);
    assert!(calm < 0.5, "{calm}");
    let midnight = baseline.clone().observe(at(7 * DAY), 1_000.0);
    teach(&mut baseline, 7 * DAY..7 * DAY + DAY / 2, daily);
    let noon = baseline.observe(at(7 * DAY + DAY / 2), 1_000.0);
    assert!(midnight.surprise > noon.surprise + 4.0, "{midnight:?} {noon:?}");
}

#[test]
fn what_has_often_been_seen_surprises_less_and_less() {
    // Every three hours, something large that is over in a minute.
    let value = |second: u64| if second % 10_800 == 3_600 { 1_000.0 } else { 100.0 + 10.0 * noise(second) };
    let mut baseline = Baseline::new();
    let mut surprises = Vec::new();
    for second in (0..14 * DAY).step_by(MINUTE) {
        let score = baseline.observe(at(second), value(second));
        if second % 10_800 == 3_600 {
            surprises.push(score.surprise);
        }
    }
    let (first, last) = (surprises[0], surprises[surprises.len() - 1]);
    assert!(first > 9.0 && last < 7.0, "{surprises:?}");
}

#[test]
fn a_condition_that_lasts_is_told_once() {
    let mut baseline = Baseline::new();
    teach(&mut baseline, 0..DAY, |second| 100.0 + 10.0 * noise(second));
    let mut alarms = 0;
    for second in (DAY..DAY + 7_200).step_by(MINUTE) {
        let score = baseline.observe(at(second), 1_000.0 + 10.0 * noise(second));
        alarms += u32::from(score.anomaly > 0.5);
    }
    assert!((1..=3).contains(&alarms), "{alarms}");
}

#[test]
fn a_clock_that_is_set_back_silences_nobody() {
    let mut baseline = Baseline::new();
    let usual = |second: u64| 100.0 + 10.0 * noise(second);
    teach(&mut baseline, 40 * DAY..41 * DAY, usual);
    assert!(baseline.observe(at(41 * DAY), 300.0).anomaly > 0.5);
    teach(&mut baseline, 0..3_600, usual);
    assert!(baseline.observe(at(3_600), 1e5).anomaly > 0.5);
}

#[test]
fn counts_that_are_mostly_zero_make_no_miracle_of_a_one() {
    let mut baseline = Baseline::new();
    let value = |second: u64| f64::from(u8::from(noise(second) > 0.96));
    let highest = teach(&mut baseline, 0..5 * DAY, value);
    assert!(highest < 0.4, "{highest}");
    assert!(baseline.observe(at(5 * DAY), 30.0).anomaly > 0.6);
}

#[test]
fn what_is_no_number_teaches_nothing() {
    let mut baseline = Baseline::new();
    teach(&mut baseline, 0..7_200, daily);
    let mut other = baseline.clone();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(other.observe(at(7_200), value), Score::NONE);
    }
    assert_eq!(other.observe(at(7_200), 500.0), baseline.observe(at(7_200), 500.0));
}

#[test]
fn a_score_reads_as_a_chance() {
    for (chance, score) in [(1.0_f64, 0.0), (1e-3, 0.5), (1e-6, 0.75)] {
        assert!((Score::scale(-chance.ln()) - score).abs() < 1e-12, "{chance}");
    }
}

#[test]
fn memory_is_what_the_documentation_says() {
    let histograms = 3 * 700 * size_of::<f32>();
    assert!(size_of::<Baseline>() + histograms <= 13_000, "{}", size_of::<Baseline>() + histograms);
}

/// Values of every kind: usual ones, none, negative, of any bit pattern.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![4 => -1e3..1e3_f64, 1 => Just(0.0), 1 => Just(1e308), 1 => Just(f64::MIN), 1 => any::<f64>()]
}

/// Times of every kind: minute after minute, standing still, jumping either way.
fn series() -> impl Strategy<Value = Vec<(u64, f64)>> {
    let time = prop_oneof![6 => Just(60), 1 => Just(0), 1 => any::<u64>()];
    proptest::collection::vec((time, value()), 0..300).prop_map(|steps| {
        let mut now = 1_767_571_200_u64;
        let moved = |(step, value): (u64, f64)| {
            now = now.wrapping_add(step) % 18_000_000_000;
            (now, value)
        };
        steps.into_iter().map(moved).collect()
    })
}

fn scores(series: &[(u64, f64)]) -> Vec<Score> {
    let mut baseline = Baseline::new();
    let score = |&(second, value): &(u64, f64)| {
        baseline.observe(Timestamp::default().plus(Duration::from_secs(second)), value)
    };
    series.iter().map(score).collect()
}

proptest! {
    #[test]
    fn scores_are_chances_whatever_comes(series in series()) {
        for score in scores(&series) {
            prop_assert!((0.0..=1.0).contains(&score.anomaly), "{score:?}");
            prop_assert!((0.0..=100.0).contains(&score.surprise), "{score:?}");
            prop_assert!(score.expected.is_finite(), "{score:?}");
        }
    }

    #[test]
    fn what_comes_later_changes_no_score(series in series(), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(series.len() + 1);
        let whole = scores(&series);
        prop_assert_eq!(&whole[..cut], &scores(&series[..cut])[..]);
    }
}
