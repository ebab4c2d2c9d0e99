//! Whether a value is as its schema says.
#![expect(clippy::float_arithmetic, reason = "multiples of decimal fractions")]

use serde_json::{Number, Value};

use super::node::{Id, Node, Range, Size, kind};
use crate::inspect::Side;

/// Deepest value that is looked at; what lies deeper is accepted. The reader of JSON stops at 128.
const MAX_DEPTH: u16 = 130;
/// Schemas applied to one value and what is in it; after these the rest is accepted.
const MAX_STEPS: u32 = 200_000;
/// Entries of an array that are compared with each other.
const MAX_UNIQUE: usize = 256;

/// What is wrong, and where: a stable slug, and the names of the members on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) rule: &'static str,
    pub(super) field: String,
}

impl Fault {
    pub(super) fn new(rule: &'static str, field: &str) -> Self {
        Self { rule, field: field.to_owned() }
    }

    fn within(mut self, name: &str) -> Self {
        // Longer names are not shown.
        if self.field.len() < 64 {
            let is_deeper = !self.field.is_empty() && !self.field.starts_with('[');
            self.field =
                if is_deeper { format!("{name}.{}", self.field) } else { format!("{name}{}", self.field) };
        }
        self
    }
}

/// Checks a value.
pub(super) struct Check<'c> {
    nodes: &'c [Node],
    side: Side,
    steps: u32,
    depth: u16,
}

impl<'c> Check<'c> {
    pub(super) const fn new(nodes: &'c [Node], side: Side) -> Self {
        Self { nodes, side, steps: MAX_STEPS, depth: 0 }
    }

    /// The first thing that is wrong.
    pub(super) fn value(&mut self, id: Id, value: &Value) -> Result<(), Fault> {
        let nodes = self.nodes;
        let Some(node) = usize::try_from(id).ok().and_then(|id| nodes.get(id)) else { return Ok(()) };
        let Some(left) = self.steps.checked_sub(1).filter(|_| self.depth < MAX_DEPTH) else { return Ok(()) };
        self.steps = left;
        self.depth = self.depth.saturating_add(1);
        let checked = self.node(node, value);
        self.depth = self.depth.saturating_sub(1);
        checked
    }

    fn node(&mut self, node: &Node, value: &Value) -> Result<(), Fault> {
        if kinds(value) & node.kinds == 0 {
            return Err(Fault::new("type", ""));
        }
        if node.values.as_ref().is_some_and(|values| !values.iter().any(|known| is_same(known, value))) {
            return Err(Fault::new("enum", ""));
        }
        match value {
            Value::Number(number) => in_range(node.range.as_deref(), number)?,
            Value::String(text) => string(node, text)?,
            Value::Array(entries) => self.array(node, entries)?,
            Value::Object(members) => self.object(node, members)?,
            Value::Null | Value::Bool(_) => {}
        }
        self.combined(node, value)
    }

    fn array(&mut self, node: &Node, entries: &[Value]) -> Result<(), Fault> {
        in_size(node.items, entries.len(), "items")?;
        if node.is_unique && entries.len() <= MAX_UNIQUE {
            let is_twice = |(place, entry): (usize, &Value)| {
                entries.iter().skip(place.saturating_add(1)).any(|other| is_same(entry, other))
            };
            if entries.iter().enumerate().any(is_twice) {
                return Err(Fault::new("unique", ""));
            }
        }
        for (place, entry) in entries.iter().enumerate() {
            let schema = node.first_items.get(place).copied().or(node.item);
            if let Some(schema) = schema {
                self.value(schema, entry).map_err(|fault| fault.within("[]"))?;
            }
        }
        Ok(())
    }

    fn object(&mut self, node: &Node, members: &serde_json::Map<String, Value>) -> Result<(), Fault> {
        in_size(node.size, members.len(), "properties")?;
        for name in &node.required {
            let member = node.members.get(name);
            let is_excused = member.is_some_and(|member| match self.side {
                Side::Request => member.is_read_only,
                Side::Response => member.is_write_only,
            });
            if !is_excused && !members.contains_key(&**name) {
                return Err(Fault::new("required", name));
            }
        }
        for (name, value) in members {
            self.member(node, name, value)?;
        }
        Ok(())
    }

