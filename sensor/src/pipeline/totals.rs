//! Exchanges by the closed sets of labels used in metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::event::LoginOutcome;

/// Status codes by their first digit (RFC 9110, section 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StatusClass {
    /// No response was seen.
    None,
    /// 1xx
    Informational,
    /// 2xx
    Successful,
    /// 3xx
    Redirection,
    /// 4xx
    ClientError,
    /// 5xx
    ServerError,
    /// Anything else.
    Other,
}

impl StatusClass {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::Informational,
        Self::Successful,
        Self::Redirection,
        Self::ClientError,
        Self::ServerError,
        Self::Other,
    ];

    /// The class of a status.
    #[must_use]
    pub const fn of(status: Option<u16>) -> Self {
        match status {
            None => Self::None,
            Some(100..=199) => Self::Informational,
            Some(200..=299) => Self::Successful,
            Some(300..=399) => Self::Redirection,
            Some(400..=499) => Self::ClientError,
            Some(500..=599) => Self::ServerError,
            Some(_) => Self::Other,
        }
    }

    /// The metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Informational => "1xx",
            Self::Successful => "2xx",
            Self::Redirection => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
            Self::Other => "other",
        }
    }

    /// Whether the server reports an error.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::ClientError | Self::ServerError)
    }
}

/// Upper bounds of the duration buckets in microseconds: 0.5 ms to 10 s, closer together below 0.1 s.
pub const DURATION_BUCKETS: [u64; 12] =
    [500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 10_000_000];

/// How long servers took to answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    /// Exchanges in each bucket of [`DURATION_BUCKETS`], not cumulative.
    pub buckets: [u64; DURATION_BUCKETS.len()],
    /// All exchanges with a duration.
    pub count: u64,
    /// Their durations together, in microseconds.
    pub sum_us: u64,
}

impl Durations {
    /// Counts one more.
    pub fn note(&mut self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let place = DURATION_BUCKETS.iter().position(|bound| us <= *bound);
        if let Some(bucket) = place.and_then(|place| self.buckets.get_mut(place)) {
            *bucket = bucket.saturating_add(1);
        }
        self.count = self.count.saturating_add(1);
        self.sum_us = self.sum_us.saturating_add(us);
    }
}

/// Version, method and status class.
type Labels = (&'static str, &'static str, StatusClass);

/// Totals of exchanges since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// All exchanges.
    pub exchanges: u64,
    /// Of these, with a status of 400 or more.
    pub failures: u64,
    /// Of these, from clients whose address was not shown to be genuine.
    pub unproven: u64,
    /// Further exchanges that were already counted.
    pub seen_twice: u64,
    /// Durations.
    pub durations: Durations,
    /// Attempts to log in, by outcome.
    logins: [u64; LoginOutcome::ALL.len()],
    /// Successful ones whose password was looked up in the list of leaked ones, and those whose password is in it.
    looked_up: u64,
    leaked: u64,
    /// By version, method and status class.
    by_labels: BTreeMap<Labels, u64>,
    /// The labels of the last exchange, whose count is not in the map yet: the next one mostly has the same.
    last: Option<(Labels, u64)>,
}

impl Totals {
    pub(super) fn count(
        &mut self,
        version: &'static str,
        method: &'static str,
        status: Option<u16>,
        duration: Option<Duration>,
    ) {
        let class = StatusClass::of(status);
        self.exchanges = self.exchanges.saturating_add(1);
        self.failures = self.failures.saturating_add(class.is_failure().into());
        if let Some(duration) = duration {
            self.durations.note(duration);
        }
        let labels = (version, method, class);
        match &mut self.last {
            Some((last, count)) if *last == labels => *count = count.saturating_add(1),
            _ => {
                self.put_away();
                self.last = Some((labels, 1));
            }
        }
    }

    pub(super) fn count_login(&mut self, outcome: LoginOutcome, times: u64) {
        if let Some(count) = self.logins.get_mut(outcome as usize) {
            *count = count.saturating_add(times);
        }
    }

    /// A password was looked up in the list of leaked ones.
    pub(super) const fn count_looked_up(&mut self, is_leaked: bool) {
        self.looked_up = self.looked_up.saturating_add(1);
        self.leaked = self.leaked.saturating_add(is_leaked as u64);
    }

    /// Successful logins whose password was looked up in the list of leaked ones, and those whose password is in it.
    #[must_use]
    pub const fn leaked(&self) -> (u64, u64) {
        (self.looked_up, self.leaked)
    }

    /// Attempts to log in with an outcome.
    #[must_use]
    pub fn logins(&self, outcome: LoginOutcome) -> u64 {
        self.logins.get(outcome as usize).copied().unwrap_or(0)
    }

    fn put_away(&mut self) {
        if let Some((labels, count)) = self.last.take() {
            let total = self.by_labels.entry(labels).or_default();
            *total = total.saturating_add(count);
        }
    }

    /// Exchanges by version, method and status class.
    #[must_use]
    pub fn by_labels(&self) -> BTreeMap<Labels, u64> {
        let mut totals = self.clone();
        totals.put_away();
        totals.by_labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_counted_by_their_outcome() {
        let mut totals = Totals::default();
        for outcome in [LoginOutcome::Failure, LoginOutcome::Success, LoginOutcome::Failure] {
            totals.count_login(outcome, 1);
        }
        assert_eq!(LoginOutcome::ALL.map(|outcome| totals.logins(outcome)), [1, 2, 0]);
    }

    #[test]
    fn exchanges_are_counted_by_their_labels() {
        let mut totals = Totals::default();
        for status in [Some(200), Some(200), Some(404), Some(200), None, Some(503), Some(999)] {
            totals.count("1.1", "GET", status, status.map(|_| Duration::from_millis(2)));
        }
        let of = |class| totals.by_labels().get(&("1.1", "GET", class)).copied().unwrap_or(0);
        assert_eq!(
            [StatusClass::Successful, StatusClass::ClientError, StatusClass::None, StatusClass::Other]
                .map(of),
            [3, 1, 1, 1]
        );
        assert_eq!((totals.exchanges, totals.failures), (7, 2));
        assert_eq!(
            (totals.durations.count, totals.durations.buckets[2], totals.durations.sum_us),
            (6, 6, 12_000)
        );
    }
}
