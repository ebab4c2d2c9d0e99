//! Why a record of another host is not taken.

use serde::{Deserialize, Serialize};

/// Why a record is refused.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, thiserror::Error,
)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// It cannot be read.
    #[error("it cannot be read")]
    Malformed,
    /// Its signature is wrong.
    #[error("its signature is wrong")]
    Forged,
    /// No host with this key is enrolled.
    #[error("its host is not enrolled")]
    Stranger,
    /// The host was expelled.
    #[error("its host was expelled")]
    Expelled,
    /// It was undone before it came.
    #[error("it was undone")]
    Undone,
    /// It is from the future.
    #[error("its time is more than five minutes ahead")]
    Early,
    /// It blocks more than a host may block for others.
    #[error("its prefix is too wide")]
    Wide,
    /// The host decides more often than it may.
    #[error("its host decides too often")]
    Rate,
    /// The host has too many decisions in force.
    #[error("its host has too many decisions in force")]
    Full,
    /// It is older than what is known of its host, or about another time than it is kept under.
    #[error("it is not about the time that it is kept under")]
    Stale,
    /// The address is protected or allowed on this host.
    #[error("the address is protected or allowed here")]
    Protected,
    /// The kernel, or its table of blocks, refused it.
    #[error("the kernel refused it")]
    Kernel,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Malformed,
        Self::Forged,
        Self::Stranger,
        Self::Expelled,
        Self::Undone,
        Self::Early,
        Self::Wide,
        Self::Rate,
        Self::Full,
        Self::Stale,
        Self::Protected,
        Self::Kernel,
    ];

    /// The value of the label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Forged => "forged",
            Self::Stranger => "stranger",
            Self::Expelled => "expelled",
            Self::Undone => "undone",
            Self::Early => "early",
            Self::Wide => "wide",
            Self::Rate => "rate",
            Self::Full => "full",
            Self::Stale => "stale",
            Self::Protected => "protected",
            Self::Kernel => "kernel",
        }
    }
}
