//! The types that cross the boundary between kernel and user space, in maps and in ring-buffer records.
//!
//! All are `repr(C)` without padding (proven by derive) and hold only integers. Closed sets travel as integers and are
//! decoded with a check on the other side. [`VERSION`] changes with any layout here, so that a daemon never adopts
//! pinned maps of another layout.

mod client;
mod counter;
mod mirror;
mod policy;
mod secret;
mod settings;
mod verdict;

pub use client::{
    ClientKey, Family, NetworkBudget, OverLimit, SiteBudget, Slot, SlotDetails, TagWord, notice_period,
};
pub use counter::{
    COUNTERS, Counter, EVENTS, Event, FAMILIES, InterfaceSlot, MAX_INTERFACES, REASONS, VERDICTS,
    counter_index,
};
pub use mirror::{
    BLOCK, BURSTS, Block, CHUNK, CROSSED, DATAGRAM, DATAGRAM_BURST, DATAGRAM_RATE, FlowInstruction, FlowKey,
    MAX_CHUNKS, MAX_PIECES, MAX_SNAP, MirrorChecksum, MirrorDirection, MirrorHeader, MirrorSettings,
    PORT_WORDS, PORTS_SEEN, PortKey, PortSeen, PortSight, QUIC_CLIENTS, RingPositions, UNKNOWN_PLACE,
    WHOLE_BURST, WHOLE_RATE, copying, datagram_flags, record_size,
};
pub use policy::{BlockEntry, Dimension, Policy, ScopeEntry, ScopeLimits};
pub use secret::{SECRET_BYTES, SECRET_EVENTS, SecretEvent, SecretKind, SecretRecord, secrets};
pub use settings::{Settings, Shared, prefixes};
pub use verdict::{Reason, Verdict};

/// Layout version of everything in this module; part of the identity of pinned maps.
pub const VERSION: u32 = 9;

/// Names of the maps in the object, by which user space finds them.
pub mod maps {
    /// [`super::Settings`], one entry, mapped into user space.
    pub const SETTINGS: &str = "SETTINGS";
    /// [`super::Shared`], one entry, mapped into user space.
    pub const SHARED: &str = "SHARED";
    /// Tag words of the client table, one per bucket.
    pub const TAGS: &str = "TAGS";
    /// [`super::Slot`]s of the client table.
    pub const SLOTS: &str = "SLOTS";
    /// [`super::SlotDetails`] of the same slots.
    pub const DETAILS: &str = "DETAILS";
    /// Fingerprints of sources seen once.
    pub const DOORKEEPER: &str = "DOORKEEPER";
    /// [`super::NetworkBudget`]s of sources without a place in the table.
    pub const NETWORKS: &str = "NETWORKS";
    /// [`super::SiteBudget`]s of sites whose clients are in the table.
    pub const SITES: &str = "SITES";
    /// [`super::ScopeLimits`] by scope index.
    pub const SCOPES: &str = "SCOPES";
    /// Longest-prefix tries from address to [`super::ScopeEntry`].
    pub const SCOPE_V4: &str = "SCOPE_V4";
    /// See [`SCOPE_V4`].
    pub const SCOPE_V6: &str = "SCOPE_V6";
    /// Longest-prefix tries of allowed prefixes.
    pub const ALLOW_V4: &str = "ALLOW_V4";
    /// See [`ALLOW_V4`].
    pub const ALLOW_V6: &str = "ALLOW_V6";
    /// Longest-prefix tries of blocked prefixes, to [`super::BlockEntry`].
    pub const BLOCK_V4: &str = "BLOCK_V4";
    /// See [`BLOCK_V4`].
    pub const BLOCK_V6: &str = "BLOCK_V6";
    /// Clients with prefixes within their networks that are longer.
    pub const MARKS: &str = "MARKS";
    /// Per-CPU packet and byte counters, see [`super::counter_index`].
    pub const COUNTERS: &str = "COUNTERS";
    /// Per-CPU event counters, by [`super::Event`].
    pub const EVENTS: &str = "EVENTS";
    /// Ring buffer of [`super::OverLimit`] records.
    pub const NOTICES: &str = "NOTICES";
    /// [`super::MirrorSettings`], one entry, mapped into user space.
    pub const MIRROR: &str = "MIRROR";
    /// [`super::FlowInstruction`] by [`super::FlowKey`].
    pub const FLOWS: &str = "FLOWS";
    /// [`super::PortSeen`] by [`super::PortKey`].
    pub const PORTS: &str = "PORTS";
    /// [`super::RingPositions`] by CPU, mapped into user space.
    pub const RINGS: &str = "RINGS";
    /// [`super::Block`]s of these rings, grouped by CPU, mapped into user space.
    pub const SEGMENTS: &str = "SEGMENTS";
    /// Ring buffer used only for wakeups.
    pub const WAKEUPS: &str = "WAKEUPS";

