//! TCP reassembly, bounded.
//!
//! ```text
//! segment -> Streams  finds the connection (table) or begins one (roles, handshake)
//!              |
//!              v
//!         Connection  accepts or refuses the segment (acceptance, receive, handshake)
//!              |
//!              v
//!            Half x2  what came too early waits (assembler, policy)
//!              |
//!              v
//!          Protocol   bytes in order, holes, ends (delivery), in the order of cause and effect; its advice becomes
//!                      instructions for the source (advice)
//! ```
//!
//! Architecture invariant: no clock is read and no input is trusted. The meaning of one side's sequence numbers is
//! determined by what its peer can have accepted, never by the order of a table.

mod acceptance;
mod advice;
mod assembler;
mod config;
mod connection;
mod counters;
mod deadlines;
mod delivery;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod half;
mod handshake;
mod policy;
mod proof;
mod protocol;
mod receive;
mod recent;
mod roles;
mod sequence;
mod signature;
mod streams;
mod table;
#[cfg(test)]
mod tests;
mod twins;
mod upkeep;

pub use config::Config;
pub use counters::{Counters, Invalid, Refusal, Refused};
pub use policy::OverlapPolicy;
pub use protocol::{Advice, CloseCause, Look, Missing, Opening, Protocol, Side};
pub use streams::{Instruction, Streams};
