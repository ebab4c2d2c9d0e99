//! Reads values into fields. A field holds the default beforehand, and keeps it if nothing is written.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::document::Value;
use super::form::{Form, listed, quoted, shown_time};
use super::knob::Knob;
use super::section::Section;

impl Section<'_> {
    /// A value in text form.
    pub fn text<T>(&self, key: &'static str, form: &Form<T>, place: &mut T) {
        let before = quoted(&(form.show)(place));
        set(place, self.parsed(key, form.read));
        self.record(key, || {
            knob(form.kind, Some(before), Some(quoted(&(form.show)(place))), quoted(form.example))
        });
    }

    /// The same for an optional value.
    pub fn optional<T>(&self, key: &'static str, form: &Form<T>, place: &mut Option<T>) {
        let show = |place: &Option<T>| place.as_ref().map(|value| quoted(&(form.show)(value)));
        let before = show(place);
        set(place, self.parsed(key, form.read).map(Some));
        self.record(key, || knob(form.kind, before, show(place), quoted(form.example)));
    }

    /// One of several words.
    pub fn choice<T: Copy + PartialEq>(&self, key: &'static str, words: &[(&'static str, T)], place: &mut T) {
        let word = |place: T| words.iter().find(|(_, value)| *value == place).map(|(word, _)| quoted(word));
        let before = word(*place);
        let read = self.parsed(key, |text| {
            let known = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
            known.ok_or_else(|| format!("expected {}", alternatives(words)))
        });
        set(place, read);
        let other = || words.iter().map(|(word, _)| quoted(word)).find(|word| Some(word) != before.as_ref());
        self.record(key, || {
            knob(&alternatives(words), before.clone(), word(*place), other().unwrap_or_default())
        });
    }

    /// A time such as `5m`.
    pub fn duration(&self, key: &'static str, least: Duration, place: &mut Duration) {
        let before = *place;
        let read = self.parsed(key, |text| {
            let time = humantime::parse_duration(text)
                .map_err(|_error| "expected a time such as 5m or 1h30m".to_owned())?;
            if time < least { Err(format!("expected at least {}", shown_time(least))) } else { Ok(time) }
        });
        set(place, read);
        self.record(key, || {
            let [before, after, example] =
                [before, *place, before.saturating_add(HOUR)].map(|time| quoted(&shown_time(time)));
            let kind = format!("a time such as `5m` or `1h30m`, at least `{}`", shown_time(least));
            knob(&kind, Some(before), Some(after), example)
        });
    }

    /// A whole number within bounds.
    pub fn integer<T>(&self, key: &'static str, bounds: RangeInclusive<u32>, place: &mut T)
    where
        T: Copy + Display + TryFrom<u32>,
    {
        let before = place.to_string();
        set(place, self.number(key, &bounds).and_then(|number| T::try_from(number).ok()));
        self.record(key, || {
            let kind = format!("a whole number{} from {} to {}", unit(key), bounds.start(), bounds.end());
            let ends = [bounds.start(), bounds.end()].map(ToString::to_string);
            let example = ends.into_iter().find(|end| *end != before).unwrap_or_default();
            knob(&kind, Some(before), Some(place.to_string()), example)
        });
    }

    /// A whole number of mebibytes, for a place that counts bytes.
    pub fn mebibytes<T>(&self, key: &'static str, bounds: RangeInclusive<u32>, place: &mut T)
    where
        T: Copy + TryFrom<u64> + TryInto<u64>,
    {
        let mut mebibytes = (*place).try_into().unwrap_or(u64::MAX) >> MIB_SHIFT;
        let before = mebibytes;
        self.integer(key, bounds, &mut mebibytes);
        if mebibytes != before {
            set(place, T::try_from(mebibytes << MIB_SHIFT).ok());
        }
    }

    /// A flag.
    pub fn boolean(&self, key: &'static str, place: &mut bool) {
        let before = *place;
        match self.get(key) {
            Some((Value::Boolean(flag), _)) => *place = *flag,
            Some((_, origin)) => drop(self.complain::<()>(key, origin, "expected true or false")),
            None => {}
        }
        let [before, after, other] = [before, *place, !before].map(|flag| flag.to_string());
        self.record(key, || knob("`true` or `false`", Some(before), Some(after), other));
    }

    /// A list of texts. Invalid items are reported and skipped.
    pub fn list<T>(&self, key: &'static str, form: &Form<T>, place: &mut Vec<T>) {
        let show = |place: &[T]| listed(place.iter().map(form.show));
        let before = show(place);
        set(place, self.items(key, form.read));
        self.record(key, || list_knob(form, before, show(place)));
    }

    /// The same without duplicates.
    pub fn set<T: Ord>(&self, key: &'static str, form: &Form<T>, place: &mut BTreeSet<T>) {
        let show = |place: &BTreeSet<T>| listed(place.iter().map(form.show));
        let before = show(place);
        let mut seen = BTreeSet::new();
        let read = self.items(key, |text| {
            if seen.insert((form.read)(text)?) { Ok(()) } else { Err(format!("`{text}` is listed twice")) }
        });
        set(place, read.map(|_| seen));
        self.record(key, || list_knob(form, before, show(place)));
    }

    /// The values of a table whose keys are data, such as users, each parsed by `parse` from key and text. Errors do
    /// not repeat the value, which may be a secret. The form describes the values; one of them may have the example's
    /// key.
    pub fn entries<T>(
        &self,
        example: &'static str,
        form: &Form<String>,
        mut parse: impl FnMut(&str, &str) -> Result<T, String>,
    ) -> Vec<T> {
        self.record(example, || knob(form.kind, None, None, quoted(form.example)));
        let read = |(key, value): (&String, &Value)| match value {
            Value::Text(text) => parse(key, text),
            Value::Integer(_) | Value::Boolean(_) | Value::List(_) | Value::Table(_) | Value::Other => {
                Err("expected a string".to_owned())
            }
        };
        self.each(read)
    }

    fn parsed<T>(&self, key: &'static str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let (value, origin) = self.get(key)?;
        let Some(text) = text_of(value) else { return self.complain(key, origin, "expected a string") };
        match parse(&text) {
            Ok(parsed) => Some(parsed),
            Err(error) => self.complain(key, origin, format!("`{text}`: {error}")),
        }
    }

    fn number(&self, key: &'static str, bounds: &RangeInclusive<u32>) -> Option<u32> {
        let (value, origin) = self.get(key)?;
        let number = if let Value::Integer(Some(number)) = value {
            u32::try_from(*number).ok().filter(|number| bounds.contains(number))
        } else {
            None
        };
        let expected = || format!("expected a whole number from {} to {}", bounds.start(), bounds.end());
        number.or_else(|| self.complain(key, origin, expected()))
    }

    fn items<T>(
        &self,
        key: &'static str,
        mut parse: impl FnMut(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let items = match self.get(key)? {
            (Value::List(items), _) => items,
            (_, origin) => return self.complain(key, origin, "expected a list of strings"),
        };
        let mut read = |item| {
            let text = text_of(item).ok_or_else(|| "expected a string".to_owned())?;
            parse(&text)
        };
        let told = items.iter().filter_map(|(item, origin)| match read(item) {
            Ok(read) => Some(read),
            Err(error) => self.complain(key, origin, error),
        });
        Some(told.collect())
    }
}

/// Added to a time to obtain a different one.
const HOUR: Duration = Duration::from_hours(1);

/// Mebibytes to bytes.
const MIB_SHIFT: u32 = 20;

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// `packets = 100` is equivalent to `packets = "100"`.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Integer(Some(number)) => Some(number.to_string()),
        Value::Integer(None) | Value::Boolean(_) | Value::List(_) | Value::Table(_) | Value::Other => None,
    }
}

/// The unit implied by a key's name.
fn unit(key: &str) -> &'static str {
    match key.rsplit('_').next() {
        Some("bytes") => " of bytes",
        Some("mib") => " of MiB",
        Some("percent") => " of percent",
        Some(_) | None => "",
    }
}

fn alternatives<T>(words: &[(&'static str, T)]) -> String {
    let words: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some(_) | None => words.concat(),
    }
}

fn list_knob<T>(form: &Form<T>, before: String, after: String) -> Knob {
    let example = listed(std::iter::once(form.example.to_owned()));
    knob(&format!("a list; each item {}", form.kind), Some(before), Some(after), example)
}

fn knob(kind: &str, default: Option<String>, value: Option<String>, example: String) -> Knob {
    Knob {
        table: String::new(),
        key: "",
        kind: kind.to_owned(),
        default,
        value,
        example,
        help: String::new(),
        made_up: false,
    }
}
