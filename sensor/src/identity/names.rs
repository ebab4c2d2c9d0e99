//! Finds the few relevant names among many irrelevant ones.

/// Names with what they stand for, compared without regard to case.
#[derive(Clone, Debug)]
pub(super) struct Names<T> {
    rows: [Row; LENGTHS],
    /// By row; within one in the order given.
    entries: Vec<(Box<[u8]>, T)>,
}

/// The names of one length.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    /// A bit for each [`shape`]: one load rules out most irrelevant names.
    shapes: u32,
    start: u16,
    end: u16,
}

/// Lengths that have a row of their own; all longer names share the last.
const LENGTHS: usize = 32;

impl<T: Copy> Names<T> {
    /// Where a name is given twice, the first counts. No more than 65,535 names.
    pub(super) fn new<'n>(names: impl IntoIterator<Item = (&'n str, T)>) -> Self {
        let lower = |name: &str| name.to_ascii_lowercase().into_bytes().into_boxed_slice();
        let mut entries: Vec<_> = names.into_iter().map(|(name, meaning)| (lower(name), meaning)).collect();
        entries.sort_by_key(|(name, _)| row(name));
        let mut rows = [Row::default(); LENGTHS];
        for (index, (name, _)) in entries.iter().enumerate() {
            let Some(row) = rows.get_mut(row(name)) else { continue };
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            if row.shapes == 0 {
                row.start = index;
            }
            row.end = index.saturating_add(1);
            row.shapes |= shape(name);
        }
        Self { rows, entries }
    }

    #[inline]
    pub(super) fn find(&self, name: &[u8]) -> Option<T> {
        let row = self.rows.get(row(name))?;
        if row.shapes & shape(name) == 0 {
            return None;
        }
        let entries = self.entries.get(row.start.into()..row.end.into())?;
        let same = |(known, _): &&(Box<[u8]>, T)| known.eq_ignore_ascii_case(name);
        entries.iter().find(same).map(|(_, meaning)| *meaning)
    }
}

#[inline]
fn row(name: &[u8]) -> usize {
    name.len().min(LENGTHS.saturating_sub(1))
}

/// One bit, selected by the low five bits of a name's first and last byte, which are independent of case.
#[inline]
const fn shape(name: &[u8]) -> u32 {
    let (Some(first), Some(last)) = (name.first(), name.last()) else { return 0 };
    1_u32.wrapping_shl((first.wrapping_add(last.wrapping_mul(3)) & 0x1f) as u32)
}

/// Patterns with their meaning; most names are ruled out by their first and last byte.
#[derive(Clone, Debug)]
pub(super) struct Patterns<T> {
    /// A bit for each first byte of a pattern that has no `*` there.
    firsts: u32,
    /// A bit for each last byte of a pattern that has `*` only at the start.
    lasts: u32,
    /// Whether a pattern has `*` at both ends.
    any: bool,
    entries: Vec<(Pattern, T)>,
}

impl<T: Copy> Patterns<T> {
    pub(super) fn new<'n>(patterns: impl IntoIterator<Item = (&'n str, T)>) -> Self {
        let mut all = Self { firsts: 0, lasts: 0, any: false, entries: Vec::new() };
        for (pattern, meaning) in patterns {
            let pattern = Pattern::new(pattern);
            match (pattern.any_start, pattern.any_end) {
                (true, true) => all.any = true,
                (true, false) => all.lasts |= bit(pattern.text.last()),
                (false, _) => all.firsts |= bit(pattern.text.first()),
            }
            all.entries.push((pattern, meaning));
        }
        all
    }

    /// The meaning of the first matching pattern.
    pub(super) fn find(&self, name: &[u8]) -> Option<T> {
        if !self.any && self.firsts & bit(name.first()) == 0 && self.lasts & bit(name.last()) == 0 {
            return None;
        }
        self.entries.iter().find(|(pattern, _)| pattern.matches(name)).map(|(_, meaning)| *meaning)
    }
}

/// By the low five bits of a byte, which are independent of case.
fn bit(byte: Option<&u8>) -> u32 {
    byte.map_or(0, |byte| 1_u32.wrapping_shl((*byte & 0x1f).into()))
}

/// A name with `*` at the start or the end, or both.
#[derive(Clone, Debug)]
struct Pattern {
    text: Box<[u8]>,
    any_start: bool,
    any_end: bool,
}

impl Pattern {
    fn new(pattern: &str) -> Self {
        let text = pattern.trim_matches('*').as_bytes().to_ascii_lowercase().into();
        Self { text, any_start: pattern.starts_with('*'), any_end: pattern.ends_with('*') }
    }

    fn matches(&self, name: &[u8]) -> bool {
        let Some(spare) = name.len().checked_sub(self.text.len()) else { return false };
        let at = |start: usize| {
            let part = name.get(start..).and_then(|rest| rest.get(..self.text.len()));
            part.is_some_and(|part| part.eq_ignore_ascii_case(&self.text))
        };
        match (self.any_start, self.any_end) {
            (true, true) => (0..=spare).any(at),
            (true, false) => at(spare),
            (false, true) => at(0),
            (false, false) => spare == 0 && at(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_found_in_any_case() {
        let names = Names::new([("cookie", 1), ("x-api-key", 2), ("cookie", 3)]);
        assert_eq!(names.find(b"Cookie"), Some(1));
        assert_eq!(names.find(b"X-API-KEY"), Some(2));
        for other in ["", "c", "cookies", "cookee", "x-api-kez", "x_api_key"] {
            assert_eq!(names.find(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn patterns_match_at_either_end() {
        let cases = [
            ("*_session", "laravel_session", true),
            ("*_session", "_SESSION", true),
            ("*_session", "_session2", false),
            ("ASPSESSIONID*", "aspsessionidQQABC", true),
            ("ASPSESSIONID*", "ASPSESSION", false),
            ("*auth*", "myAuthToken", true),
            ("*auth*", "author", true),
            ("*auth*", "aut", false),
            ("sid", "sid", true),
            ("sid", "sids", false),
        ];
        for (pattern, name, matches) in cases {
            let patterns = Patterns::new([("x-*", 1), (pattern, 2)]);
            assert_eq!(patterns.find(name.as_bytes()), matches.then_some(2), "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn the_filter_hides_nothing(
            names in prop::collection::vec("[a-zA-Z0-9_.-]{1,40}", 0..20),
            others in prop::collection::vec("[a-zA-Z0-9_.-]{0,40}", 0..20),
        ) {
            let known = Names::new(names.iter().enumerate().map(|(index, name)| (name.as_str(), index)));
            for name in names.iter().chain(&others) {
                let first = names.iter().position(|known| known.eq_ignore_ascii_case(name));
                prop_assert_eq!(known.find(name.to_ascii_uppercase().as_bytes()), first);
            }
        }
    }
}
