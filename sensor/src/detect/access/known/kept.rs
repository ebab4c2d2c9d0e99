//! What survived a restart: numbers, eight bytes or fewer each, in base64. [`super::copying`] writes them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

use super::Known;
use super::days::{Day, Week};
use super::met::Met;
use super::objects::{Slot, Who};
use super::origin::Origin;
use super::pair::Pair;
use super::people::{Person, Use};
use super::template::Template;
use crate::clock::Timestamp;
use crate::detect::recent::{Distinct, Recent};

/// The form below.
pub(super) const VERSION: u32 = 2;

/// The file's form.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) version: u32,
    pub(super) first: Option<Day>,
    pub(super) people: String,
    pub(super) uses: String,
    pub(super) programs: String,
    pub(super) networks: String,
    pub(super) templates: String,
    pub(super) pairs: String,
    pub(super) objects: String,
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

fn take_use(table: &mut Recent<u32, Use>, rest: &mut In<'_>, now: Timestamp) -> Option<()> {
    let key = rest.word()?;
    let first = rest.short()?;
    let known = Use { first, users: Distinct::of_bits(rest.several(|rest| rest.take(8))?) };
    table.touch(key, now, || known)?;
    Some(())
}

impl Known {
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

    fn take_template(&mut self, rest: &mut In<'_>, now: Timestamp) -> Option<()> {
        let key = rest.take(8)?;
        let parts = rest.several(In::word)?;
        let active = rest.word()?;
        self.templates.touch(key, now, || Template::of(parts, active))?;
        Some(())
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
        // It was copied piece by piece: what came to another place meanwhile is there twice.
        let hash = self.pairs.hash(&key);
        if self.pairs.peek(hash, &key).is_some() {
            return Some(());
        }
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
