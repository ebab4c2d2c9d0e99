//! JSON and GraphQL documents, and the attempts in them: elements of arrays, of batches, fields of GraphQL documents,
//! with the variables that they take their values from.

use super::fields::{Fields, Part, Role, Unit};
use super::graphql;
use super::json::{MAX_DEPTH, Value};
use super::places::hash;
use crate::identity::hash::KeyedHash;

/// Variables of a GraphQL request that are remembered until its document is known.
const MAX_VARIABLES: usize = 256;

/// The key of the variables of a GraphQL request.
const VARIABLES: &str = "variables";

/// A field of a GraphQL document whose user or password stands in variables.
pub(super) struct Pending {
    pub(super) unit: Unit,
    pub(super) field: u64,
    /// Variables by the hashes of their names, with what they are for.
    pub(super) variables: Vec<(u64, Role)>,
}

/// Reads a JSON document as it is walked.
#[derive(Default)]
pub(super) struct Documents {
    /// What stands around the elements that are open.
    open: Vec<Unit>,
    /// The depth of `variables`, while in them.
    inside: Option<u8>,
    variables: Vec<(u64, KeyedHash, KeyedHash)>,
    pending: Vec<Pending>,
    /// Elements of the outermost array so far.
    elements: u16,
}

impl Documents {
    /// One value of the document.
    pub(super) fn visit(&mut self, key: &str, value: Value<'_>, depth: u8, fields: &mut Fields<'_>) {
        if self.inside.is_some_and(|inside| depth <= inside) {
            self.inside = None;
        }
        let text = match value {
            Value::Text(text) | Value::Number(text) => text,
            Value::Open => return self.begin(depth, fields),
            Value::Close => return self.close(fields),
            Value::Filled => {
                if key == VARIABLES && self.inside.is_none() {
                    self.inside = Some(depth);
                }
                return;
            }
            Value::Flag(_) | Value::Null => return,
        };
        if matches!(value, Value::Text(_)) && key == "query" && graphql::is_document(text) {
            self.read(text, depth, fields);
            return;
        }
        if self.inside == depth.checked_sub(1)
            && self.inside.is_some()
            && self.variables.len() < MAX_VARIABLES
        {
            let (user, password) = fields.hashes(text.as_bytes());
            self.variables.push((hash(key.as_bytes()), user, password));
        }
        if let Some(role) = fields.role(key.as_bytes()) {
            fields.put(role, key.as_bytes(), text.as_bytes(), depth);
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
        }
    }

    fn close(&mut self, fields: &mut Fields<'_>) {
        self.resolve(fields);
        let part = Part { element: self.element(), field: None };
        if let Some(outer) = self.open.pop() {
            fields.close(outer, part);
        }
    }

    /// The end, also of a document that was cut.
    pub(super) fn end(&mut self, fields: &mut Fields<'_>) {
        self.resolve(fields);
        while !self.open.is_empty() {
            self.close(fields);
        }
    }

    /// Gives fields that wait for variables their values. Their passwords are no others than those of the variables.
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
