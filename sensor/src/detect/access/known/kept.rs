//! What survives a restart: numbers, eight bytes or fewer each, in base64.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

use super::days::{Day, Week};
use super::met::Met;
use super::objects::{Slot, Who};
use super::origin::Origin;
use super::pair::Pair;
use super::people::{Person, Use};
use super::template::Template;
use super::{Known, TEMPLATES};
use crate::clock::Timestamp;
use crate::detect::recent::{Distinct, Recent};

/// The form below.
const VERSION: u32 = 2;

/// Objects that are kept, those that were read last: 8 MiB of text. The others are learned again.
const OBJECTS: usize = 1 << 18;

/// The file's form.
#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    first: Option<Day>,
    people: String,
    uses: String,
    programs: String,
    networks: String,
    templates: String,
    pairs: String,
    objects: String,
}

/// Writes numbers.
#[derive(Default)]
struct Out(Vec<u8>);

impl Out {
    fn put(&mut self, number: impl Into<u64>, bytes: usize) {
        let all = number.into().to_le_bytes();
        self.0.extend_from_slice(all.get(..bytes).unwrap_or(&all));
    }

    fn text(self) -> String {
        BASE64_STANDARD_NO_PAD.encode(self.0)
    }
}

/// Reads numbers.
struct In<'a>(&'a [u8]);

impl In<'_> {
    fn take(&mut self, bytes: usize) -> Option<u64> {
        let (first, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        let mut all = [0; 8];
        all.get_mut(..bytes)?.copy_from_slice(first);
        Some(u64::from_le_bytes(all))
    }

    fn short(&mut self) -> Option<u16> {
        u16::try_from(self.take(2)?).ok()
    }

    fn word(&mut self) -> Option<u32> {
        u32::try_from(self.take(4)?).ok()
    }

    fn several<T: Copy + Default, const N: usize>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<[T; N]> {
        let mut all = [T::default(); N];
        for place in &mut all {
            *place = one(self)?;
        }
        Some(all)
    }
}

fn uses_kept(table: &Recent<u32, Use>) -> String {
    let mut out = Out::default();
    for (key, known) in table.iter() {
        out.put(*key, 4);
        out.put(known.first, 2);
        known.users.bits().iter().for_each(|word| out.put(*word, 8));
    }
    out.text()
}

fn take_use(table: &mut Recent<u32, Use>, rest: &mut In<'_>, now: Timestamp) -> Option<()> {
    let key = rest.word()?;
    let first = rest.short()?;
    let known = Use { first, users: Distinct::of_bits(rest.several(|rest| rest.take(8))?) };
    table.touch(key, now, || known)?;
    Some(())
}

impl Known {
    /// What it knows.
    pub(crate) fn kept(&self) -> Option<serde_json::Value> {
        let kept = Kept {
            version: VERSION,
            first: self.first,
            people: self.people_kept(),
            uses: uses_kept(&self.people.uses),
            programs: uses_kept(&self.people.origins.programs),
            networks: uses_kept(&self.people.origins.networks),
            templates: self.templates_kept(),
            pairs: self.pairs_kept(),
            objects: self.objects_kept(),
        };
        serde_json::to_value(kept).ok()
    }

