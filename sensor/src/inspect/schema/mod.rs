//! Whether requests and answers are what an OpenAPI document describes.
//!
//! The document is compiled once. What is not understood of it accepts everything: a request that a validator accepts must
//! not be told, whatever is written in the document.

mod check;
mod compile;
mod format;
mod message;
mod node;
#[cfg(test)]
mod tests;
mod values;
mod words;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use compile::Operation;
use node::Node;

pub(super) use message::{Bodies, check};

/// The operations of a document with their schemas; empty where none is configured.
#[derive(Clone, Default)]
pub struct Schemas(Option<Arc<Compiled>>);

pub(super) struct Compiled {
    nodes: Vec<Node>,
    /// By the template without the names of its parameters.
    paths: HashMap<Box<str>, Vec<Operation>>,
    /// Tells documents apart.
    hash: u64,
}

impl Schemas {
    /// Compiles a document that [`crate::route::openapi`] has read.
    ///
    /// # Errors
    /// If it is no JSON or YAML.
    pub fn compile(text: &str) -> Result<Self, String> {
        Ok(Self(Some(Arc::new(compile::document(text)?))))
    }

    pub(super) fn get(&self) -> Option<&Compiled> {
        self.0.as_deref()
    }
}

impl PartialEq for Schemas {
    fn eq(&self, other: &Self) -> bool {
        let hash = |schemas: &Self| schemas.0.as_ref().map(|compiled| compiled.hash);
        hash(self) == hash(other)
    }
}

impl Eq for Schemas {}

impl fmt::Debug for Schemas {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths = self.0.as_ref().map_or(0, |compiled| compiled.paths.len());
        write!(out, "Schemas({paths} paths)")
    }
}