    /// Every map whose content outlives the daemon.
    pub const PINNED: [&str; 19] = [
        SETTINGS, SHARED, TAGS, SLOTS, DETAILS, DOORKEEPER, NETWORKS, SITES, SCOPES, SCOPE_V4, SCOPE_V6,
        ALLOW_V4, ALLOW_V6, BLOCK_V4, BLOCK_V6, MARKS, COUNTERS, EVENTS, NOTICES,
    ];
}

/// Names of the programs in the object.
pub mod programs {
    /// The XDP program that limits and blocks.
    pub const XDP: &str = "sensor_xdp";
    /// The same on interfaces whose frames begin with the IP header.
    pub const XDP_LAYER3: &str = "sensor_xdp_layer3";
    /// Writes the data plane's clock into [`super::Shared::clock`]; run by user space, never attached.
    pub const CLOCK: &str = "sensor_clock";
    /// Answers requests over the limit, at tc ingress.
    pub const TOO_MANY: &str = "sensor_too_many";
    /// Mirrors what comes in, at tc ingress.
    pub const MIRROR_INGRESS: &str = "sensor_ingress";
    /// Mirrors what goes out, at tc egress.
    pub const MIRROR_EGRESS: &str = "sensor_egress";
    /// [`MIRROR_INGRESS`] on interfaces whose frames begin with the IP header.
    pub const MIRROR_INGRESS_LAYER3: &str = "sensor_ingress_layer3";
    /// [`MIRROR_EGRESS`] on such interfaces.
    pub const MIRROR_EGRESS_LAYER3: &str = "sensor_egress_layer3";
    /// Mirrors what comes in on interfaces that are only watched: requests, and responses of servers behind them.
    pub const MIRROR_INGRESS_INNER: &str = "sensor_ingress_inner";
    /// Mirrors what goes out on such interfaces.
    pub const MIRROR_EGRESS_INNER: &str = "sensor_egress_inner";
}

/// Marks a type as plain old data for aya's typed maps.
macro_rules! plain_old_data {
    ($($type:ty: $size:literal),+ $(,)?) => {$(
        const _: () = assert!(core::mem::size_of::<$type>() == $size, "layout changed: raise abi::VERSION");
        #[cfg(feature = "user")]
        #[expect(unsafe_code, reason = "aya's marker trait for map values")]
        // SAFETY: the type derives `bytemuck::Pod`, which proves the same property.
        unsafe impl aya::Pod for $type {}
    )+};
}

plain_old_data! {
    BlockEntry: 16,
    ClientKey: 16,
    Counter: 16,
    FlowInstruction: 20,
    FlowKey: 40,
    MirrorHeader: 80,
    MirrorSettings: 8216,
    NetworkBudget: 32,
    OverLimit: 40,
    PortKey: 24,
    PortSeen: 16,
    RingPositions: 128,
    ScopeEntry: 8,
    ScopeLimits: 64,
    SecretRecord: 120,
    Settings: 232,
    Shared: 256,
    SiteBudget: 64,
    Slot: 64,
    SlotDetails: 32,
}
