//! A walk over JSON documents that may be truncated.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

/// A value under a key, or in the array under it.
#[derive(Clone, Copy)]
pub(super) enum Value<'v> {
    Text(&'v str),
    /// As text.
    Number(&'v str),
    Flag(bool),
    Null,
    /// A non-empty object or array; visited before its contents.
    Filled,
    /// Start of an object that is an element of an array.
    Open,
    /// Its end; not visited if it was truncated.
    Close,
}

/// Maximum depth; what is deeper is skipped.
pub(super) const MAX_DEPTH: u8 = 6;

/// Passes each value to `visit` with its key and depth. Members of the outermost object have depth 1; elements of an array
/// have the array's key, one level deeper.
pub(super) fn walk(text: &[u8], visit: &mut dyn FnMut(&str, Value<'_>, u8)) {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let walker = Walker { key: "", depth: 0, is_element: false, visit };
    // Everything before a syntax error or truncation has been visited.
    let _broken = walker.deserialize(&mut deserializer).is_err();
}

/// From here on numbers are told with an exponent.
const LONG_NUMBER: f64 = 1e17;

struct Walker<'w> {
    key: &'w str,
    depth: u8,
    is_element: bool,
    visit: &'w mut dyn FnMut(&str, Value<'_>, u8),
}

#[derive(Deserialize)]
struct Key<'k>(#[serde(borrow)] Cow<'k, str>);

impl Walker<'_> {
    fn tell(self, value: Value<'_>) {
        (self.visit)(self.key, value, self.depth);
    }

    fn number(self, number: &impl ToString) {
        let text = Zeroizing::new(number.to_string());
        self.tell(Value::Number(&text));
    }
}

impl<'de> DeserializeSeed<'de> for Walker<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walker<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.tell(Value::Text(text));
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.number(&number);
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.number(&number);
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        if number.abs() < LONG_NUMBER {
            self.number(&number);
        } else {
            // `1e300` is not spelt out.
            self.number(&format_args!("{number:e}"));
        }
        Ok(())
    }

    fn visit_bool<E>(self, flag: bool) -> Result<(), E> {
        self.tell(Value::Flag(flag));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.tell(Value::Null);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let depth = self.depth.saturating_add(1);
        let mut is_first = true;
        if self.is_element {
            (self.visit)(self.key, Value::Open, self.depth);
        }
        while let Some(Key(key)) = map.next_key()? {
            if std::mem::take(&mut is_first) && self.depth > 0 {
                (self.visit)(self.key, Value::Filled, self.depth);
            }
            if depth > MAX_DEPTH {
                map.next_value::<IgnoredAny>()?;
            } else {
                map.next_value_seed(Walker { key: &key, depth, is_element: false, visit: &mut *self.visit })?;
            }
        }
        if self.is_element {
            (self.visit)(self.key, Value::Close, self.depth);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let depth = self.depth.saturating_add(1);
        let mut is_first = true;
        loop {
            let walker = Walker { key: self.key, depth, is_element: true, visit: &mut *self.visit };
            let element = Element { walker, is_first };
            if sequence.next_element_seed(element)?.is_none() {
                return Ok(());
            }
            is_first = false;
        }
    }
}

/// An element of an array; the first tells that the array has one.
struct Element<'w> {
    walker: Walker<'w>,
    is_first: bool,
}

impl<'de> DeserializeSeed<'de> for Element<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Walker { key, depth, is_element, visit } = self.walker;
        if self.is_first && depth > 1 {
            visit(key, Value::Filled, depth.saturating_sub(1));
        }
        if depth > MAX_DEPTH {
            IgnoredAny::deserialize(deserializer).map(|_ignored| ())
        } else {
            Walker { key, depth, is_element, visit }.deserialize(deserializer)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let mut told = Vec::new();
        walk(text.as_bytes(), &mut |key, value, depth| {
            let value = match value {
                Value::Text(text) => format!("{text:?}"),
                Value::Number(number) => number.to_owned(),
                Value::Flag(flag) => flag.to_string(),
                Value::Null => "null".to_owned(),
                Value::Filled => "..".to_owned(),
                Value::Open => "<".to_owned(),
                Value::Close => ">".to_owned(),
            };
            told.push(format!("{depth}{key}={value}"));
        });
        told.join(" ")
    }

    #[test]
    fn values_come_with_their_keys() {
        let cases = [
            (
                r#"{"a":1,"b":{"c":"x","d":null},"e":[true,{"f":-2.5}]}"#,
                "1a=1 1b=.. 2c=\"x\" 2d=null 1e=.. 2e=true 2e=< 2e=.. 3f=-2.5 2e=>",
            ),
            (r#"{"a":{},"b":[],"c\u0041":"\u0042"}"#, "1cA=\"B\""),
            (r#"[{"a":1},{},{"b"]"#, "1=< 1=.. 2a=1 1=> 1=< 1=> 1=< 1=.."),
            (r#"{"a":"whole","b":"cut o"#, "1a=\"whole\""),
            (r#"{"a":1} trailing"#, "1a=1"),
            ("7", "0=7"),
            ("[7.0,-1e300]", "1=7 1=-1e300"),
            ("", ""),
            ("{nonsense", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(told(text), expected, "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("{}1{}", r#"{"a":"#.repeat(20), "}".repeat(20));
        assert!(!told(&deep).contains("=1"), "{}", told(&deep));
        assert_eq!(told(&"[".repeat(100_000)), "1=.. 2=.. 3=.. 4=.. 5=.. 6=..");
    }
}
