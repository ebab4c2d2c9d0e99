//! State that must survive a restart: the commands' policy, and events.

mod aside;
mod commands;
mod events;
mod file;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod networks;
mod own;
mod replace;
#[cfg(test)]
mod tests;

pub use aside::Damage;
pub use commands::{COMMANDS, CommandStore, Pending, Saved};
pub use events::{EVENTS, EventStore, MOST_RECORDS, ReadError, Reader, StoreConfig, StoreStats, Which};
pub use file::{Reading, StateFile, StoreError};
pub use networks::KeptNetworks;
pub use own::{Unfit, read_own};
pub use replace::{create, replace};
