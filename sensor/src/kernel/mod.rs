//! The kernel side as seen from user space: loading, attaching, pinning, and typed handles to its maps.
//!
//! Architecture invariant: no decisions are made here. This room reads and writes what its callers ask for, and is the
//! only one that calls `bpf(2)`.

mod attach;
mod batch;
mod bpf;
mod btf;
mod cgroup;
mod clients;
mod closing;
mod config;
mod connection;
mod counters;
mod error;
mod go;
mod guarded;
mod helper;
mod inbound;
mod inner;
mod library;
mod link;
mod listening;
mod load;
mod lookout;
mod memory;
mod mirror;
mod mount;
mod netdev;
mod notices;
mod object;
mod offload;
mod owner;
mod pins;
mod presence;
pub mod probe;
mod readiness;
mod route;
mod sandbox;
mod schedule;
mod secrets;
mod segments;
mod settings;
mod shared;
mod sight;
mod signature;
mod startup;
mod too_many;
mod trial;
mod tries;
mod unacknowledged;

pub use attach::{Attachment, XdpChoice, XdpMode, index_of as interface_index};
pub use bpf::COMMANDS_OF_A_RUNNING_DAEMON;
#[cfg(test)]
pub(crate) use bpf::answer_to as answer_to_bpf;
pub use cgroup::{all_groups, group_paths};
pub use clients::{Client, ClientTable, address_of, key_of};
pub use closing::{Closer, can_close};
pub use config::{Capacities, ClientPrefixes};
pub use connection::{ConnectionOwners, peer_groups};
pub use counters::{Counters, LabelledCounter, combinations};
pub use error::KernelError;
pub use guarded::Guarded;
pub use helper::{Answer, Channel, Door, start_helper};
pub use inbound::connected_clients;
pub use inner::{InnerInterface, InnerInterfaces};
pub use library::{
    Hook, Inspected as InspectedLibraries, Library, library_directories, of_files as libraries_in,
    of_system as libraries_of_system, program_directories,
};
pub use link::{LinkFacts, LinkLayer, PortKind, link_facts};
pub use listening::{Listener, listeners, listening_ports};
pub use load::{Dataplane, LoadOptions};
pub use lookout::{Found, Lookout};
pub use memory::KernelMemory;
pub use mirror::{Mirror, ahead_of_mirror};
pub use netdev::{XdpFeatures, xdp_features};
pub use notices::{Notice, Notices};
pub use offload::{Queues, active_features, driver, queues};
pub use owner::{Owner, program_owner};
pub use pins::{Pins, unload};
pub use presence::{LinkEvents, Presence, PresenceChange};
pub use readiness::{Diagnostics, watch_diagnostics, watch_links, watch_notices};
pub use route::ask_route;
pub use sandbox::{install_filter, landlock_version};
pub use schedule::never_preempt;
pub use secrets::{SecretEvents, SecretProbe};
pub use segments::SegmentRings;
#[cfg(any(test, feature = "fuzzing"))]
pub use segments::fuzz;
pub use settings::Tuning;
pub use sight::{PortSights, own_addresses};
pub use signature::{SignatureChecks, signature_checks};
pub use startup::release_unused;
pub use too_many::TooMany;
pub use tries::{PolicyTries, Scopes, TrieKind};
pub use unacknowledged::unacknowledged;
