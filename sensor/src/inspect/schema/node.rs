//! Schemas of JSON, compiled (draft 2020-12, and what OpenAPI 3.0 has instead).
//!
//! What is not understood accepts everything, and is remembered as inexact, so that a `not` around it refuses nothing.

use std::collections::HashMap;

use regex::Regex;
use serde_json::{Map, Value};

use super::format::Format;
use super::words::{kinds, kinds_of, pattern, range, size, unescaped, values};

/// Schemas of one document; what lies beyond accepts everything. Large public documents have some 100,000.
const MAX_NODES: usize = 400_000;
/// Deepest nesting that is compiled.
const MAX_DEPTH: u16 = 128;

/// A schema, by its place.
pub(super) type Id = u32;

/// Types, as bits.
pub(super) mod kind {
    pub(in super::super) const NULL: u8 = 1;
    pub(in super::super) const BOOLEAN: u8 = 2;
    pub(in super::super) const INTEGER: u8 = 4;
    pub(in super::super) const NUMBER: u8 = 8;
    pub(in super::super) const STRING: u8 = 16;
    pub(in super::super) const ARRAY: u8 = 32;
    pub(in super::super) const OBJECT: u8 = 64;
    pub(in super::super) const ANY: u8 = 127;

    pub(in super::super) fn of(name: &str) -> Option<u8> {
        Some(match name {
            "null" => NULL,
            "boolean" => BOOLEAN,
            "integer" => INTEGER,
            // Every integer is a number.
            "number" => NUMBER | INTEGER,
            "string" => STRING,
            "array" => ARRAY,
            "object" => OBJECT,
            _ => return None,
        })
    }
}

/// Bounds of a number.
#[derive(Debug, Default)]
pub(super) struct Range {
    pub(super) minimum: Option<f64>,
    pub(super) maximum: Option<f64>,
    pub(super) above: Option<f64>,
    pub(super) below: Option<f64>,
    pub(super) multiple_of: Option<f64>,
}

/// Bounds of a size.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    pub(super) least: u64,
    pub(super) most: Option<u64>,
}

/// A member of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) schema: Id,
    /// Only answers have it, so that a request need not.
    pub(super) is_read_only: bool,
    /// Only requests have it.
    pub(super) is_write_only: bool,
}

/// A compiled schema.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kinds: u8,
    /// It accepts more than the document means.
    pub(super) is_inexact: bool,
    pub(super) values: Option<Vec<Value>>,
    pub(super) range: Option<Box<Range>>,
    pub(super) length: Size,
    pub(super) pattern: Option<Box<Regex>>,
    pub(super) format: Option<Format>,
    pub(super) items: Size,
    pub(super) is_unique: bool,
    pub(super) first_items: Vec<Id>,
    pub(super) item: Option<Id>,
    pub(super) members: HashMap<Box<str>, Member>,
    pub(super) required: Vec<Box<str>>,
    pub(super) by_pattern: Vec<(Regex, Id)>,
    pub(super) additional: Option<Id>,
    pub(super) size: Size,
    pub(super) all_of: Vec<Id>,
    pub(super) any_of: Vec<Id>,
    pub(super) one_of: Vec<Id>,
    pub(super) not: Option<Id>,
}

impl Default for Node {
    /// Accepts everything.
    fn default() -> Self {
        Self {
            kinds: kind::ANY,
            is_inexact: false,
            values: None,
            range: None,
            length: Size::default(),
            pattern: None,
            format: None,
            items: Size::default(),
            is_unique: false,
            first_items: Vec::new(),
            item: None,
            members: HashMap::new(),
            required: Vec::new(),
            by_pattern: Vec::new(),
            additional: None,
            size: Size::default(),
            all_of: Vec::new(),
            any_of: Vec::new(),
            one_of: Vec::new(),
            not: None,
        }
    }
}

/// Keywords that are not understood and restrict what is accepted.
const PASSED_OVER: [&str; 14] = [
    "if",
    "then",
    "else",
    "contains",
    "minContains",
    "maxContains",
    "propertyNames",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "unevaluatedItems",
    "unevaluatedProperties",
    "$dynamicRef",
    "$recursiveRef",
];

