//! Values that come as text: parameters and fields of forms. A schema says what they stand for.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::check::{Check, Fault};
use super::node::{Id, Node, kind};
use crate::inspect::Side;
use crate::values::{decode, name_and_value};

/// Fields of a form that are looked at.
const MAX_FIELDS: usize = 256;

/// Undoes the escapes of a query, a form or a path.
pub(super) fn decoded(text: &[u8]) -> Cow<'_, str> {
    if memchr::memchr2(b'%', b'+', text).is_none() {
        return String::from_utf8_lossy(text);
    }
    String::from_utf8_lossy(decode(text, &mut Vec::new())).into_owned().into()
}

/// What a text may stand for, the likeliest first.
fn readings(text: &str) -> Vec<Value> {
    let mut readings = Vec::new();
    if text.len() <= 64
        && text.starts_with(|first: char| first.is_ascii_digit() || first == '-')
        && let Ok(number) = serde_json::from_str::<Value>(text)
    {
        readings.push(number);
    }
    match text {
        // Programs write them in several ways.
        "true" | "True" | "TRUE" | "1" => readings.push(Value::Bool(true)),
        "false" | "False" | "FALSE" | "0" => readings.push(Value::Bool(false)),
        "" | "null" => readings.push(Value::Null),
        _ => {}
    }
    readings.push(Value::String(text.to_owned()));
    readings
}

/// Whether a schema takes one of the things that a text may stand for.
pub(super) fn one(nodes: &[Node], schema: Id, text: &str) -> Result<Value, Fault> {
    let mut fault = None;
    for reading in readings(text) {
        match Check::new(nodes, Side::Request).value(schema, &reading) {
            Ok(()) => return Ok(reading),
            // That it is out of range says more than that it is no text.
            Err(found) => {
                let is_better = fault.as_ref().is_none_or(|known: &Fault| known.rule == "type");
                if is_better {
                    fault = Some(found);
                }
            }
        }
    }
    Err(fault.unwrap_or_else(|| Fault::new("type", "")))
}

/// Whether a schema takes the values of a parameter, of which there is one at least.
pub(super) fn several(
    nodes: &[Node],
    schema: Id,
    texts: &[Cow<'_, str>],
    separator: Option<char>,
) -> Result<(), Fault> {
    let Some(node) = usize::try_from(schema).ok().and_then(|id| nodes.get(id)) else { return Ok(()) };
    let [first, ..] = texts else { return Ok(()) };
    let is_list = node.kinds & kind::ARRAY != 0;
    let is_scalar = node.kinds & !(kind::ARRAY | kind::OBJECT) != 0;
    // The members of an object may stand beside each other: that is not understood.
    if node.kinds & kind::OBJECT != 0 && node.kinds != kind::ANY {
        return Ok(());
    }
    let alone = if is_scalar && (texts.len() == 1 || !is_list) {
        one(nodes, schema, first).map(|_| ())
    } else {
        Err(Fault::new("type", ""))
    };
    if alone.is_ok() || !is_list {
        // Which of several counts is the server's to say; one of them does.
        let mut others = texts.iter().skip(1);
        return if others.any(|text| one(nodes, schema, text).is_ok()) { Ok(()) } else { alone };
    }
    if node.kinds == kind::ANY {
        // It says elsewhere what it takes: as a list, it is not understood.
        return if node.is_inexact || texts.len() > 1 || first.contains([',', '|', ' ']) {
            Ok(())
        } else {
            alone
        };
    }
    let mut check = Check::new(nodes, Side::Request);
    if texts.len() == 1 && first.is_empty() && check.value(schema, &Value::Array(Vec::new())).is_ok() {
        // An empty list (OpenAPI 3.1, section 4.8.12.4).
        return Ok(());
    }
    let entries: Vec<Cow<'_, str>> = match separator {
        Some(separator) if texts.len() == 1 => first.split(separator).map(Cow::from).collect(),
        _ => texts.to_vec(),
    };
    let mut list = Vec::new();
    for entry in &entries {
        list.push(match node.item {
            Some(item) => one(nodes, item, entry)?,
            None => Value::String(entry.to_string()),
        });
    }
    Check::new(nodes, Side::Request).value(schema, &Value::Array(list))
}

/// Whether a schema takes a form. One whose fields have brackets or stand for objects is not understood.
pub(super) fn form(nodes: &[Node], schema: Id, body: &[u8]) -> Result<(), Fault> {
    let Some(node) = usize::try_from(schema).ok().and_then(|id| nodes.get(id)) else { return Ok(()) };
    let is_plain =
        node.all_of.is_empty() && node.any_of.is_empty() && node.one_of.is_empty() && node.not.is_none();
    if !is_plain || node.kinds & kind::OBJECT == 0 {
        return Ok(());
    }
    let mut object = Map::new();
    let fields = body.split(|byte| *byte == b'&').filter(|field| !field.is_empty());
    for (place, field) in fields.enumerate() {
        let (name, value) = name_and_value(field);
        let (name, value) = (decoded(name), decoded(value));
        let base = name.split(['[', ']', '.']).next().unwrap_or_default();
        let is_plain = base.len() == name.len() && !object.contains_key(&*name);
        // What belongs to no member that is described says nothing.
        let may_be_known = node.additional.is_some()
            || !node.by_pattern.is_empty()
            || node.size.least > 0
            || node.size.most.is_some()
            || node.members.contains_key(base);
        if place >= MAX_FIELDS || !is_plain && may_be_known {
            return Ok(());
        }
        let value = match node.members.get(&*name) {
            Some(member) => {
                let inner = usize::try_from(member.schema).ok().and_then(|id| nodes.get(id));
                if inner.is_none_or(|inner| inner.kinds & !(kind::OBJECT | kind::ARRAY) == 0) {
                    return Ok(());
                }
                one(nodes, member.schema, &value).map_err(|fault| Fault::new(fault.rule, &name))?
            }
            None => Value::String(value.into_owned()),
        };
        object.insert(name.into_owned(), value);
    }
    Check::new(nodes, Side::Request).value(schema, &Value::Object(object))
}
