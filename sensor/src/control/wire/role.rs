//! The role that a request requires, and the role of a peer.

use super::Request;

/// What a peer may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Read.
    Reader,
    /// Read, and change policy and state.
    Administrator,
}

impl Request {
    /// Which role a request requires. Without a wildcard: each new request must state it.
    #[must_use]
    pub const fn takes(&self) -> Role {
        match self {
            Self::Status
            | Self::Mode { set: None }
            | Self::LimitList
            | Self::LimitSuggest { .. }
            | Self::BlockList
            | Self::AllowList
            | Self::Clients { .. }
            | Self::Routes { .. }
            | Self::Posture { .. }
            | Self::Exchanges { .. }
            | Self::BlockPreview { .. }
            | Self::Fleet
            | Self::Records { .. } => Role::Reader,
            Self::Mode { set: Some(_) }
            | Self::LimitSet { .. }
            | Self::LimitUnset { .. }
            | Self::Confirm
            | Self::BlockAdd { .. }
            | Self::BlockIncident { .. }
            | Self::AlertsTest
            // A user who may hash names can find out which of them occur in records.
            | Self::Account { .. }
            | Self::BlockRemove { .. }
            | Self::AllowAdd { .. }
            | Self::AllowRemove { .. }
            | Self::FleetTell { .. }
            | Self::Reload => Role::Administrator,
        }
    }
}
