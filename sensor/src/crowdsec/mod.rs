//! CrowdSec: decisions of its local API, as a bouncer gets them, and alerts for it, as a machine pushes them.
//!
//! Architecture invariants: nothing on this host waits for CrowdSec; what it says is bounded, and carried out only as far
//! as this host permits; and without it, what stood holds until it ends.

mod api;
mod config;
mod decision;
mod left;
mod length;
mod machine;
mod puller;
mod push_state;
mod report;
mod secret;
mod standing;
mod state;
#[cfg(test)]
mod tests;
mod usage;
mod wire;

pub use config::{CrowdsecBounds, CrowdsecConfig};
pub use decision::Decision;
pub use left::Left;
pub use machine::push;
pub use puller::{CHUNK, Side, run};
pub use push_state::{PushCounts, PushState};
pub use report::Report;
pub use standing::{Kept, Known, Standing};
pub use state::{PullCounts, PullState};
