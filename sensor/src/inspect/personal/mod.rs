//! Personal data in responses: numbers with check digits, password hashes, e-mail addresses.
//!
//! One pass looks for digits in two of every five bytes, which is enough to hit every number that is searched for, with its
//! separators; the text around a digit is read once. A number that passes its check by chance is distinguished from a
//! real one by the name of its field and by the share of the field's values that pass.

mod card;
mod digits;
mod field;
mod hash;
mod iban;
mod mail;
mod national;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use field::{field_before, hash as name_hash};
pub(crate) use hash::is_bare_digest;

use digits::Run;

/// A kind of personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A payment card number.
    Card,
    /// An international bank account number.
    Iban,
    /// A national identification number.
    NationalId,
    /// A password hash.
    PasswordHash,
    /// An e-mail address.
    Mail,
}

/// A match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// What it is.
    pub(crate) kind: Kind,
    /// The rule that found it: a country, a scheme.
    pub(crate) rule: &'static str,
    /// Where it begins.
    pub(crate) at: usize,
    /// Its length, with separators.
    pub(crate) length: usize,
}

/// Maximum fields of one text that are tallied separately; the rest share one tally.
const FIELDS: usize = 16;
/// Maximum numbers of a text that wait for the verdict on their field.
const WAITING: usize = 64;

/// Digits of the shortest number that is searched for, an Italian one.
const LEAST: usize = 7;

/// An unnamed list.
const LIST: (usize, field::Context) = (0, field::Context::Open);

/// For a field, how many numbers looked like card numbers, and how many passed the check.
#[derive(Clone, Copy, Default)]
struct Tally {
    field: u64,
    shaped: u32,
    passed: u32,
}

/// Finds personal data. It keeps only counts.
pub(crate) struct Scanner {
    tallies: [Tally; FIELDS],
    waiting: Vec<(usize, Item)>,
    /// The field of the previous number: a list has its name only once.
    last: (usize, field::Context),
}

impl Default for Scanner {
    fn default() -> Self {
        Self { tallies: [Tally::default(); FIELDS], waiting: Vec::with_capacity(WAITING), last: LIST }
    }
}

/// Distance between two looks, each at two adjacent bytes: one of them is a digit, wherever the separators are.
const STRIDE: usize = 5;

impl Scanner {
    /// Reports everything in a text. Cards come last.
    pub(crate) fn scan(&mut self, text: &[u8], mut tell: impl FnMut(Item)) {
        self.tallies = [Tally::default(); FIELDS];
        self.waiting.clear();
        self.last = LIST;
        let mut at = 0_usize;
        while let Some(pair) = text.get(at..text.len().min(at.saturating_add(2)))
            && !pair.is_empty()
        {
            let Some(digit) = pair.iter().position(u8::is_ascii_digit) else {
                at = at.saturating_add(STRIDE);
                continue;
            };
            let run = Run::around(text, at.saturating_add(digit));
            at = run.end.max(at).saturating_add(1);
            if run.digits >= LEAST && !run.is_date(text) {
                self.run(text, &run, &mut tell);
            }
        }
        self.settle(&mut tell);
        hash::scan(text, &mut tell);
        mail::scan(text, &mut tell);
    }

    fn run(&mut self, text: &[u8], run: &Run, tell: &mut impl FnMut(Item)) {
        if let Some(item) = iban::find(text, run) {
            tell(item);
            return;
        }
        if let Some(card) = card::shape(text, run) {
            self.card(text, card);
        }
        if let Some(item) = national::find(text, run) {
            tell(item);
        }
    }

    fn card(&mut self, text: &[u8], shape: card::Shape) {
        if !field::is_next_element(text, shape.at) {
            let name = field_before(text, shape.at);
            let context = field::context(name);
            let is_other = context == field::Context::Otherwise;
            self.last = (if is_other { FIELDS } else { self.slot(name) }, context);
        }
        let (slot, context) = self.last;
        if context == field::Context::Otherwise {
            return;
        }
        let passes = shape.passes;
        if let Some(tally) = self.tallies.get_mut(slot) {
            tally.shaped = tally.shaped.saturating_add(1);
            tally.passed = tally.passed.saturating_add(passes.into());
        }
        if passes && !shape.is_test && self.waiting.len() < WAITING {
            let item = Item { kind: Kind::Card, rule: shape.issuer, at: shape.at, length: shape.length };
            let certain = context == field::Context::Card || shape.is_grouped;
            self.waiting.push((if certain { FIELDS } else { slot }, item));
        }
    }

    fn slot(&mut self, name: &[u8]) -> usize {
        let hash = field::hash(name);
        let last = FIELDS.saturating_sub(1);
        for (number, tally) in self.tallies.iter_mut().enumerate() {
            if tally.shaped == 0 {
                tally.field = hash;
            }
            if tally.field == hash || number == last {
                return number;
            }
        }
        last
    }

    /// If fewer than two thirds of a field's numbers pass the check, those that do pass by chance.
    fn settle(&mut self, tell: &mut impl FnMut(Item)) {
        for (slot, item) in self.waiting.drain(..) {
            let by_chance = self
                .tallies
                .get(slot)
                .is_some_and(|tally| tally.passed.saturating_mul(3) < tally.shaped.saturating_mul(2));
            if !by_chance {
                tell(item);
            }
        }
    }
}
