use std::time::Duration;

use proptest::prelude::*;

use super::predictive::BINS;
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
    assert!(calm < 0.6, "{calm}");
    let midnight = baseline.clone().observe(at(7 * DAY), 1_000.0);
    teach(&mut baseline, 7 * DAY..7 * DAY + DAY / 2, daily);
    let noon = baseline.observe(at(7 * DAY + DAY / 2), 1_000.0);
    assert!(midnight.surprise > noon.surprise + 4.0, "{midnight:?} {noon:?}");
}

#[test]
fn what_has_often_been_seen_surprises_less_and_less() {
    // Every three hours, something large that lasts a minute. It never becomes quite usual: surprising values are learned
    // with a quarter of the weight.
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
    assert!(first > 9.0 && last < 8.0, "{surprises:?}");
}

#[test]
fn a_condition_that_lasts_is_told_once() {
    let mut baseline = Baseline::new();
    teach(&mut baseline, 0..DAY, |second| 100.0 + 10.0 * noise(second));
    let mut alarms = Vec::new();
    for second in (DAY..DAY + 7_200).step_by(MINUTE) {
        let score = baseline.observe(at(second), 1_000.0 + 10.0 * noise(second));
        alarms.extend((score.anomaly > 0.5).then_some((second - DAY) / 60));
    }
    // The error comes first, then its mean, for as long as that grows.
    assert!(alarms.first() == Some(&0) && alarms.len() <= 6, "{alarms:?}");
    assert!(alarms.iter().all(|minute| *minute < 15), "{alarms:?}");
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
    assert!(highest < 0.65, "{highest}");
    // What is known to be a count has a likelihood of its own.
    let mut counts = Baseline::new();
    for second in (0..5 * DAY).step_by(MINUTE) {
        let score = counts.observe_count(at(second), u32::from(value(second) > 0.5));
        assert!(score.anomaly < 0.5, "{score:?}");
    }
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
fn a_first_change_after_none_is_rare_whatever_its_size() {
    for (usual, changed) in [(100.0, 500.0), (100.0, 100.1), (0.0, 7.0), (0.0, 1e-9), (-5.0, 3e9)] {
        let mut baseline = Baseline::new();
        let calm = teach(&mut baseline, 0..2_000 * 300, |_second| usual);
        assert!(calm < 0.2, "{calm}");
        let score = baseline.observe(at(2_000 * 300), changed);
        assert!(score.anomaly > 0.5 && score.surprise < 12.0, "{score:?} for {changed} after {usual}");
        assert!((score.expected - usual).abs() < 1e-9, "{score:?}");
    }
}

#[test]
fn counts_without_variation_have_that_of_counts() {
    let after = |usual: u32, count: u32| {
        let mut baseline = Baseline::new();
        for minute in 0..140 {
            assert!(baseline.observe_count(at(minute * 60), usual).anomaly < 0.1);
        }
        baseline.observe_count(at(140 * 60), count).surprise
    };
    assert!(after(10, 300) > 15.0 && after(0, 60) > 12.0, "{} {}", after(10, 300), after(0, 60));
    assert!(after(10, 14) < 3.0 && after(0, 1) < 6.0, "{} {}", after(10, 14), after(0, 1));
}

#[test]
fn shares_without_variation_have_that_of_their_trials() {
    let after = |hits: u32, trials: u32| {
        let mut baseline = Baseline::new();
        for minute in 0..140 {
            assert!(baseline.observe_share(at(minute * 60), 0, 25).anomaly < 0.1);
        }
        baseline.observe_share(at(140 * 60), hits, trials).surprise
    };
    assert!(after(25, 25) > 10.0 && after(15, 30) > 9.0, "{} {}", after(25, 25), after(15, 30));
    assert!(after(1, 25) < 6.0, "{}", after(1, 25));
    let mut baseline = Baseline::new();
    assert_eq!(baseline.observe_share(at(0), 0, 0), Score::NONE);
}

/// Poisson counts of a low rate: what such a process does by itself is not unusual, and they are no deviations from a
/// mean.
#[test]
fn few_events_by_chance_surprise_nobody() {
    let mut baseline = Baseline::new();
    let mut highest = 0.0_f64;
    for minute in 0..10_080 {
        let uniform = f64::midpoint(noise(minute), 1.0);
        // Of a mean of a tenth.
        let count = u32::from(uniform > 0.9048) + u32::from(uniform > 0.9953) + u32::from(uniform > 0.99985);
        highest = highest.max(baseline.observe_count(at(minute * 60), count).anomaly);
    }
    assert!(highest < 0.6, "{highest}");
}

/// An incident comes so and so often a week, however often somebody looks.
#[test]
fn a_chance_is_told_by_time_not_by_value() {
    let score_with = |interval: u64| {
        let mut baseline = Baseline::new();
        for value in 0..500 {
            baseline.observe(at(value * interval), 100.0 + 10.0 * noise(value));
        }
        baseline.observe(at(500 * interval), 150.0)
    };
    let (minutes, quarters) = (score_with(60), score_with(900));
    let nats = |score: Score| -(1.0 - score.anomaly).log2() * 1_000_f64.ln();
    assert!((nats(minutes) - minutes.surprise).abs() < 1e-9, "{minutes:?}");
    assert!((nats(quarters) - quarters.surprise - 15_f64.ln()).abs() < 1e-9, "{quarters:?}");
}

#[test]
fn incidents_that_are_common_are_still_told() {
    let mut baseline = Baseline::new();
    let is_bad = |second: u64| second % DAY >= DAY / 2 && second % DAY < DAY / 2 + 1_800;
    let value = |second: u64| if is_bad(second) { 300.0 } else { 100.0 + 10.0 * noise(second) };
    teach(&mut baseline, 0..6 * DAY + DAY / 2, value);
    let told = teach(&mut baseline, 6 * DAY + DAY / 2..7 * DAY, value);
    assert!(told > 0.5, "{told}");
}

#[test]
fn a_pause_is_no_jump() {
    for pause in [3 * 3_600, 12 * 3_600, 3 * DAY] {
        let mut baseline = Baseline::new();
        let begin = 6 * DAY + 3_600;
        teach(&mut baseline, 0..begin, daily);
        let score = baseline.observe(at(begin + pause), daily(begin + pause));
        assert!(score.anomaly < 0.5, "{score:?} after {pause} s");
    }
}

#[test]
fn memory_is_what_the_documentation_says() {
    let histograms = 2 * BINS * size_of::<f32>();
    assert!(size_of::<Baseline>() + histograms <= 5_000, "{}", size_of::<Baseline>() + histograms);
}

#[test]
fn what_is_kept_goes_on_as_before() {
    let mut baseline = Baseline::new();
    for days in [0, 1, 9] {
        teach(&mut baseline, 0..days * DAY, daily);
        let bytes = baseline.kept();
        assert!(bytes.len() < 2_800, "{}", bytes.len());
        let mut again = Baseline::from_kept(&bytes).unwrap();
        assert_eq!(again.kept(), bytes);
        let mut whole = baseline.clone();
        for minute in 0..600 {
            let (second, value) = (days * DAY + minute * 60, daily(minute * 60 + 7) * 1.1);
            let (one, other) = (whole.observe(at(second), value), again.observe(at(second), value));
            assert!((one.expected / other.expected - 1.0).abs() < 0.02, "{one:?} {other:?}");
            assert!((one.surprise - other.surprise).abs() < 1.0, "{one:?} {other:?}");
        }
        for length in 0..bytes.len() {
            assert!(Baseline::from_kept(&bytes[..length]).is_none(), "{length}");
        }
    }
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

/// A value as each kind of value in turn.
fn judge(baseline: &mut Baseline, (second, value): (u64, f64)) -> Score {
    let at = Timestamp::default().plus(Duration::from_secs(second));
    let count = u32::try_from(value.to_bits() & 0xffff_ffff).unwrap();
    match value.to_bits() >> 32 & 3 {
        0 => baseline.observe_count(at, count),
        1 => {
            baseline.observe_share(at, count % 1_000, count % 1_000 + u32::try_from(second % 1_000).unwrap())
        }
        _ => baseline.observe(at, value),
    }
}

fn scores(series: &[(u64, f64)], mixed: bool) -> Vec<Score> {
    let mut baseline = Baseline::new();
    let score = |&(second, value): &(u64, f64)| {
        if mixed {
            return judge(&mut baseline, (second, value));
        }
        baseline.observe(Timestamp::default().plus(Duration::from_secs(second)), value)
    };
    series.iter().map(score).collect()
}

proptest! {
    #[test]
    fn scores_are_chances_whatever_comes(series in series(), mixed in any::<bool>()) {
        for score in scores(&series, mixed) {
            prop_assert!((0.0..=1.0).contains(&score.anomaly), "{score:?}");
            prop_assert!((0.0..=100.0).contains(&score.surprise), "{score:?}");
            prop_assert!(score.expected.is_finite(), "{score:?}");
        }
    }

    #[test]
    fn what_comes_later_changes_no_score(series in series(), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(series.len() + 1);
        let whole = scores(&series, false);
        prop_assert_eq!(&whole[..cut], &scores(&series[..cut], false)[..]);
    }

    #[test]
    fn whatever_comes_can_be_kept(series in series(), more in series()) {
        let mut baseline = Baseline::new();
        for &value in &series {
            judge(&mut baseline, value);
        }
        let bytes = baseline.kept();
        prop_assert!(bytes.len() <= 4_500);
        let mut again = Baseline::from_kept(&bytes).unwrap();
        prop_assert_eq!(again.kept(), bytes);
        for &value in &more {
            prop_assert!((0.0..=1.0).contains(&judge(&mut again, value).anomaly));
        }
    }

    #[test]
    fn files_may_hold_anything(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        series in series(),
    ) {
        let mut baseline = Baseline::new();
        teach(&mut baseline, 0..7_200, daily);
        let mut bytes = baseline.kept();
        for (place, byte) in edits {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(mut read) = Baseline::from_kept(&bytes) {
            for score in series.iter().map(|&value| judge(&mut read, value)) {
                prop_assert!((0.0..=1.0).contains(&score.anomaly) && score.expected.is_finite(), "{score:?}");
            }
        }
    }
}
