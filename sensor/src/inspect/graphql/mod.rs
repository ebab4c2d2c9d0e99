//! The cost of GraphQL requests, and responses that disclose a schema.
//!
//! The measures are those that servers limit (OWASP, "GraphQL Cheat Sheet": depth, amount, cost, batches), computed as
//! their libraries do: a fragment counts wherever it is spread.

pub(crate) mod lexer;
mod measure;
mod parse;
mod suggestion;
#[cfg(test)]
mod tests;

pub(crate) use measure::{Measures, measure};
pub(crate) use parse::Unread;
pub(crate) use suggestion::suggests_fields;
