//! The vocabulary of everything that watches: what happened, without secrets and without bytes.

mod exchange;
mod held;
mod redact;
mod sent;

pub use crate::identity::{Login, LoginOutcome};
pub use crate::inspect::{Effect, Effects, Exposed, Finding};
pub use exchange::{Exchange, Findings, Further, Protocol, QueryKeys, Source, TlsFacts};
pub use held::{Held, HeldBy};
pub(crate) use redact::is_document;
pub use redact::{Paths, Redactor};
pub use sent::{
    Host, MediaType, Object, Path, Sent, Show, ShowHost, ShowMediaType, ShowPath, ShowUserAgent, UserAgent,
};

use crate::clock::Timestamp;

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// An exchange is over.
    Exchange(&'a Exchange<'a>),
    /// A message is under way for long.
    Held(&'a Held),
}

impl Event<'_> {
    /// Whether the client was shown to be who its address says.
    #[must_use]
    pub const fn is_proven(&self) -> bool {
        match self {
            Self::Exchange(exchange) => exchange.proven,
            Self::Held(held) => held.proven,
        }
    }

    /// Whether the same was told before, seen elsewhere.
    #[must_use]
    pub const fn is_seen_twice(&self) -> bool {
        match self {
            Self::Exchange(exchange) => exchange.seen_twice,
            Self::Held(_) => false,
        }
    }

    /// When it became known: the last byte of an exchange that was seen, or when a message was looked at.
    #[must_use]
    pub const fn known(&self) -> Timestamp {
        match self {
            Self::Exchange(exchange) => exchange.seen,
            Self::Held(held) => held.ts,
        }
    }
}
