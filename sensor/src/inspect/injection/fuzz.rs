//! The fuzz entry of the room.

use super::{Injection, MAX_TEXT, Normaliser};
use crate::values::{Place, Value, Wraps};

/// Judges the input as a value; each time alike, within bounds.
///
/// # Panics
/// If a postcondition does not hold.
pub fn judge(data: &[u8]) {
    thread_local! {
        static JUDGE: std::cell::RefCell<Injection> = std::cell::RefCell::new(Injection::new());
    }
    let value = Value {
        place: Place::Query,
        name: b"q",
        text: data,
        is_name: false,
        is_scalar: false,
        wraps: Wraps::default(),
    };
    let mut normaliser = Normaliser::default();
    let (normal, _) = normaliser.normalise(data);
    // A character of another charset takes at most three bytes more.
    assert!(normal.len() <= MAX_TEXT.saturating_mul(4), "{} bytes", normal.len());
    JUDGE.with_borrow_mut(|judge| {
        let first = judge.verdict(&value);
        assert!(first.score.is_none_or(f32::is_finite), "{:?}", first.score);
        assert_eq!(judge.verdict(&value), first, "two verdicts on one value");
    });
}
