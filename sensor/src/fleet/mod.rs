//! Hosts that share decisions, through a Redis or Valkey server.
//!
//! Architecture invariants: nothing on a host waits for the server or for other hosts; the server is trusted with
//! delivery only, because each record is signed by the host that made it, and each host by the authority; and without
//! the server, every host works as it would alone.

mod config;
mod courier;
pub mod evidence;
mod key;
pub mod limits;
mod link;
mod member;
mod record;
mod refusal;
mod roster;
mod standing;
mod state;
mod trouble;

pub use config::{Bounds, FleetConfig};
pub use courier::{Side, run};
pub use key::{FleetKeyError, MAX_BLOB, PublicKey, SigningKey};
pub use member::{Member, Saying};
pub use record::{Act, Record};
pub use refusal::Refusal;
pub use roster::{Host, MAX_HOSTS, MAX_NAME, Roster, Says, Statement};
pub use standing::{Effect, Standing, Subject};
pub use state::{LinkCounts, LinkState};
