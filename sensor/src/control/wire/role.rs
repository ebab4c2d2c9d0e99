//! What a request takes, and what a peer may do.

use super::Request;

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look.
    Reader,
    /// Look, and change policy and state.
    Administrator,
}

impl Request {
    /// What may be asked by whom. Without a wildcard: whoever adds a request says what it takes.
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
            | Self::Exchanges { .. }
            | Self::BlockPreview { .. }
            | Self::Records { .. } => Role::Reader,
            Self::Mode { set: Some(_) }
            | Self::LimitSet { .. }
            | Self::LimitUnset { .. }
            | Self::Confirm
            | Self::BlockAdd { .. }
            | Self::BlockIncident { .. }
            | Self::AlertsTest
            // Whoever may hash names finds out which of them are in records.
            | Self::Account { .. }
            | Self::BlockRemove { .. }
            | Self::AllowAdd { .. }
            | Self::AllowRemove { .. }
            | Self::Reload => Role::Administrator,
        }
    }
}
