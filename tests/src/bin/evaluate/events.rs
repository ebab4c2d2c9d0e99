//! How many labelled events of a series were found, and how many alarms were about nothing.

/// Points after a labelled event in which an alarm still is about it, and before it in which one is not false.
const TOLERANCE: usize = 5;
/// Alarms with at most this many quiet points between them are one.
const MERGE: usize = 10;

/// Events found, events missed, alarms about nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) found: usize,
    pub(crate) missed: usize,
    pub(crate) false_alarms: usize,
}

impl Counts {
    /// Of a series, both lists of one length.
    pub(crate) fn of(labels: &[bool], flags: &[bool]) -> Self {
        let truth = runs(labels, 0);
        let found = truth.iter().filter(|(from, to)| {
            let reach = flags.get(*from..flags.len().min(to + TOLERANCE + 1)).unwrap_or_default();
            reach.contains(&true)
        });
        let found = found.count();
        let is_near = |alarm: &(usize, usize)| {
            truth.iter().any(|(from, to)| alarm.0 <= to + TOLERANCE && alarm.1 + TOLERANCE >= *from)
        };
        let false_alarms = runs(flags, MERGE).iter().filter(|alarm| !is_near(alarm)).count();
        Self { found, missed: truth.len() - found, false_alarms }
    }

    /// Of both together.
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self {
            found: self.found + other.found,
            missed: self.missed + other.missed,
            false_alarms: self.false_alarms + other.false_alarms,
        }
    }

    /// The harmonic mean of precision and recall.
    pub(crate) fn f1(self) -> f64 {
        let wrong = self.missed + self.false_alarms;
        if self.found == 0 { 0.0 } else { 2.0 * self.found as f64 / (2 * self.found + wrong) as f64 }
    }
}

/// First and last index of each run of `true`, where gaps of at most `merge` points belong to it.
fn runs(flags: &[bool], merge: usize) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (index, _) in flags.iter().enumerate().filter(|(_, flag)| **flag) {
        match runs.last_mut().filter(|(_, last)| index - *last <= merge + 1) {
            Some((_, last)) => *last = index,
            None => runs.push((index, index)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(text: &str) -> Vec<bool> {
        text.bytes().map(|byte| byte == b'#').collect()
    }

    #[test]
    fn runs_join_over_short_gaps() {
        assert_eq!(runs(&flags("#.##..#"), 0), [(0, 0), (2, 3), (6, 6)]);
        assert_eq!(runs(&flags("#.##..#"), 1), [(0, 3), (6, 6)]);
        assert_eq!(runs(&flags("#.##..#"), 2), [(0, 6)]);
    }

    #[test]
    fn late_alarms_count_and_far_ones_are_false() {
        let labels = flags("..........##....................");
        let cases = [
            ("..........#.....................", (1, 0, 0)),
            ("................#...............", (1, 0, 0)),
            (".................#..............", (0, 1, 1)),
            ("......#.........................", (0, 1, 0)),
            ("#.........#....................#", (1, 0, 1)),
        ];
        for (alarms, (found, missed, false_alarms)) in cases {
            assert_eq!(
                Counts::of(&labels, &flags(alarms)),
                Counts { found, missed, false_alarms },
                "{alarms}"
            );
        }
        assert!((Counts { found: 2, missed: 1, false_alarms: 1 }.f1() - 2.0 / 3.0).abs() < 1e-9);
    }
}
