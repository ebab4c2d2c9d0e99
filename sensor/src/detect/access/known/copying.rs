//! What survives a restart, taken a piece at a time.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;

use super::Known;
use super::days::Day;
use super::kept::{Kept, VERSION};
use super::objects::{Objects, Slot, Who};
use super::pair::Pair;
use super::people::{Person, Use};
use super::template::Template;
use crate::detect::recent::Recent;

/// Objects that are kept, those that were read last: 8 MiB of text. The others are learned again.
const OBJECTS: usize = 1 << 18;

/// Numbers of a table, eight bytes or fewer each: pieces, the last one of the table first.
#[derive(Default)]
struct Out {
    pieces: Vec<Vec<u8>>,
    /// The first entry that was taken; none before the first piece.
    at: Option<usize>,
}

/// A piece.
#[derive(Default)]
pub(super) struct Piece(Vec<u8>);

impl Piece {
    fn put(&mut self, number: impl Into<u64>, bytes: usize) {
        let all = number.into().to_le_bytes();
        self.0.extend_from_slice(all.get(..bytes).unwrap_or(&all));
    }
}

impl Out {
    /// Takes the next entries of a table, and as many less may be taken afterwards; whether these were the last.
    fn take<K, V>(
        &mut self,
        table: &Recent<K, V>,
        left: &mut usize,
        mut one: impl FnMut(&mut Piece, &K, &V),
    ) -> bool
    where
        K: Copy + Eq + std::hash::Hash,
    {
        let end = self.at.unwrap_or(usize::MAX).min(table.usage().entries);
        let entries = table.before(end, *left);
        *left = left.saturating_sub(entries.len());
        let start = end.saturating_sub(entries.len());
        self.at = Some(start);
        let mut piece = Piece::default();
        entries.for_each(|(key, value)| one(&mut piece, key, value));
        self.pieces.push(piece.0);
        start == 0
    }

    /// In the order of the table.
    fn text(self) -> String {
        let bytes: Vec<u8> = self.pieces.into_iter().rev().flatten().collect();
        BASE64_STANDARD_NO_PAD.encode(bytes)
    }
}

/// Which objects are taken: all, or those that were read last.
#[derive(Default)]
struct Choice {
    /// Objects by the day on which they were read last, until the days are chosen.
    days: BTreeMap<Day, usize>,
    /// Those after this day are taken, and so many of it.
    cut: Option<(Day, usize)>,
}

impl Choice {
    fn is_taken(&mut self, day: Day) -> bool {
        let Some((cut, left)) = &mut self.cut else { return true };
        if day == *cut && *left > 0 {
            *left = left.saturating_sub(1);
            return true;
        }
        day > *cut
    }

    /// Of the days that were counted, the last ones with `most` objects together.
    fn choose(&mut self, most: usize) {
        let mut left = most;
        for (day, count) in std::mem::take(&mut self.days).into_iter().rev() {
            self.cut = Some((day, left));
            match left.checked_sub(count) {
                Some(rest) => left = rest,
                None => return,
            }
        }
        self.cut = None;
    }
}

/// What has been taken.
#[derive(Default)]
pub(crate) struct Copying {
    stage: usize,
    people: Out,
    uses: Out,
    programs: Out,
    networks: Out,
    templates: Out,
    pairs: Out,
    objects: Vec<Vec<u8>>,
    choice: Choice,
    /// The next part of the table of objects.
    part: usize,
    first: Option<Day>,
}

/// Whether a stage is over; it takes from what is left of a piece.
type Stage = fn(&mut Copying, &Known, &mut usize) -> bool;

/// What a part of the table of objects costs at least.
const LOOK: usize = 8;

impl Copying {
    const STAGES: [Stage; 8] = [
        |copy, known, left| copy.people.take(&known.people.people, left, put_person),
        |copy, known, left| copy.uses.take(&known.people.uses, left, put_use),
        |copy, Known { people, .. }, left| copy.programs.take(&people.origins.programs, left, put_use),
        |copy, Known { people, .. }, left| copy.networks.take(&people.origins.networks, left, put_use),
        |copy, known, left| copy.templates.take(&known.templates, left, put_template),
        |copy, known, left| copy.pairs.take(&known.pairs, left, put_pair),
        |copy, known, left| copy.count_days(&known.objects, left),
        |copy, known, left| copy.take_objects(&known.objects, left),
    ];

