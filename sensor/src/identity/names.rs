//! Finding the few names that matter among the many that do not.

/// Names with what they stand for, compared without regard to case.
#[derive(Clone, Debug)]
pub(super) struct Names<T> {
    /// For each length, a bit for each [`shape`] of a name of that length: most names are told apart by one
    /// load.
    shapes: [u32; LENGTHS],
    entries: Vec<(Box<[u8]>, T)>,
}

/// Lengths that have an entry of their own; all longer names share the last.
const LENGTHS: usize = 32;

impl<T: Copy> Names<T> {
    /// Where a name is given twice, the first counts.
    pub(super) fn new<'n>(names: impl IntoIterator<Item = (&'n str, T)>) -> Self {
        let mut all = Self { shapes: [0; LENGTHS], entries: Vec::new() };
        for (name, meaning) in names {
            let name = name.as_bytes();
            if let Some(shapes) = all.shapes.get_mut(row(name)) {
                *shapes |= shape(name);
            }
            all.entries.push((name.to_ascii_lowercase().into(), meaning));
        }
        all
    }

    #[inline]
    pub(super) fn find(&self, name: &[u8]) -> Option<T> {
        let shapes = self.shapes.get(row(name)).copied().unwrap_or(0);
        if shapes & shape(name) == 0 {
            return None;
        }
        self.search(name)
    }

    fn search(&self, name: &[u8]) -> Option<T> {
        let same = |(known, _): &&(Box<[u8]>, T)| known.eq_ignore_ascii_case(name);
        self.entries.iter().find(same).map(|(_, meaning)| *meaning)
    }
}

#[inline]
fn row(name: &[u8]) -> usize {
    name.len().min(LENGTHS.saturating_sub(1))
}

/// One bit, chosen by the low five bits of the first and the last byte of a name, which do not tell the case.
#[inline]
const fn shape(name: &[u8]) -> u32 {
    let (Some(first), Some(last)) = (name.first(), name.last()) else { return 0 };
    1_u32.wrapping_shl((first.wrapping_add(last.wrapping_mul(3)) & 0x1f) as u32)
}

/// Patterns with `*` at the start or the end, or both.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    text: Box<[u8]>,
    any_start: bool,
    any_end: bool,
}

impl Pattern {
    pub(super) fn new(pattern: &str) -> Self {
        let text = pattern.trim_matches('*').as_bytes().to_ascii_lowercase().into();
        Self { text, any_start: pattern.starts_with('*'), any_end: pattern.ends_with('*') }
    }

    pub(super) fn matches(&self, name: &[u8]) -> bool {
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
            assert_eq!(Pattern::new(pattern).matches(name.as_bytes()), matches, "{pattern} {name}");
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
