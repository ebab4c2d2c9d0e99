//! What an OpenAPI document says exists.

use std::collections::HashMap;

pub use crate::route::Operation;
use crate::route::anonymous;

/// The operations of a document, by route and method.
#[derive(Clone, Debug, Default)]
pub struct Documented {
    operations: Vec<Operation>,
    by_route: HashMap<String, Vec<usize>>,
}

impl Documented {
    /// Of a document's operations.
    #[must_use]
    pub fn new(operations: Vec<Operation>) -> Self {
        let mut by_route: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, operation) in operations.iter().enumerate() {
            by_route.entry(anonymous(&operation.pattern)).or_default().push(place);
        }
        Self { operations, by_route }
    }

    /// All of them.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Those of a route, whatever the method.
    pub fn of_route<'d>(&'d self, route: &str) -> impl Iterator<Item = &'d Operation> {
        let places = self.by_route.get(&anonymous(route)).map(Vec::as_slice).unwrap_or_default();
        places.iter().filter_map(|place| self.operations.get(*place))
    }

    /// The one of a route and a method. A server that answers GET answers HEAD, and OPTIONS is asked by browsers.
    #[must_use]
    pub fn find(&self, route: &str, method: &str) -> Option<&Operation> {
        let wanted = if method == "HEAD" { "GET" } else { method };
        self.of_route(route)
            .find(|operation| operation.method == method || operation.method == wanted || method == "OPTIONS")
    }
}
