//! Counts of the last seven days.

/// A day's number since 1970.
pub(crate) type Day = u16;

/// Days that are counted apart.
const DAYS: usize = 7;

/// How a step of days is to be understood.
pub(super) const WEEK: Day = 7;

/// Counts of a week, by day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Week([u16; DAYS]);

impl Week {
    /// Days pass: what is older than a week is forgotten.
    pub(super) fn pass(&mut self, days: Day) {
        for _ in 0..days.min(WEEK) {
            self.0.rotate_right(1);
            if let Some(today) = self.0.first_mut() {
                *today = 0;
            }
        }
    }

    /// One more today.
    pub(super) fn add(&mut self) {
        if let Some(today) = self.0.first_mut() {
            *today = today.saturating_add(1);
        }
    }

    /// Today's.
    pub(super) fn today(&self) -> u32 {
        self.0.first().copied().unwrap_or_default().into()
    }

    /// All of them.
    pub(super) fn sum(&self) -> u32 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(u32::from(*count)))
    }

    /// Days with something.
    pub(super) fn days(&self) -> u32 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(u32::from(*count > 0)))
    }

    pub(super) const fn parts(&self) -> [u16; DAYS] {
        self.0
    }

    pub(super) const fn of(parts: [u16; DAYS]) -> Self {
        Self(parts)
    }
}

/// How far a day is behind another one. A clock set back by little stands still; one set back by more starts again.
pub(super) fn passed(from: Day, to: Day) -> Day {
    match to.checked_sub(from) {
        Some(days) => days,
        None if from.saturating_sub(to) > WEEK => WEEK,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_forgets_day_by_day() {
        let mut week = Week::default();
        for _ in 0..7 {
            week.add();
            week.add();
            week.pass(1);
        }
        assert_eq!((week.sum(), week.today(), week.days()), (12, 0, 6));
        week.pass(3);
        assert_eq!(week.sum(), 6);
        week.pass(60_000);
        assert_eq!(week, Week::default());
    }

    #[test]
    fn clocks_are_set() {
        for (from, to, days) in
            [(10, 10, 0), (10, 13, 3), (10, 9, 0), (10, 3, 0), (10, 2, 7), (0, u16::MAX, u16::MAX)]
        {
            assert_eq!(passed(from, to), days, "{from} {to}");
        }
    }
}
