//! The vocabulary of detectors and records: what happened, without secrets and without bytes.

mod abuse;
mod exchange;
mod held;
mod leaked;
mod redact;
mod sent;
mod units;
mod websocket;

pub use crate::identity::{Login, LoginOutcome};
pub use crate::inspect::{Effect, Effects, Exposed, Finding};
pub use abuse::Http2Abuse;
pub use exchange::{Exchange, Findings, Further, Grpc, Protocol, QueryKeys, Source, TlsFacts};
pub use held::{Held, HeldBy};
pub use leaked::LeakedPassword;
pub(crate) use redact::is_document;
pub use redact::{Paths, Redactor};
pub use sent::{
    Host, MediaType, Object, Path, Sent, Show, ShowHost, ShowMediaType, ShowPath, ShowUserAgent, UserAgent,
};
pub use units::{Served, UnitId, Units, is_container, unit_of_group};
pub use websocket::WebSocketEnd;

use crate::clock::Timestamp;

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// An exchange has finished.
    Exchange(&'a Exchange<'a>),
    /// A message has been in progress for long.
    Held(&'a Held),
    /// A client did things to HTTP/2 itself.
    Http2Abuse(&'a Http2Abuse),
    /// The password of a login turned out to be leaked, after its exchange was told.
    LeakedPassword(&'a LeakedPassword),
}

impl Event<'_> {
    /// Whether the client's address was shown to be genuine.
    #[must_use]
    pub const fn is_proven(&self) -> bool {
        match self {
            Self::Exchange(exchange) => exchange.proven,
            Self::Held(held) => held.proven,
            Self::Http2Abuse(abuse) => abuse.proven,
            Self::LeakedPassword(login) => login.proven,
        }
    }

    /// Whether the same was already reported, seen elsewhere.
    #[must_use]
    pub const fn is_seen_twice(&self) -> bool {
        match self {
            Self::Exchange(exchange) => exchange.seen_twice,
            Self::Held(_) | Self::Http2Abuse(_) | Self::LeakedPassword(_) => false,
        }
    }

    /// When it became known: the last byte seen of an exchange, or when a message was checked.
    #[must_use]
    pub const fn known(&self) -> Timestamp {
        match self {
            Self::Exchange(exchange) => exchange.seen,
            Self::Held(held) => held.ts,
            Self::Http2Abuse(abuse) => abuse.ts,
            Self::LeakedPassword(login) => login.seen,
        }
    }
}
