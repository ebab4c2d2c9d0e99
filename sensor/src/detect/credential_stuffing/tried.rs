//! The accounts that one client failed on, individually: which of them may be lines of a list of stolen pairs.
//!
//! A list contains each pair once. A program with an old password repeats its one pair for ever, and a person tries
//! another password after a pause, or gets in.

use std::time::Duration;

use crate::detect::window::{Moment, Span};

/// Maximum accounts remembered per client. Further ones are counted elsewhere, and taken for lines of a list.
const MOST: usize = 128;

/// A sender that tries another password sooner is not a person.
const TYPED: Duration = Duration::from_secs(2);

/// By then programs have repeated their pair, and people have tried again; programs that poll less than once a minute
/// are not part of a rush.
const SETTLED: Duration = Duration::from_secs(60);

/// With more accounts than this, a pair must repeat more often to count as a program's: a list may be gone through
/// twice.
const PROGRAMS: usize = 40;
const TWICE: u8 = 2;
const OFTEN: u8 = 4;

/// The accounts, in the order of first sight.
#[derive(Default)]
pub(super) struct Tried(Vec<Account>);

/// 16 bytes each.
#[derive(Clone, Copy)]
struct Account {
    account: u32,
    /// The hash of the last password; 0 if it could not be read.
    password: u32,
    /// When it was last seen, in tenths of seconds.
    last: u32,
    tries: u8,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Tried once, or without a pause.
    Once,
    /// With another password after a pause.
    Retried,
    /// With the same password again.
    Repeated,
    /// Finally logged in to.
    Recovered,
}

/// How many accounts there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Failed on, and neither recovered nor a program's.
    pub(super) open: u32,
    /// Those of them that were tried once, as lines of a list are.
    pub(super) once: u32,
    /// Those of these that have been left alone for a minute.
    pub(super) settled: u32,
    /// All that are remembered.
    pub(super) known: u32,
}

impl Tried {
    /// A failure on an account, with the hash of its password if it was read. Returns whether it only repeats a pair.
    pub(super) fn failed(&mut self, account: u64, password: Option<u64>, now: Moment, keep: Span) -> bool {
        let (name, password) = (short(account), password.map_or(0, |password| short(password).max(1)));
        if let Some(known) = self.0.iter_mut().find(|known| known.account == name) {
            if keep.covers(moment(known.last), now) {
                return known.again(password, now);
            }
            *known = Account::new(name, password, now);
            return false;
        }
        if self.0.len() >= MOST {
            self.0.retain(|known| keep.covers(moment(known.last), now));
        }
        if self.0.len() < MOST {
            self.0.push(Account::new(name, password, now));
        }
        false
    }

    /// A success on an account; returns how many earlier failures were its owner's.
    pub(super) fn passed(&mut self, account: u64) -> u8 {
        let name = short(account);
        let Some(known) = self.0.iter_mut().find(|known| known.account == name) else { return 0 };
        let excused = if known.kind == Kind::Repeated { 1 } else { known.tries };
        (known.kind, known.tries) = (Kind::Recovered, 0);
        excused
    }

    /// Whether somebody repeated one password for this account, and only to get in: a program whose owner changed it. A
    /// list contains each pair once.
    pub(super) fn is_owners(&self, account: u64) -> bool {
        let name = short(account);
        let is_it = |known: &&Account| known.account == name && known.kind == Kind::Repeated;
        self.0.iter().find(is_it).is_some_and(|known| known.tries >= OFTEN)
    }

    /// Whether further accounts are not remembered.
    pub(super) const fn is_full(&self) -> bool {
        self.0.len() >= MOST
    }

    /// How many there are within a window.
    pub(super) fn count(&self, now: Moment, span: Span) -> Counts {
        let times = if self.0.len() > PROGRAMS { OFTEN } else { TWICE };
        let mut counts = Counts::default();
        for known in self.0.iter().filter(|known| span.covers(moment(known.last), now)) {
            counts.known = counts.known.saturating_add(1);
            let is_open = match known.kind {
                Kind::Once | Kind::Retried => true,
                Kind::Repeated => known.tries < times,
                Kind::Recovered => false,
            };
            counts.open = counts.open.saturating_add(u32::from(is_open));
            if known.kind == Kind::Once {
                counts.once = counts.once.saturating_add(1);
                let is_settled = now.since(moment(known.last)) >= SETTLED;
                counts.settled = counts.settled.saturating_add(u32::from(is_settled));
            }
        }
        counts
    }
}