    /// Counts objects by day where not all of them are taken.
    fn count_days(&mut self, objects: &Objects, left: &mut usize) -> bool {
        if objects.entries <= OBJECTS {
            return true;
        }
        while *left > 0 {
            let Some(part) = objects.part_at(self.part) else {
                self.choice.choose(OBJECTS);
                self.part = 0;
                return true;
            };
            self.part = self.part.saturating_add(1);
            *left = left.saturating_sub(part.len().max(LOOK));
            for slot in part.iter().filter(|slot| slot.object != 0) {
                let count = self.choice.days.entry(slot.day).or_default();
                *count = count.saturating_add(1);
            }
        }
        false
    }

    fn take_objects(&mut self, objects: &Objects, left: &mut usize) -> bool {
        while *left > 0 {
            let Some(part) = objects.part_at(self.part) else { return true };
            self.part = self.part.saturating_add(1);
            *left = left.saturating_sub(part.len().max(LOOK));
            let mut piece = Piece::default();
            for slot in part.iter().filter(|slot| slot.object != 0) {
                if self.choice.is_taken(slot.day) {
                    put_object(&mut piece, slot);
                }
            }
            self.objects.push(piece.0);
        }
        false
    }

    /// The form of the file. It is long, and takes its time.
    pub(crate) fn kept(self) -> Option<serde_json::Value> {
        let objects: Vec<u8> = self.objects.into_iter().flatten().collect();
        let kept = Kept {
            version: VERSION,
            first: self.first,
            people: self.people.text(),
            uses: self.uses.text(),
            programs: self.programs.text(),
            networks: self.networks.text(),
            templates: self.templates.text(),
            pairs: self.pairs.text(),
            objects: BASE64_STANDARD_NO_PAD.encode(objects),
        };
        serde_json::to_value(kept).ok()
    }
}

impl Known {
    /// Copies so many entries of what it knows, about; whether these were the last.
    pub(crate) fn copy(&self, copying: &mut Copying, most: usize) -> bool {
        copying.first = self.first;
        let mut left = most;
        while let Some(stage) = Copying::STAGES.get(copying.stage) {
            if left == 0 || !stage(copying, self, &mut left) {
                return false;
            }
            copying.stage = copying.stage.saturating_add(1);
        }
        true
    }
}

fn put_use(out: &mut Piece, key: &u32, known: &Use) {
    out.put(*key, 4);
    out.put(known.first, 2);
    known.users.bits().iter().for_each(|word| out.put(*word, 8));
}

fn put_person(out: &mut Piece, who: &Who, person: &Person) {
    out.put(*who, 4);
    out.put(person.first, 2);
    out.put(person.day, 2);
    out.put(person.origin.network, 4);
    out.put(person.origin.program, 4);
    out.put(person.roams, 2);
    person.marks.iter().for_each(|mark| out.put(*mark, 4));
}

fn put_template(out: &mut Piece, key: &u64, template: &Template) {
    out.put(*key, 8);
    template.parts().iter().for_each(|part| out.put(*part, 4));
    out.put(template.active(), 4);
}

fn put_pair(out: &mut Piece, key: &u64, pair: &Pair) {
    out.put(*key, 8);
    out.put(pair.template, 8);
    out.put(pair.day, 2);
    for week in [pair.strangers, pair.refused, pair.of_others] {
        week.parts().iter().for_each(|part| out.put(*part, 2));
    }
    out.put(pair.refused_habit, 2);
    out.put(pair.apart, 1);
    out.put(pair.crossed, 2);
    out.put(pair.told, 2);
    out.put(pair.severity, 1);
    out.put(pair.objects, 4);
    let met = pair.met.parts();
    out.put(u64::try_from(met.len()).unwrap_or_default(), 1);
    met.iter().for_each(|part| out.put(*part, 8));
}

fn put_object(out: &mut Piece, slot: &Slot) {
    out.put(slot.object, 8);
    slot.owners.iter().for_each(|owner| out.put(*owner, 4));
    out.put(slot.day, 2);
    out.put(u8::from(slot.is_shared) | slot.returned << 1, 1);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn objects_that_were_read_last_are_chosen(days in prop::collection::vec(0_u16..9, 1..200), most in 1_usize..250) {
            let mut choice = Choice::default();
            for day in &days {
                *choice.days.entry(*day).or_default() += 1;
            }
            choice.choose(most);
            let mut taken: Vec<Day> = days.iter().copied().filter(|day| choice.is_taken(*day)).collect();
            let mut last = days;
            last.sort_unstable_by(|one, other| other.cmp(one));
            last.truncate(most);
            taken.sort_unstable_by(|one, other| other.cmp(one));
            prop_assert_eq!(taken, last);
        }
    }
}
