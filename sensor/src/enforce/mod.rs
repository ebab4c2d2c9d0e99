//! What applies to whom: the desired policy, the kernel's state, and the changes between them.
//!
//! Architecture invariant: this room is the only writer of the policy maps. Everyone else changes the desired
//! [`Policy`] and asks for it to be applied.

mod apply;
mod blocks;
mod config;
mod covering;
mod decided;
mod groups;
mod indexes;
mod limits;
mod mode;
mod plan;
mod policy;
mod room;

pub use apply::Enforcer;
pub use config::PolicyConfig;
pub use groups::{GroupRules, Members};
pub use limits::{BITS, LIMIT, Limit, Limits, Scope, ScopeError, parse_bits};
pub use mode::{Mode, Origin};
pub use policy::{AllowRule, BlockRule, DecidedLimits, Layer, Policy, ScopeRule};
pub use room::EnforceError;
