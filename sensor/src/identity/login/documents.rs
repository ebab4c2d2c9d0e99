//! JSON and GraphQL documents, and the attempts in them: elements of arrays and batches, fields of GraphQL documents with
//! their variables, positional values, JSON within strings, and name-value pairs such as
//! `{"name": "password", "value": "..."}`.

use super::field::Field;
use super::fields::{Fields, Part, Position, Role, Unit};
use super::graphql;
use super::json::{self, MAX_DEPTH, Value};
use super::places::hash;
use crate::identity::hash::KeyedHash;

/// Maximum variables of a GraphQL request kept until its document is read.
const MAX_VARIABLES: usize = 256;

/// The key of the variables of a GraphQL request.
const VARIABLES: &str = "variables";

/// A field of a GraphQL document whose user or password is in variables.
pub(super) struct Pending {
    pub(super) unit: Unit,
    pub(super) field: u64,
    /// Variables by the hashes of their names, with what they are for.
    pub(super) variables: Vec<(u64, Role)>,
}

/// Reads a JSON document as it is walked.
#[derive(Default)]
pub(super) struct Documents {
    /// The units around the open elements.
    open: Vec<Unit>,
    /// The depth of `variables`, while in them.
    inside: Option<u8>,
    variables: Vec<(u64, KeyedHash, KeyedHash)>,
    pending: Vec<Pending>,
    /// Elements of the outermost array so far.
    elements: u16,
    /// The depth of the elements of an array of values by their position, while in it, and these.
    positions: Option<(u8, Vec<Position>)>,
    /// The depth of the members of a password that is an object, and what it is.
    password: Option<(u8, Role)>,
    /// For each open element, the role that its name member gives to the value member.
    labels: Vec<Option<Role>>,
    /// JSON within a string is being read.
    is_inner: bool,
}

/// Maximum positional values kept.
const MAX_POSITIONS: usize = 16;

/// Keys of arrays of positional values.
fn is_positional(key: &str) -> bool {
    matches!(key, "params" | "args" | "arguments" | "parameters")
}

/// Keys of the name in a name-value pair.
fn is_label(key: &str) -> bool {
    matches!(key, "name" | "key" | "id" | "field" | "type" | "label")
}

fn is_value(key: &str) -> bool {
    matches!(key, "value" | "val" | "content" | "text")
}

/// Keys of the password within an object.
fn is_in_password(key: &str) -> bool {
    matches!(key, "digest" | "value" | "hash" | "plain" | "plaintext" | "text" | "raw" | "password")
}

impl Documents {
    /// One value of the document.
    pub(super) fn visit(&mut self, key: &str, value: Value<'_>, depth: u8, fields: &mut Fields<'_>) {
        self.leave(depth, fields);
        match value {
            Value::Text(text) if key == "query" && graphql::is_document(text) => {
                self.read(text, depth, fields);
            }
            Value::Text(text) if !self.is_inner && is_document(text) => {
                self.note_variable(key, text, depth, fields);
                self.is_inner = true;
                json::walk(text.as_bytes(), &mut |key, value, inner| {
                    self.visit(key, value, inner.saturating_add(depth), fields);
                });
                self.is_inner = false;
            }
            Value::Text(text) | Value::Number(text) => {
                self.note_variable(key, text, depth, fields);
                self.value(key, text, depth, fields);
            }
            Value::Open => self.begin(depth, fields),
            Value::Close => self.close(fields),
            Value::Filled => self.enter(key, depth, fields),
            Value::Flag(_) | Value::Null => {}
        }
    }

    /// What was open deeper than a value has ended.
    fn leave(&mut self, depth: u8, fields: &mut Fields<'_>) {
        if self.inside.is_some_and(|inside| depth <= inside) {
            self.inside = None;
        }
        if self.password.is_some_and(|(inside, _)| depth < inside) {
            self.password = None;
        }
        if self.positions.as_ref().is_some_and(|(inside, _)| depth < *inside) {
            self.place(fields);
        }
    }

    /// An object or an array begins.
    fn enter(&mut self, key: &str, depth: u8, fields: &Fields<'_>) {
        let below = depth.saturating_add(1);
        if key == VARIABLES && self.inside.is_none() {
            self.inside = Some(depth);
        }
        if is_positional(key) && self.positions.as_ref().is_none_or(|(_, known)| known.is_empty()) {
            self.positions = Some((below, Vec::new()));
        }
        if let Some(role) = fields.role(key.as_bytes()).filter(|role| role.is_secret()) {
            self.password = Some((below, role));
        }
    }