    fn member(&mut self, node: &Node, name: &str, value: &Value) -> Result<(), Fault> {
        let mut is_known = false;
        if let Some(member) = node.members.get(name) {
            is_known = true;
            self.value(member.schema, value).map_err(|fault| fault.within(name))?;
        }
        for (pattern, schema) in &node.by_pattern {
            if pattern.is_match(name) {
                is_known = true;
                self.value(*schema, value).map_err(|fault| fault.within(name))?;
            }
        }
        let Some(additional) = node.additional.filter(|_| !is_known) else { return Ok(()) };
        let is_forbidden = usize::try_from(additional)
            .ok()
            .and_then(|id| self.nodes.get(id))
            .is_some_and(|node| node.kinds == 0);
        if is_forbidden {
            return Err(Fault::new("extra", name));
        }
        self.value(additional, value).map_err(|fault| fault.within(name))
    }

    fn combined(&mut self, node: &Node, value: &Value) -> Result<(), Fault> {
        for schema in &node.all_of {
            self.value(*schema, value)?;
        }
        if !node.any_of.is_empty() && !node.any_of.iter().any(|schema| self.value(*schema, value).is_ok()) {
            return Err(Fault::new("alternatives", ""));
        }
        if !node.one_of.is_empty() {
            let (mut matched, mut is_sure) = (0_u32, true);
            for schema in &node.one_of {
                if self.value(*schema, value).is_ok() {
                    matched = matched.saturating_add(1);
                    is_sure &= usize::try_from(*schema)
                        .ok()
                        .and_then(|id| self.nodes.get(id))
                        .is_some_and(|node| !node.is_inexact);
                }
            }
            if matched == 0 || matched > 1 && is_sure {
                return Err(Fault::new("alternatives", ""));
            }
        }
        if let Some(not) = node.not
            && self.steps > 0
            && self.value(not, value).is_ok()
            && self.steps > 0
        {
            return Err(Fault::new("not", ""));
        }
        Ok(())
    }
}

/// The types of a value. A number without a fraction is an integer, however it is written.
fn kinds(value: &Value) -> u8 {
    match value {
        Value::Null => kind::NULL,
        Value::Bool(_) => kind::BOOLEAN,
        Value::Number(number) => {
            let is_whole = !number.is_f64() || number.as_f64().is_some_and(|number| number.fract() == 0.0);
            if is_whole { kind::INTEGER } else { kind::NUMBER }
        }
        Value::String(_) => kind::STRING,
        Value::Array(_) => kind::ARRAY,
        Value::Object(_) => kind::OBJECT,
    }
}

/// Equality of JSON Schema (draft 2020-12, core, section 4.2.2): 1 is 1.0.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| is_same(value, other)))
        }
        _ => one == other,
    }
}

fn in_range(range: Option<&Range>, number: &Number) -> Result<(), Fault> {
    let (Some(range), Some(number)) = (range, number.as_f64()) else { return Ok(()) };
    let is_out = range.minimum.is_some_and(|least| number < least)
        || range.maximum.is_some_and(|most| number > most)
        || range.above.is_some_and(|bound| number <= bound)
        || range.below.is_some_and(|bound| number >= bound);
    // 0.3 is a multiple of 0.1, whatever floats say.
    let is_multiple = |step: f64| {
        let quotient = number / step;
        (quotient - quotient.round()).abs() <= 1e-9 * quotient.abs()
    };
    if is_out {
        return Err(Fault::new("range", ""));
    }
    if range.multiple_of.is_some_and(|step| !is_multiple(step)) {
        return Err(Fault::new("multiple", ""));
    }
    Ok(())
}

fn in_size(size: Size, own: usize, rule: &'static str) -> Result<(), Fault> {
    let own = u64::try_from(own).unwrap_or(u64::MAX);
    if own < size.least || size.most.is_some_and(|most| own > most) {
        return Err(Fault::new(rule, ""));
    }
    Ok(())
}

fn string(node: &Node, text: &str) -> Result<(), Fault> {
    if node.length.least > 0 || node.length.most.is_some() {
        in_size(node.length, text.chars().count(), "length")?;
    }
    if node.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(text)) {
        return Err(Fault::new("pattern", ""));
    }
    if node.format.is_some_and(|format| !format.holds(text)) {
        return Err(Fault::new("format", ""));
    }
    Ok(())
}
