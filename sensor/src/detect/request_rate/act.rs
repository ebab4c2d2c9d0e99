//! A request as far as alerts tell of it.

use std::net::IpAddr;

use crate::clock::Timestamp;
use crate::detect::{Offender, Sample};
use crate::event::Exchange;
use crate::prefix::ClientNet;

/// A request, kept.
pub(super) struct Act {
    seen: Timestamp,
    client: IpAddr,
    proxied: bool,
    sample: Sample,
}

/// A request that is over a limit: at once, or as the fleet says a little later.
#[derive(Clone, Copy)]
pub(super) enum Over<'a> {
    Now(&'a Exchange<'a>),
    Later(&'a Act),
}

impl Act {
    pub(super) fn of(exchange: &Exchange<'_>) -> Self {
        Self {
            seen: exchange.seen,
            client: exchange.client,
            proxied: exchange.peer.is_some(),
            sample: Sample::of(exchange),
        }
    }
}

impl<'a> Over<'a> {
    pub(super) const fn seen(self) -> Timestamp {
        match self {
            Self::Now(exchange) => exchange.seen,
            Self::Later(act) => act.seen,
        }
    }

    pub(super) const fn address(self) -> IpAddr {
        match self {
            Self::Now(exchange) => exchange.client,
            Self::Later(act) => act.client,
        }
    }

    pub(super) fn route(self) -> &'a str {
        match self {
            Self::Now(exchange) => exchange.route.unwrap_or_default(),
            Self::Later(act) => act.sample.route.as_deref().unwrap_or_default(),
        }
    }

    pub(super) const fn offender(self, client: ClientNet) -> Offender {
        match self {
            Self::Now(exchange) => Offender::of(client, exchange),
            Self::Later(act) => Offender { client, proxied: act.proxied },
        }
    }

    pub(super) fn keep(self, samples: &mut Vec<Sample>) {
        match self {
            Self::Now(exchange) => Sample::keep(samples, exchange),
            Self::Later(act) => Sample::keep_made(samples, || act.sample.clone()),
        }
    }
}