impl Account {
    fn new(account: u32, password: u32, now: Moment) -> Self {
        Self { account, password, last: tenths(now), tries: 1, kind: Kind::Once }
    }

    fn again(&mut self, password: u32, now: Moment) -> bool {
        let since = tenths(now).saturating_sub(self.last);
        self.tries = self.tries.saturating_add(1);
        let repeats = password != 0 && password == self.password;
        if repeats {
            self.kind = Kind::Repeated;
        } else if Duration::from_millis(u64::from(since).saturating_mul(100)) >= TYPED {
            self.kind = Kind::Retried;
        } else if self.kind == Kind::Recovered {
            self.kind = Kind::Once;
        }
        (self.password, self.last) = (password, tenths(now));
        repeats
    }
}

/// 32 bits distinguish 128 accounts.
fn short(hash: u64) -> u32 {
    u32::try_from(hash >> 32).unwrap_or_default()
}

fn tenths(now: Moment) -> u32 {
    u32::try_from(now.millis() / 100).unwrap_or(u32::MAX)
}

fn moment(tenths: u32) -> Moment {
    Moment::from_millis(u64::from(tenths).saturating_mul(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_secs(600);

    fn hash(number: u64) -> u64 {
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Failures as (second, account, password), then successes; open, once and settled accounts at a second.
    type Row = (&'static str, Vec<(u64, u64, u64)>, Vec<u64>, u64, (u32, u32, u32));

    #[test]
    fn what_looks_like_a_list() {
        let list = |count: u64, every: u64| (0..count).map(move |n| (n * every, n, 100 + n));
        let rows: Vec<Row> = vec![
            ("a list", list(20, 1).collect(), vec![], 20, (20, 20, 0)),
            ("a list, a minute later", list(20, 1).collect(), vec![], 90, (20, 20, 20)),
            ("a list, long ago", list(20, 1).collect(), vec![], 1_000, (0, 0, 0)),
            (
                "programs",
                list(20, 1).chain(list(20, 1).map(|(at, a, p)| (at + 30, a, p))).collect(),
                vec![],
                60,
                (0, 0, 0),
            ),
            (
                "people",
                list(20, 1).map(|(at, a, p)| [(at, a, p), (at + 9, a, p + 1)]).collect::<Vec<_>>().concat(),
                vec![],
                60,
                (20, 0, 0),
            ),
            ("people who get in", list(20, 1).collect(), (0..15).collect(), 60, (5, 5, 0)),
            (
                "two passwords at once",
                list(20, 2).map(|(at, a, p)| [(at, a, p), (at + 1, a, p + 1)]).collect::<Vec<_>>().concat(),
                vec![],
                41,
                (20, 20, 0),
            ),
            (
                "a list, twice",
                (0..2).flat_map(|again| list(60, 1).map(move |(at, a, p)| (at + again * 60, a, p))).collect(),
                vec![],
                120,
                (60, 0, 0),
            ),
        ];
        for (name, failures, successes, at, expected) in rows {
            let mut tried = Tried::default();
            let keep = Span::of(SPAN);
            for (at, account, password) in failures {
                tried.failed(hash(account), Some(hash(password)), Moment::from_millis(at * 1_000), keep);
            }
            for account in successes {
                assert_eq!(tried.passed(hash(account)), 1);
            }
            let counts = tried.count(Moment::from_millis(at * 1_000), keep);
            assert_eq!((counts.open, counts.once, counts.settled), expected, "{name}");
        }
    }

    #[test]
    fn its_memory_is_bounded_and_used_again() {
        let (mut tried, keep) = (Tried::default(), Span::of(SPAN));
        for n in 0..10_000 {
            tried.failed(hash(n), None, Moment::from_millis(n * 10_000), keep);
            assert!(tried.0.len() <= MOST);
        }
        let counts = tried.count(Moment::from_millis(100_000_000), keep);
        assert!((59..=69).contains(&counts.once), "{counts:?}");
        assert_eq!(size_of::<Account>(), 16);
    }
}