/// Compiles schemas of a document.
pub(super) struct Compiler<'d> {
    document: &'d Value,
    pub(super) nodes: Vec<Node>,
    by_pointer: HashMap<String, Id>,
    depth: u16,
}

impl<'d> Compiler<'d> {
    pub(super) fn new(document: &'d Value) -> Self {
        // The first one accepts everything.
        Self {
            document,
            nodes: vec![Node { is_inexact: true, ..Node::default() }],
            by_pointer: HashMap::new(),
            depth: 0,
        }
    }

    /// The part of the document that a reference is to, if it is one; as it is, otherwise.
    pub(super) fn resolve<'v>(&self, value: &'v Value) -> &'v Value
    where
        'd: 'v,
    {
        let mut value = value;
        // References to references, and not in circles.
        for _ in 0..8 {
            let Some(pointer) = value.get("$ref").and_then(Value::as_str) else { break };
            let found =
                pointer.strip_prefix('#').and_then(|pointer| self.document.pointer(&unescaped(pointer)));
            let Some(found) = found else { break };
            value = found;
        }
        value
    }

    /// Compiles a schema.
    pub(super) fn schema(&mut self, schema: &Value) -> Id {
        if self.depth >= MAX_DEPTH || self.nodes.len() >= MAX_NODES {
            return 0;
        }
        self.depth = self.depth.saturating_add(1);
        let id = self.compile(schema);
        self.depth = self.depth.saturating_sub(1);
        id
    }

    fn compile(&mut self, schema: &Value) -> Id {
        match schema {
            Value::Bool(true) => self.push(Node::default()),
            Value::Bool(false) => self.push(Node { kinds: 0, ..Node::default() }),
            Value::Object(map) => {
                let Some(pointer) = map.get("$ref").and_then(Value::as_str) else {
                    let id = self.push(Node::default());
                    let node = self.node(map);
                    self.put(id, node);
                    return id;
                };
                let target = self.reference(pointer);
                // Beside a reference, OpenAPI 3.1 has further conditions, and 3.0 has nothing that counts.
                let is_31 = self
                    .document
                    .get("openapi")
                    .and_then(Value::as_str)
                    .is_some_and(|version| version.starts_with("3.1"));
                if map.len() == 1 || !is_31 {
                    return target;
                }
                let id = self.push(Node::default());
                let mut node = self.node(map);
                node.is_inexact |= self.is_inexact(target);
                node.all_of.push(target);
                self.put(id, node);
                id
            }
            Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => 0,
        }
    }

    fn reference(&mut self, pointer: &str) -> Id {
        if let Some(known) = self.by_pointer.get(pointer) {
            return *known;
        }
        let document = self.document;
        let found = pointer.strip_prefix('#').and_then(|pointer| document.pointer(&unescaped(pointer)));
        let Some(found) = found else { return 0 };
        // It may refer to itself: until it is known, it is inexact.
        let id = self.push(Node { is_inexact: true, ..Node::default() });
        self.by_pointer.insert(pointer.to_owned(), id);
        if let Value::Object(map) = found
            && !map.contains_key("$ref")
        {
            let node = self.node(map);
            self.put(id, node);
        } else {
            let inner = self.schema(found);
            let is_inexact = self.is_inexact(inner);
            self.put(id, Node { all_of: vec![inner], is_inexact, ..Node::default() });
        }
        id
    }

    fn push(&mut self, node: Node) -> Id {
        let id = Id::try_from(self.nodes.len()).unwrap_or(0);
        self.nodes.push(node);
        id
    }

    fn put(&mut self, id: Id, node: Node) {
        if let Some(place) = usize::try_from(id).ok().and_then(|id| self.nodes.get_mut(id)) {
            *place = node;
        }
    }

    fn is_inexact(&self, id: Id) -> bool {
        usize::try_from(id).ok().and_then(|id| self.nodes.get(id)).is_none_or(|node| node.is_inexact)
    }

    fn node(&mut self, map: &Map<String, Value>) -> Node {
        let mut node = Node { kinds: kinds(map), ..Node::default() };
        node.is_inexact = PASSED_OVER.iter().any(|word| map.contains_key(*word));
        node.values = values(map);
        if let Some(values) = node.values.as_deref().filter(|_| node.kinds == kind::ANY) {
            node.kinds = kinds_of(values);
        }
        let range = range(map);
        let has_range = [range.minimum, range.maximum, range.above, range.below, range.multiple_of];
        node.range = has_range.iter().any(Option::is_some).then(|| Box::new(range));
        node.length = size(map, "minLength", "maxLength");
        node.items = size(map, "minItems", "maxItems");
        node.size = size(map, "minProperties", "maxProperties");
        node.is_unique = map.get("uniqueItems") == Some(&Value::Bool(true));
        if let Some(text) = map.get("pattern").and_then(Value::as_str) {
            node.pattern = pattern(text).map(Box::new);
            node.is_inexact |= node.pattern.is_none();
        }
        node.format = map.get("format").and_then(Value::as_str).and_then(Format::named);
        // A format is checked less strictly than some do.
        node.is_inexact |= map.contains_key("format");
        self.array(map, &mut node);
        self.object(map, &mut node);
        self.combined(map, &mut node);
        node
    }

    fn array(&mut self, map: &Map<String, Value>, node: &mut Node) {
        if let Some(Value::Array(first)) = map.get("prefixItems") {
            node.first_items = first.iter().map(|schema| self.schema(schema)).collect();
        }
        if let Some(items) = map.get("items") {
            let item = self.schema(items);
            node.is_inexact |= self.is_inexact(item);
            node.item = Some(item);
        }
        let first: Vec<Id> = node.first_items.clone();
        node.is_inexact |= first.into_iter().any(|id| self.is_inexact(id));
    }

    fn object(&mut self, map: &Map<String, Value>, node: &mut Node) {
        let is = |schema: &Value, word: &str| schema.get(word) == Some(&Value::Bool(true));
        if let Some(Value::Object(members)) = map.get("properties") {
            for (name, schema) in members {
                let id = self.schema(schema);
                node.is_inexact |= self.is_inexact(id);
                let whole = self.resolve(schema);
                let is_read_only = is(schema, "readOnly") || is(whole, "readOnly");
                let is_write_only = is(schema, "writeOnly") || is(whole, "writeOnly");
                node.is_inexact |= is_read_only || is_write_only;
                node.members.insert(name.as_str().into(), Member { schema: id, is_read_only, is_write_only });
            }
        }
        if let Some(Value::Object(patterns)) = map.get("patternProperties") {
            for (text, schema) in patterns {
                let id = self.schema(schema);
                node.is_inexact |= self.is_inexact(id);
                match pattern(text) {
                    Some(pattern) => node.by_pattern.push((pattern, id)),
                    None => node.is_inexact = true,
                }
            }
        }
        if let Some(Value::Array(required)) = map.get("required") {
            node.required = required.iter().filter_map(Value::as_str).map(Box::from).collect();
        }
        let has_unknown_pattern = map
            .get("patternProperties")
            .and_then(Value::as_object)
            .is_some_and(|patterns| patterns.len() != node.by_pattern.len());
        if let Some(additional) = map.get("additionalProperties").filter(|_| !has_unknown_pattern) {
            let id = self.schema(additional);
            node.is_inexact |= self.is_inexact(id);
            node.additional = Some(id);
        }
    }

    fn combined(&mut self, map: &Map<String, Value>, node: &mut Node) {
        let mut list = |word: &str| -> Vec<Id> {
            let schemas = map.get(word).and_then(Value::as_array).into_iter().flatten();
            schemas.map(|schema| self.schema(schema)).collect()
        };
        (node.all_of, node.any_of, node.one_of) = (list("allOf"), list("anyOf"), list("oneOf"));
        let parts: Vec<Id> =
            [&node.all_of, &node.any_of, &node.one_of].into_iter().flatten().copied().collect();
        node.is_inexact |= parts.into_iter().any(|id| self.is_inexact(id));
        if let Some(not) = map.get("not") {
            let id = self.schema(not);
            // Of what accepts too much, a `not` would refuse too much.
            if self.is_inexact(id) {
                node.is_inexact = true;
            } else {
                node.not = Some(id);
            }
        }
    }
}
