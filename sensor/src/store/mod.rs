//! What must survive a restart: what commands said, and what happened.

mod commands;
mod events;
mod file;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;

pub use commands::{COMMANDS, CommandStore, Pending, Saved};
pub use events::{EVENTS, EventStore, MOST_RECORDS, ReadError, Reader, StoreConfig, StoreStats};
pub use file::{StateFile, StoreError};
