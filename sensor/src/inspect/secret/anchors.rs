//! Searches for the fixed parts of all formats at once.

use aho_corasick::packed;
use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};
use memchr::memmem;

use super::Hit;
use super::check;
use crate::route::key_forms::{FORMS, SHORT};

/// The searcher for the fixed parts of all formats.
pub(crate) struct Scanner {
    engine: Engine,
    short: [memmem::Finder<'static>; SHORT.len()],
}

enum Engine {
    /// By SIMD, where the processor has it.
    Packed(packed::Searcher),
    Automaton(AhoCorasick),
}

impl Scanner {
    /// A searcher; none if its tables exceed the limits of the library, which a test rules out.
    pub(crate) fn new() -> Option<Self> {
        let prefixes = || FORMS.iter().map(|form| form.prefix);
        let mut packed = packed::Config::new().match_kind(packed::MatchKind::LeftmostFirst).builder();
        packed.extend(prefixes());
        let engine = match packed.build() {
            Some(searcher) => Engine::Packed(searcher),
            None => Engine::Automaton(
                AhoCorasickBuilder::new().match_kind(MatchKind::LeftmostFirst).build(prefixes()).ok()?,
            ),
        };
        Some(Self { engine, short: SHORT.map(|form| memmem::Finder::new(form.prefix)) })
    }

    /// Reports each secret in a text.
    pub(crate) fn scan(&self, text: &[u8], mut tell: impl FnMut(Hit)) {
        let mut look = |number: usize, start: usize| {
            if let Some(hit) = FORMS.get(number).and_then(|form| check::check(form, text, start)) {
                tell(hit);
            }
        };
        match &self.engine {
            Engine::Packed(searcher) => {
                searcher.find_iter(text).for_each(|found| look(found.pattern().as_usize(), found.start()));
            }
            Engine::Automaton(automaton) => {
                automaton.find_iter(text).for_each(|found| look(found.pattern().as_usize(), found.start()));
            }
        }
        for (form, finder) in SHORT.iter().zip(&self.short) {
            finder.find_iter(text).filter_map(|start| check::check(form, text, start)).for_each(&mut tell);
        }
    }
}
