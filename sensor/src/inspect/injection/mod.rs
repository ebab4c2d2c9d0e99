//! Recognises injection: values that are meant to be executed by whatever reads them.
//!
//! A value that is not plain ([`plain`]) and not known to be harmless ([`memo`]) is normalised ([`normalise`]). Two judges
//! look at the normal form, and either suffices: [`constructs`], patterns that hardly any harmless value has, and a linear
//! [`model`] over the tokens of the best window. In texts that people write ([`writing`]) most of that is only evidence.
//!
//! Weights and thresholds come from `cargo xtask train-injection`; `docs/detection.md` has the error rates.

mod class;
mod constructs;
mod decode;
mod document;
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
mod writing;

pub use class::Class;
pub use effects::{Answer, Effect, Effects};
pub use lexicon::TEXT as LEXICON;
pub use normalise::{Flags, MAX_TEXT, Normaliser};
pub use tokens::Token;

use crate::values::{Place, Value};
use constructs::{Construct, Constructs, InTexts};
use effects::Sought;
use lexicon::Lexicon;
use memo::Memo;
use model::{Model, RUNS};
use plain::Plain;
use writing::Writing;

/// Maximum tokens scored per message.
const MAX_TOKENS: usize = 1_024;

/// Scores from this on, in logits, are reported. At most 0.5 % of legitimate requests have such a value, measured on sites
/// that the model was not trained on (`docs/detection.md`).
pub const ALERT: f32 = 0.0;

/// Scores from this on are evidence: 0.9 % of legitimate requests have one.
pub const EVIDENCE: f32 = -0.15;

/// Confidence, in percent: of a construct, of a score, of evidence.
const HARD: u8 = 95;
const SCORED: u8 = 70;
const HINTED: u8 = 40;

/// The rule for a score that suffices for an alert.
pub const SCORE_RULE: &str = "score";
/// The rule for a score that is only evidence.
pub const EVIDENCE_RULE: &str = "score-evidence";

/// Rules about a value's encoding, regardless of its content.
const NEEDLESS_RULE: &str = "needless-encoding";
const OVERLONG_RULE: &str = "overlong-utf8";

/// What was recognised in a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What it is meant to be executed by.
    pub class: Class,
    /// The construct, or [`SCORE_RULE`].
    pub rule: &'static str,
    /// In percent.
    pub confidence: u8,
}

/// The verdict on a value, for training and for people who evaluate the rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Constructs.
    pub rules: Vec<(&'static str, Class)>,
    /// The score of the best window, in logits; none if nothing was scored.
    pub score: Option<f32>,
}

/// Recognises injection. Its memory: the weights, the memo, some automata, and buffers for one value.
pub struct Injection {
    plain: Plain,
    memo: Memo,
    lexicon: Lexicon,
    model: Model,
    constructs: Constructs,
    writing: Writing,
    normaliser: Normaliser,
    /// Of a text without its code.
    spare: Normaliser,
    tokens: Vec<Token>,
    sums: Vec<[i32; RUNS]>,
    /// What to search for in the response.
    sought: Sought,
    /// Tokens of this message that may still be scored.
    left: usize,
    analysed: usize,
    /// The best score of this message.
    best: Option<f32>,
    /// Whether tokens of this message were not scored. Values that were not fully judged are not remembered as harmless.
    is_cut: bool,
    /// Values of this message that led to a finding.
    told: u32,
    /// The header or path being walked: its hash, and `told` before it.
    header: Option<(u64, u32)>,
}

impl Default for Injection {
    fn default() -> Self {
        Self::new()
    }
}

