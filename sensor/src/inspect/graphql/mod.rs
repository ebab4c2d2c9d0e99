//! What a GraphQL request asks of a server: measures of its documents, and what answers give away of a schema.
//!
//! The measures are those that servers limit (OWASP, "GraphQL Cheat Sheet": depth, amount, cost, batches), taken as
//! their libraries take them: a fragment counts where it is spread.

pub(crate) mod lexer;
mod measure;
mod parse;
mod suggestion;
#[cfg(test)]
mod tests;

pub(crate) use measure::{Measures, measure};
pub(crate) use parse::Unread;
pub(crate) use suggestion::suggests_fields;
