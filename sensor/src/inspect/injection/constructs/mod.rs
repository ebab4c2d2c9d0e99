//! Constructs: patterns that hardly any value has unless it is meant to be executed. One suffices for an alert.
//!
//! Each is a regular expression over the normal form, tried only if one of its anchors is found. The `regex` crate matches in
//! time linear in the text.

mod code;
mod files;
mod markup;
mod probe;
mod shell;
mod sql;
mod trees;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex::bytes::{Regex, RegexBuilder};

use super::class::Class;
use crate::values::Place;

/// The rule for paths that begin at a root. Names of documents have some of them, too ([`super::document`]).
pub(super) const ABSOLUTE_PATH_RULE: &str = "absolute-path";

/// A construct.
pub(super) struct Construct {
    /// Its slug.
    pub(super) rule: &'static str,
    /// What it is meant to be executed by.
    pub(super) class: Class,
    /// Every match contains one of these.
    anchors: &'static [&'static str],
    /// The pattern, in verbose mode.
    pattern: &'static str,
    /// A further condition on the text before, the match, and the text after.
    also: fn(&[u8], &[u8], &[u8]) -> bool,
    /// Places where it does not apply.
    except: &'static [Place],
    /// Whether it counts in texts that people write.
    pub(super) in_texts: InTexts,
}

/// Whether a construct counts in a text that breaks out of nothing ([`super::writing`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InTexts {
    /// No: documentation has it, too.
    Never,
    /// Yes: it acts wherever it stands.
    Always,
    /// Unless Markdown marks it as code.
    OutsideCode,
}

const fn always(_before: &[u8], _found: &[u8], _after: &[u8]) -> bool {
    true
}

impl Construct {
    const fn new(
        rule: &'static str,
        class: Class,
        anchors: &'static [&'static str],
        pattern: &'static str,
    ) -> Self {
        Self { rule, class, anchors, pattern, also: always, except: &[], in_texts: InTexts::Never }
    }

    const fn also(mut self, also: fn(&[u8], &[u8], &[u8]) -> bool) -> Self {
        self.also = also;
        self
    }

    const fn in_texts(mut self, in_texts: InTexts) -> Self {
        self.in_texts = in_texts;
        self
    }

    const fn except(mut self, places: &'static [Place]) -> Self {
        self.except = places;
        self
    }
}

/// All of them, in the order in which they are reported.
const TABLES: [&[Construct]; 7] =
    [&code::TABLE, &files::TABLE, &trees::TABLE, &markup::TABLE, &shell::TABLE, &sql::TABLE, &probe::TABLE];

/// Constructs, ready to match.
pub(super) struct Constructs {
    anchors: Option<AhoCorasick>,
    /// For each anchor, the bit of its construct.
    owners: Vec<u64>,
    all: Vec<(&'static Construct, Regex)>,
}

/// Maximum constructs reported per value.
const MAX_TOLD: usize = 4;

impl Constructs {
    pub(super) fn new() -> Self {
        let mut all = Vec::new();
        let mut texts = Vec::new();
        let mut owners = Vec::new();
        for construct in TABLES.into_iter().flatten() {
            // A test checks that all are valid; an invalid one would be skipped.
            let Some(pattern) = compile(construct.pattern) else { continue };
            let bit = 1_u64.checked_shl(u32::try_from(all.len()).unwrap_or(u32::MAX)).unwrap_or(0);
            for anchor in construct.anchors {
                texts.push(anchor.as_bytes());
                owners.push(bit);
            }
            all.push((construct, pattern));
        }
        let anchors = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .build(texts)
            .ok();
        Self { anchors, owners, all }
    }

    /// Reports the constructs in a normal form. `tell` returns whether one counts.
    pub(super) fn find(&self, text: &[u8], place: Place, tell: &mut dyn FnMut(&'static Construct) -> bool) {
        let candidates = self.candidates(text);
        let mut told = 0_usize;
        for (at, (construct, pattern)) in self.all.iter().enumerate() {
            let bit = 1_u64.checked_shl(u32::try_from(at).unwrap_or(u32::MAX)).unwrap_or(0);
            if candidates & bit == 0 || construct.except.contains(&place) || !holds(construct, pattern, text)
            {
                continue;
            }
            told = told.saturating_add(usize::from(tell(construct)));
            if told == MAX_TOLD {
                return;
            }
        }
    }

    /// Whether one construct is in a normal form.
    pub(super) fn has(&self, wanted: &'static Construct, text: &[u8]) -> bool {
        let is_it = |(construct, _): &&(&'static Construct, Regex)| construct.rule == wanted.rule;
        self.all.iter().find(is_it).is_some_and(|(construct, pattern)| holds(construct, pattern, text))
    }

    /// The bits of the constructs with an anchor in the text.
    fn candidates(&self, text: &[u8]) -> u64 {
        let Some(anchors) = &self.anchors else { return u64::MAX };
        let of = |owner: Option<&u64>| owner.copied().unwrap_or_default();
        anchors
            .find_overlapping_iter(text)
            .fold(0, |bits, found| bits | of(self.owners.get(found.pattern().as_usize())))
    }
}

fn compile(pattern: &str) -> Option<Regex> {
    let mut builder = RegexBuilder::new(pattern);
    builder.unicode(false).ignore_whitespace(true).dot_matches_new_line(true).size_limit(8 << 20);
    builder.build().ok()
}

/// Maximum matches examined of a construct with a further condition.
const MAX_MATCHES: usize = 16;

fn holds(construct: &Construct, pattern: &Regex, text: &[u8]) -> bool {
    if std::ptr::fn_addr_eq(construct.also, always as fn(&[u8], &[u8], &[u8]) -> bool) {
        return pattern.is_match(text);
    }
    pattern.find_iter(text).take(MAX_MATCHES).any(|found| {
        let before = text.get(..found.start()).unwrap_or_default();
        let after = text.get(found.end()..).unwrap_or_default();
        (construct.also)(before, found.as_bytes(), after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_construct_compiles_and_every_match_has_an_anchor() {
        let constructs = Constructs::new();
        let count: usize = TABLES.iter().map(|table| table.len()).sum();
        for construct in TABLES.into_iter().flatten() {
            assert!(compile(construct.pattern).is_some(), "{}", construct.rule);
            assert!(!construct.anchors.is_empty(), "{}", construct.rule);
        }
        assert_eq!(constructs.all.len(), count);
        assert!(count <= 64, "a bit each");
    }
}
