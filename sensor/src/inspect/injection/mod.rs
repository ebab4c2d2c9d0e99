//! Recognises injection: values that are meant to be run by what reads them.
//!
//! A value that is not plain ([`plain`]) and was not seen harmless before ([`memo`]) is brought to its normal form
//! ([`normalise`]). There, two judges look at it, and either is enough: [`constructs`], patterns that hardly any
//! harmless value has, and a linear [`model`] over the tokens of its best window.
//!
//! Weights and thresholds come from `cargo xtask train-injection`; `docs/detection.md` says with what error.

mod class;
mod constructs;
mod decode;
mod effects;
mod fold;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod lexicon;
mod memo;
pub mod model;
mod normalise;
mod plain;
#[cfg(test)]
mod tests;
mod tokens;

pub use class::Class;
pub use effects::{Answer, Effect, Effects};
pub use lexicon::TEXT as LEXICON;
pub use normalise::{Flags, MAX_TEXT, Normaliser};
pub use tokens::Token;

use crate::values::{Place, Value};
use constructs::Constructs;
use effects::Sought;
use lexicon::Lexicon;
use memo::Memo;
use model::{Model, RUNS};
use plain::Plain;

/// Tokens of one message that are scored.
const MAX_TOKENS: usize = 1_024;

/// The score, in logits, from which on a value is told. No more than 0.5 % of legitimate requests have such a value in
/// traffic of sites that the model does not know (`docs/detection.md`).
pub const ALERT: f32 = 0.0;

/// The score from which on a value is evidence: 0.9 % have one.
pub const EVIDENCE: f32 = -0.15;

/// Confidence, in percent: of a construct, of a score, of evidence.
const HARD: u8 = 95;
const SCORED: u8 = 70;
const HINTED: u8 = 40;

/// The rule of a score that is enough, and of one that is not.
pub const SCORE_RULE: &str = "score";
/// The rule of a score that is evidence only.
pub const EVIDENCE_RULE: &str = "score-evidence";

/// What was recognised in a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What it is meant to be run by.
    pub class: Class,
    /// The construct, or [`SCORE_RULE`].
    pub rule: &'static str,
    /// In percent.
    pub confidence: u8,
}

/// What a value looks like, for training and for people who judge the rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Constructs.
    pub rules: Vec<(&'static str, Class)>,
    /// The score of the best window, in logits; none where nothing was scored.
    pub score: Option<f32>,
}

/// Recognises injection. Its memory: the weights, the memo, some automata, and buffers for one value.
pub struct Injection {
    plain: Plain,
    memo: Memo,
    lexicon: Lexicon,
    model: Model,
    constructs: Constructs,
    normaliser: Normaliser,
    tokens: Vec<Token>,
    sums: Vec<[i32; RUNS]>,
    /// What answers are searched for.
    sought: Sought,
    /// Tokens that may still be scored of this message.
    left: usize,
    analysed: usize,
    /// The best score of this message.
    best: Option<f32>,
    /// Whether tokens of this message were not scored: what is not judged in full is not remembered as harmless.
    is_cut: bool,
}

impl Default for Injection {
    fn default() -> Self {
        Self::new()
    }
}

