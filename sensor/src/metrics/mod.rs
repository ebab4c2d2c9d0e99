//! Every metric family; a family's doc comment is its HELP text.
//!
//! Architecture invariant: no label holds an address, a user or a request's path, only members of closed sets and names
//! that the operator has configured: interfaces and access logs.

mod access_logs;
mod crowdsec;
mod dashboard;
mod degraded;
mod detection;
mod families;
mod fleet;
mod http;
mod identity;
mod inspect;
mod labels;
mod render;
#[cfg(test)]
mod rules;
mod sensing;
#[cfg(test)]
mod size;
mod surroundings;
mod tls;
mod web;

pub use access_logs::AccessLogStats;
pub use crowdsec::CrowdsecStats;
pub use dashboard::{Dashboard, dashboard};
pub use degraded::{Degraded, Part};
pub use detection::Detection;
pub use families::{About, Snapshot, about_families as families};
pub use fleet::FleetStats;
pub use http::{MIRROR_LOSSES, mirror_losses};
pub use labels::labels;
pub use render::{CONTENT_TYPE, render};
pub use sensing::{Capacities, Sensing};
pub use surroundings::InterfacePresence;
pub use web::WebStats;
