//! The words of a schema that stand for themselves.

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use super::node::{Range, Size, kind};

/// Compiled size of a pattern; a larger one accepts everything.
const MAX_PATTERN: usize = 256 << 10;

/// The kinds of the values that a schema without a type lists.
pub(super) fn kinds_of(values: &[Value]) -> u8 {
    let own = values.iter().map(|value| match value {
        Value::Null => kind::NULL,
        Value::Bool(_) => kind::BOOLEAN,
        Value::Number(_) => kind::NUMBER | kind::INTEGER,
        Value::String(_) => kind::STRING,
        Value::Array(_) => kind::ARRAY,
        Value::Object(_) => kind::OBJECT,
    });
    let kinds = own.fold(0, |kinds, own| kinds | own);
    if kinds == 0 { kind::ANY } else { kinds }
}

pub(super) fn kinds(map: &Map<String, Value>) -> u8 {
    let mut kinds = match map.get("type") {
        Some(Value::String(name)) => kind::of(name).unwrap_or(kind::ANY),
        Some(Value::Array(names)) => {
            let known = names.iter().filter_map(Value::as_str).filter_map(kind::of);
            known.fold(0, |kinds, own| kinds | own)
        }
        _ => kind::ANY,
    };
    // OpenAPI 3.0.
    if map.get("nullable") == Some(&Value::Bool(true)) {
        kinds |= kind::NULL;
    }
    if kinds == 0 { kind::ANY } else { kinds }
}

pub(super) fn values(map: &Map<String, Value>) -> Option<Vec<Value>> {
    if let Some(constant) = map.get("const") {
        return Some(vec![constant.clone()]);
    }
    let mut values = map.get("enum")?.as_array()?.clone();
    if map.get("nullable") == Some(&Value::Bool(true)) {
        values.push(Value::Null);
    }
    Some(values)
}

pub(super) fn range(map: &Map<String, Value>) -> Range {
    let number = |word: &str| map.get(word).and_then(Value::as_f64);
    let is = |word: &str| map.get(word) == Some(&Value::Bool(true));
    let (mut minimum, mut maximum) = (number("minimum"), number("maximum"));
    let (mut above, mut below) = (number("exclusiveMinimum"), number("exclusiveMaximum"));
    // OpenAPI 3.0 has the bound beside the word.
    if is("exclusiveMinimum") {
        above = minimum.take();
    }
    if is("exclusiveMaximum") {
        below = maximum.take();
    }
    let format = map.get("format").and_then(Value::as_str);
    if format == Some("int32") && map.get("type").and_then(Value::as_str) == Some("integer") {
        minimum = minimum.or(Some(f64::from(i32::MIN)));
        maximum = maximum.or(Some(f64::from(i32::MAX)));
    }
    let multiple_of = number("multipleOf").filter(|number| *number > 0.0);
    Range { minimum, maximum, above, below, multiple_of }
}

pub(super) fn size(map: &Map<String, Value>, least: &str, most: &str) -> Size {
    let number = |word: &str| map.get(word).and_then(Value::as_u64);
    Size { least: number(least).unwrap_or(0), most: number(most) }
}

/// A pattern of ECMAScript, where it is one of this crate's, too.
pub(super) fn pattern(text: &str) -> Option<Regex> {
    RegexBuilder::new(text).size_limit(MAX_PATTERN).dfa_size_limit(MAX_PATTERN).build().ok()
}

/// A pointer in a fragment of a URL.
pub(super) fn unescaped(pointer: &str) -> String {
    if !pointer.contains('%') {
        return pointer.to_owned();
    }
    let mut out = Vec::new();
    String::from_utf8_lossy(crate::values::decode(pointer.as_bytes(), &mut out)).into_owned()
}
