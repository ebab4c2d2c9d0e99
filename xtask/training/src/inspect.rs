//! The part of the daemon's room that recognises injection: the same files.

#[path = "../../../sensor/src/inspect/injection/mod.rs"]
pub mod injection;