impl Injection {
    /// With the weights that are built in.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Model::built_in())
    }

    /// With other weights.
    #[must_use]
    pub fn with(model: Model) -> Self {
        Self {
            plain: Plain::new(),
            memo: Memo::new(),
            lexicon: Lexicon::new(),
            model,
            constructs: Constructs::new(),
            normaliser: Normaliser::default(),
            tokens: Vec::new(),
            sums: Vec::new(),
            sought: Sought::new(),
            left: MAX_TOKENS,
            analysed: 0,
            best: None,
            is_cut: false,
        }
    }

    /// Begins a message.
    pub fn begin(&mut self) {
        self.left = MAX_TOKENS;
        self.analysed = 0;
        self.best = None;
        self.is_cut = false;
        self.sought.clear();
    }

    /// Forgets which values were harmless.
    pub fn forget(&mut self) {
        self.memo.clear();
    }

    /// The best score of this message, in logits; none where nothing was scored.
    #[must_use]
    pub const fn best(&self) -> Option<f32> {
        self.best
    }

    /// Bytes of values of this message that were analysed.
    #[must_use]
    pub const fn analysed(&self) -> usize {
        self.analysed
    }

    /// Looks at a value and tells what it is.
    #[inline]
    pub fn value(&mut self, value: &Value<'_>, tell: &mut dyn FnMut(Hit)) {
        let by_bytes = self.plain.by_bytes(value);
        if value.is_scalar || by_bytes == Some(true) {
            return;
        }
        let hash = self.memo.hash(value.place as u8, value.text);
        if hash.is_some_and(|hash| self.memo.is_known(hash)) {
            return;
        }
        let is_plain = by_bytes.is_none() && self.plain.by_words(value);
        if (is_plain || !self.analyse(value, tell))
            && !self.is_cut
            && let Some(hash) = hash
        {
            self.memo.note(hash);
        }
    }

    /// Whether something was told of a value that is not plain.
    fn analyse(&mut self, value: &Value<'_>, tell: &mut dyn FnMut(Hit)) -> bool {
        let mut is_told = false;
        let (verdict_score, class) = self.judge(value, &mut |rule, class| {
            is_told = true;
            tell(Hit { class, rule, confidence: HARD });
        });
        match verdict_score {
            Some(score) if score >= ALERT && !is_told => {
                is_told = true;
                tell(Hit { class, rule: SCORE_RULE, confidence: SCORED });
            }
            Some(score) if score >= EVIDENCE && !is_told => {
                is_told = true;
                tell(Hit { class, rule: EVIDENCE_RULE, confidence: HINTED });
            }
            _ => {}
        }
        if is_told {
            let Self { normaliser, sought, .. } = self;
            sought.note(value.text, normaliser.last());
        }
        is_told
    }

    fn judge(
        &mut self,
        value: &Value<'_>,
        tell: &mut dyn FnMut(&'static str, Class),
    ) -> (Option<f32>, Class) {
        self.analysed = self.analysed.saturating_add(value.text.len());
        let (text, _) = self.normaliser.normalise(value.text);
        self.constructs.find(text, value.place, &mut |construct| tell(construct.rule, construct.class));
        if is_unscored(value.place) {
            return (None, Class::Unclear);
        }
        let most = self.left.min(MAX_TOKENS);
        if most < 3 {
            self.is_cut = true;
            return (None, Class::Unclear);
        }
        self.is_cut |= !tokens::tokens(text, &self.lexicon, most, &mut self.tokens);
        self.left = self.left.saturating_sub(self.tokens.len());
        let (score, _) = self.model.score(&self.tokens, &mut self.sums);
        self.best = Some(self.best.map_or(score, |best| best.max(score)));
        (Some(score), Class::Unclear)
    }

    /// What a value looks like; the same judges, without the first look and the memo.
    pub fn verdict(&mut self, value: &Value<'_>) -> Verdict {
        if self.plain.is_plain(value) {
            return Verdict::default();
        }
        self.left = MAX_TOKENS;
        let mut rules = Vec::new();
        let (score, _) = self.judge(value, &mut |rule, class| rules.push((rule, class)));
        Verdict { rules, score }
    }

    /// The tokens of a text, as the model sees them; for training.
    pub fn tokens_of(&mut self, value: &Value<'_>) -> Option<&[Token]> {
        if self.plain.is_plain(value) || is_unscored(value.place) {
            return None;
        }
        let (text, _) = self.normaliser.normalise(value.text);
        tokens::tokens(text, &self.lexicon, MAX_TOKENS, &mut self.tokens);
        Some(&self.tokens)
    }

    /// What the answer shows of what was told.
    #[must_use]
    pub fn effects(&self, answer: &Answer<'_>) -> Effects {
        self.sought.look(answer)
    }
}

/// Whether the score says nothing of a place: program names and lists of types in headers have a grammar of their own.
const fn is_unscored(place: Place) -> bool {
    matches!(place, Place::Header)
}
