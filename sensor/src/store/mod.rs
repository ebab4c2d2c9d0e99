//! What must survive a restart. So far: what commands said.

mod commands;

pub use commands::{CommandStore, Pending, Saved, StoreError};