    fn note_variable(&mut self, key: &str, text: &str, depth: u8, fields: &Fields<'_>) {
        let is_one = self.inside.is_some() && self.inside == depth.checked_sub(1);
        if is_one && self.variables.len() < MAX_VARIABLES {
            let (user, password) = fields.hashes(text.as_bytes());
            self.variables.push((hash(key.as_bytes()), user, password));
        }
    }

    /// A text or a number.
    fn value(&mut self, key: &str, text: &str, depth: u8, fields: &mut Fields<'_>) {
        if let Some((inside, positions)) = &mut self.positions
            && *inside == depth
            && is_positional(key)
        {
            if positions.len() < MAX_POSITIONS {
                positions.push(fields.position(text));
            }
        } else if let Some((inside, role)) = self.password
            && inside == depth
            && is_in_password(key)
        {
            fields.put(role, key.as_bytes(), text.as_bytes(), depth);
        } else if !self.beside(key, text, depth, fields)
            && let Some(role) = fields.role(key.as_bytes())
        {
            fields.put(role, key.as_bytes(), text.as_bytes(), depth);
        }
    }

    /// Handles a member of a name-value pair; returns whether it was one.
    fn beside(&mut self, key: &str, text: &str, depth: u8, fields: &mut Fields<'_>) -> bool {
        let Some(label) = self.labels.last_mut() else { return false };
        if is_label(key) {
            // As `PasswordCallback` names its kind.
            let name = text.strip_suffix("Callback").unwrap_or(text);
            let role = fields.role(name.as_bytes()).filter(|role| match role {
                // `"name": "code"` may be the name of a person's product.
                Role::Guessed(Field::Secret(secret)) => *secret <= super::field::Secret::Short,
                Role::Guessed(_) | Role::User | Role::Password => role.is_user() || role.is_secret(),
            });
            *label = role.or(*label).filter(|_| name != "prompt");
            return role.is_some();
        }
        let Some(role) = label.filter(|_| is_value(key)) else { return false };
        fields.put(role, key.as_bytes(), text.as_bytes(), depth);
        true
    }

    /// The end of positional values.
    fn place(&mut self, fields: &mut Fields<'_>) {
        if let Some((_, positions)) = self.positions.take() {
            fields.put_positions(&positions);
        }
    }

    /// A GraphQL document.
    pub(super) fn read(&mut self, text: &str, depth: u8, fields: &mut Fields<'_>) {
        graphql::read(text, (depth, self.element()), fields, &mut self.pending);
    }

    fn element(&self) -> u16 {
        self.elements.saturating_sub(1)
    }

    fn begin(&mut self, depth: u8, fields: &mut Fields<'_>) {
        if depth == 1 {
            self.elements = self.elements.saturating_add(1);
        }
        if self.open.len() < usize::from(MAX_DEPTH) {
            self.open.push(fields.open());
            let outer = self.labels.last().copied().flatten();
            self.labels.push(outer);
        }
    }

    fn close(&mut self, fields: &mut Fields<'_>) {
        self.resolve(fields);
        let part = Part { element: self.element(), field: None };
        self.labels.pop();
        if let Some(outer) = self.open.pop() {
            fields.close(outer, part);
        }
    }

    /// The end, also of a truncated document.
    pub(super) fn end(&mut self, fields: &mut Fields<'_>) {
        self.place(fields);
        self.resolve(fields);
        while !self.open.is_empty() {
            self.close(fields);
        }
    }

    /// Resolves the variables of pending fields.
    fn resolve(&mut self, fields: &mut Fields<'_>) {
        let element = self.element();
        for Pending { unit, field, variables } in self.pending.drain(..) {
            let outer = std::mem::replace(&mut fields.unit, unit);
            let mut is_outer = false;
            for (name, role) in variables {
                let known = self.variables.iter().find(|(known, _, _)| *known == name);
                let Some((_, user, password)) = known else { continue };
                fields.put_hashed(role, *user, *password);
                is_outer |= outer.has_password_of(*password);
            }
            let outer = if is_outer { outer.without_secret() } else { outer };
            fields.close(outer, Part { element, field: Some(field) });
        }
        self.variables.clear();
        self.inside = None;
    }
}

/// Whether a text may be JSON with members.
fn is_document(text: &str) -> bool {
    let text = text.trim_ascii();
    text.starts_with('{') && text.ends_with('}') && text.contains('"')
}