    /// Takes it up, as of a time.
    ///
    /// # Errors
    /// If it cannot be read: nothing is taken then, or only part of it.
    pub(crate) fn restore(&mut self, learned: &serde_json::Value, now: Timestamp) -> Result<(), String> {
        let kept: Kept = Kept::deserialize(learned).map_err(|error| format!("access: {error}"))?;
        if kept.version != VERSION {
            return Err(format!("access: version {} is not known", kept.version));
        }
        self.first = kept.first;
        type Part = fn(&mut Known, &mut In<'_>, Timestamp) -> Option<()>;
        let parts: [(&str, &str, Part); 7] = [
            ("people", &kept.people, Self::take_person),
            ("uses", &kept.uses, Self::take_use),
            ("programs", &kept.programs, Self::take_program),
            ("networks", &kept.networks, Self::take_network),
            ("templates", &kept.templates, Self::take_template),
            ("pairs", &kept.pairs, Self::take_pair),
            ("objects", &kept.objects, Self::take_object),
        ];
        for (name, text, take) in parts {
            let bytes =
                BASE64_STANDARD_NO_PAD.decode(text).map_err(|error| format!("access: {name}: {error}"))?;
            let mut rest = In(&bytes);
            while !rest.0.is_empty() {
                take(self, &mut rest, now).ok_or_else(|| format!("access: {name} ends too early"))?;
            }
        }
        Ok(())
    }

    fn people_kept(&self) -> String {
        let mut out = Out::default();
        for (who, person) in self.people.people.iter() {
            out.put(*who, 4);
            out.put(person.first, 2);
            out.put(person.day, 2);
            out.put(person.origin.network, 4);
            out.put(person.origin.program, 4);
            out.put(person.roams, 2);
            person.marks.iter().for_each(|mark| out.put(*mark, 4));
        }
        out.text()
    }

    fn take_person(&mut self, rest: &mut In<'_>, now: Timestamp) -> Option<()> {
        let who: Who = rest.word()?;
        let person = Person {
            first: rest.short()?,
            day: rest.short()?,
            origin: Origin { network: rest.word()?, program: rest.word()? },
            roams: rest.short()?,
            marks: rest.several(In::word)?,
        };
        self.people.put(who, person, now);
        Some(())
    }

    fn take_use(&mut self, rest: &mut In<'_>, now: Timestamp) -> Option<()> {
        take_use(&mut self.people.uses, rest, now)
    }

    fn take_program(&mut self, rest: &mut In<'_>, now: Timestamp) -> Option<()> {
        take_use(&mut self.people.origins.programs, rest, now)
    }

    fn take_network(&mut self, rest: &mut In<'_>, now: Timestamp) -> Option<()> {
        take_use(&mut self.people.origins.networks, rest, now)
    }

    fn templates_kept(&self) -> String {
        let mut out = Out::default();
        for (key, template) in self.templates.iter().take(TEMPLATES as usize) {
            out.put(*key, 8);
            template.parts().iter().for_each(|part| out.put(*part, 4));
            out.put(template.active(), 4);
        }
        out.text()
    }

    fn take_template(&mut self, rest: &mut In<'_>, now: Timestamp) -> Option<()> {
        let key = rest.take(8)?;
        let parts = rest.several(In::word)?;
        let active = rest.word()?;
        self.templates.touch(key, now, || Template::of(parts, active))?;
        Some(())
    }

    fn pairs_kept(&self) -> String {
        let mut out = Out::default();
        for (key, pair) in self.pairs.iter() {
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
        out.text()
    }

    fn take_pair(&mut self, rest: &mut In<'_>, now: Timestamp) -> Option<()> {
        let (key, template) = (rest.take(8)?, rest.take(8)?);
        let mut pair = Pair::new(template, rest.short()?);
        for week in [&mut pair.strangers, &mut pair.refused, &mut pair.of_others] {
            *week = Week::of(rest.several(In::short)?);
        }
        pair.refused_habit = rest.short()?;
        pair.apart = rest.take(1)? == 1;
        (pair.crossed, pair.told) = (rest.short()?, rest.short()?);
        pair.severity = u8::try_from(rest.take(1)?).ok()?;
        pair.objects = rest.word()?;
        let mut met = Vec::new();
        for _ in 0..rest.take(1)? {
            met.push(rest.take(8)?);
        }
        pair.met = Met::of(&met);
        let hash = self.templates.hash(&template);
        if let Some(template) = self.templates.peek(hash, &template) {
            if !pair.apart {
                template.strangers.moved(0, pair.strangers.sum());
            }
            template.refused.moved(0, pair.refused.sum());
        }
        self.pairs.touch(key, now, || pair)?;
        Some(())
    }

    fn objects_kept(&self) -> String {
        let mut all: Vec<&Slot> = self.objects.iter().collect();
        if all.len() > OBJECTS {
            all.select_nth_unstable_by_key(OBJECTS, |slot| std::cmp::Reverse(slot.day));
            all.truncate(OBJECTS);
        }
        let mut out = Out(Vec::with_capacity(all.len().saturating_mul(23)));
        for slot in all {
            out.put(slot.object, 8);
            slot.owners.iter().for_each(|owner| out.put(*owner, 4));
            out.put(slot.day, 2);
            out.put(u8::from(slot.is_shared) | slot.returned << 1, 1);
        }
        out.text()
    }

    fn take_object(&mut self, rest: &mut In<'_>, _now: Timestamp) -> Option<()> {
        let slot = Slot {
            object: rest.take(8)?,
            owners: rest.several(In::word)?,
            day: rest.short()?,
            ..Slot::default()
        };
        let flags = u8::try_from(rest.take(1)?).ok()?;
        self.objects.put(Slot { is_shared: flags & 1 != 0, returned: flags >> 1 & 7, ..slot });
        Some(())
    }
}
