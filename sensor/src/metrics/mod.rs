//! Every metric family; a family's doc comment is its HELP text.
//!
//! Architecture invariant: no label holds an address, a path or a user, only members of closed sets.

mod detection;
mod families;
mod http;
mod identity;
mod render;
mod surroundings;

pub use detection::Detection;
pub use families::Snapshot;
pub use render::{CONTENT_TYPE, render};
pub use surroundings::InterfacePresence;
