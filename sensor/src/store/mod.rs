//! What must survive a restart. So far: what commands said.

mod commands;
mod file;

pub use commands::{COMMANDS, CommandStore, Pending, Saved};
pub use file::{StateFile, StoreError};
