//! The vocabulary of everything that watches: what happened, without secrets and without bytes.

mod exchange;

pub use exchange::{Exchange, Findings, QueryKeys, Source};
