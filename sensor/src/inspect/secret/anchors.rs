//! Finds where forms may begin: all fixed parts at once.

use aho_corasick::packed;
use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};

use super::Hit;
use super::check;
use super::forms::FORMS;

/// The searcher over the fixed parts of all forms.
pub(crate) struct Scanner(Engine);

enum Engine {
    /// By SIMD, where the processor has it.
    Packed(packed::Searcher),
    Automaton(AhoCorasick),
}

impl Scanner {
    /// A searcher; none where its tables do not fit, which they do.
    pub(crate) fn new() -> Option<Self> {
        let prefixes = || FORMS.iter().map(|form| form.prefix);
        let packed = packed::Config::new().match_kind(packed::MatchKind::LeftmostFirst).builder();
        let mut packed = packed;
        packed.extend(prefixes());
        if let Some(searcher) = packed.build() {
            return Some(Self(Engine::Packed(searcher)));
        }
        let automaton = AhoCorasickBuilder::new().match_kind(MatchKind::LeftmostFirst).build(prefixes()).ok()?;
        Some(Self(Engine::Automaton(automaton)))
    }

    /// Tells of each secret in a text, in order.
    pub(crate) fn scan(&self, text: &[u8], mut tell: impl FnMut(Hit)) {
        let mut look = |number: usize, start: usize| {
            if let Some(hit) = FORMS.get(number).and_then(|form| check::check(form, text, start)) {
                tell(hit);
            }
        };
        match &self.0 {
            Engine::Packed(searcher) => {
                searcher.find_iter(text).for_each(|found| look(found.pattern().as_usize(), found.start()));
            }
            Engine::Automaton(automaton) => {
                automaton.find_iter(text).for_each(|found| look(found.pattern().as_usize(), found.start()));
            }
        }
    }
}