impl Injection {
    /// With the built-in weights.
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
            writing: Writing::new(),
            normaliser: Normaliser::default(),
            spare: Normaliser::default(),
            tokens: Vec::new(),
            sums: Vec::new(),
            sought: Sought::new(),
            left: MAX_TOKENS,
            analysed: 0,
            best: None,
            is_cut: false,
            told: 0,
            header: None,
        }
    }

    /// Starts a message.
    pub fn begin(&mut self) {
        self.left = MAX_TOKENS;
        self.analysed = 0;
        self.best = None;
        self.is_cut = false;
        self.told = 0;
        self.sought.clear();
    }

    /// Forgets which values are harmless.
    pub fn forget(&mut self) {
        self.memo.clear();
    }

    /// The best score of this message, in logits; none if nothing was scored.
    #[must_use]
    pub const fn best(&self) -> Option<f32> {
        self.best
    }

    /// Bytes of values of this message that were analysed.
    #[must_use]
    pub const fn analysed(&self) -> usize {
        self.analysed
    }

    /// Values of this message that led to a finding.
    #[must_use]
    pub const fn told(&self) -> u32 {
        self.told
    }

    /// Whether a part of this message was not judged.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Whether a header or a path, as sent, was walked before without a finding.
    #[inline]
    pub fn is_known(&mut self, header: &Value<'_>) -> bool {
        let hash = self.memo.hash(header.place as u8 | WHOLE, header.text);
        self.header = hash.map(|hash| (hash, self.told));
        hash.is_some_and(|hash| self.memo.is_known(hash))
    }

    /// Whether a path was walked before without a finding.
    #[inline]
    pub fn is_known_path(&self, path: &[u8]) -> bool {
        let hash = self.memo.hash(Place::Path as u8 | WHOLE, path);
        hash.is_some_and(|hash| self.memo.is_known(hash))
    }

    /// The last unknown header or path has been walked; `is_cut` if not to its end.
    pub fn walked(&mut self, is_cut: bool) {
        if let Some((hash, told)) = self.header.take()
            && !is_cut
            && !self.is_cut
            && told == self.told
        {
            self.memo.note(hash);
        }
    }

    /// Judges a value and reports hits.
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
        if !is_plain && self.analyse(value, tell) {
            self.told = self.told.saturating_add(1);
        } else if !self.is_cut
            && let Some(hash) = hash
        {
            self.memo.note(hash);
        }
    }

    /// Judges a value that is not plain; returns whether there was a hit.
    fn analyse(&mut self, value: &Value<'_>, tell: &mut dyn FnMut(Hit)) -> bool {
        let mut is_told = false;
        let (score, muted) = self.judge(value, &mut |rule, class| {
            is_told = true;
            tell(Hit { class, rule, confidence: HARD });
        });
        let scored = score.filter(|score| *score >= EVIDENCE);
        if !is_told && let Some(class) = muted {
            is_told = true;
            tell(Hit { class, rule: EVIDENCE_RULE, confidence: HINTED });
        } else if !is_told && let Some(score) = scored {
            is_told = true;
            let (rule, confidence) =
                if score >= ALERT { (SCORE_RULE, SCORED) } else { (EVIDENCE_RULE, HINTED) };
            tell(Hit { class: Class::Unclear, rule, confidence });
        }
        if is_told {
            let Self { normaliser, sought, .. } = self;
            sought.note(value.text, normaliser.last());
        }
        is_told
    }

    /// Reports constructs. Returns the score, and the class of what was found in a text and does not count there.
    fn judge(
        &mut self,
        value: &Value<'_>,
        tell: &mut dyn FnMut(&'static str, Class),
    ) -> (Option<f32>, Option<Class>) {
        self.analysed = self.analysed.saturating_add(value.text.len());
        let Self { normaliser, spare, constructs, writing, .. } = self;
        let (constructs, writing) = (&*constructs, &*writing);
        let (text, flags) = normaliser.normalise(value.text);
        let is_document = !flags.is_hidden() && document::is_document(value.text);
        let (mut is_text, mut muted) = (None, None);
        constructs.find(text, value.place, &mut |construct| {
            if is_document && construct.rule == constructs::ABSOLUTE_PATH_RULE {
                return false;
            }
            let is_text = *is_text.get_or_insert_with(|| !flags.is_hidden() && writing.is_text(value, text));
            let counts = !is_text || counts_in_text(construct, constructs, value.text, spare);
            if counts {
                tell(construct.rule, construct.class);
            } else {
                muted = muted.or(Some(construct.class));
            }
            counts
        });
        if flags.is_needless && text.iter().all(is_of_word) {
            tell(NEEDLESS_RULE, Class::Unclear);
        }
        if flags.is_overlong {
            tell(OVERLONG_RULE, Class::Unclear);
        }
        if is_document || is_unscored(value.place) {
            return (None, muted);
        }
        let most = self.left.min(MAX_TOKENS);
        if most < 3 {
            self.is_cut = true;
            return (None, muted);
        }
        self.is_cut |= !tokens::tokens(text, &self.lexicon, most, &mut self.tokens);
        self.left = self.left.saturating_sub(self.tokens.len());
        let (mut score, _) = self.model.score(&self.tokens, &mut self.sums);
        if score >= EVIDENCE
            && *is_text.get_or_insert_with(|| !flags.is_hidden() && self.writing.is_text(value, text))
        {
            muted = muted.or(Some(Class::Unclear));
            score = EVIDENCE;
        }
        self.best = Some(self.best.map_or(score, |best| best.max(score)));
        (Some(score), muted)
    }

    /// The verdict on a value, from the same judges, without the memo.
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

    /// What the response shows of the hits.
    #[must_use]
    pub fn effects(&self, answer: &Answer<'_>) -> Effects {
        self.sought.look(answer)
    }
}

/// Whether a construct counts in a text that breaks out of nothing.
fn counts_in_text(
    construct: &'static Construct,
    constructs: &Constructs,
    text: &[u8],
    spare: &mut Normaliser,
) -> bool {
    match construct.in_texts {
        InTexts::Never => false,
        InTexts::Always => true,
        InTexts::OutsideCode => {
            let mut shown = zeroize::Zeroizing::new(Vec::new());
            writing::without_code(text, &mut shown);
            constructs.has(construct, spare.normalise(&shown).0)
        }
    }
}

/// Whether a byte is usual in words, names and addresses. Obfuscated data of scripts has all other bytes, and by chance
/// sequences that look like escapes.
const fn is_of_word(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'@' | b'/' | b' ')
}

/// Set in the place of a whole header or path, as opposed to one value.
const WHOLE: u8 = 0x80;

/// Whether values in a place are not scored: user agents and lists of media types have their own grammar.
const fn is_unscored(place: Place) -> bool {
    matches!(place, Place::Header)
}
