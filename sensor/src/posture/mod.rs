//! What the API looks like from outside: each route with its methods, who may use it, what goes in and out, and what is
//! wrong with it whoever asks.
//!
//! [`Inventory`] is told each exchange by the pipeline. Most of them only raise counters; heads and bodies are looked at
//! for the first exchanges of a route, then for a sample of them. A [`Snapshot`] shares the inventory's rows until they
//! change, so that taking one costs the thread that reads HTTP next to nothing. [`report`] judges a snapshot; [`draft`]
//! writes an OpenAPI document of it.
//!
//! Architecture invariants: rows keep names, types, counts and times, never a value that a client or a server wrote; the
//! number of rows and the size of each are bounded; no clock, no files.

mod changes;
mod clients;
mod document;
mod draft;
mod exchange;
mod fact;
mod findings;
mod heads;
mod inventory;
mod merge;
mod names;
mod path;
mod read;
mod report;
mod row;
mod rows;
mod schemas;
mod shape;
mod shared;

pub use document::{Documented, Operation};
pub use draft::draft;
pub use findings::{Finding, Place, Risk};
pub use inventory::{Config, Counters, Inventory, Kept, Seen, Snapshot};
pub use report::{Ask, Change, Report, RouteReport, report};
pub use rows::{Access, Rows};
