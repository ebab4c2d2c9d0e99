//! What is counted of exchanges.

use std::time::Duration;

use super::by_route::ByRoute;
use super::totals::Totals;
use super::twice::{Twice, What};
use crate::event::{Exchange, LoginOutcome};
use crate::http;
use crate::route::Route;

/// Totals, all and by route.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) totals: Totals,
    pub(super) by_route: ByRoute,
    twice: Twice,
}

impl Tally {
    /// Counts an exchange, unless it was counted before; tells whether it was.
    pub(super) fn note(
        &mut self,
        event: &Exchange<'_>,
        path: Option<&[u8]>,
        place: Option<Route>,
        (method, duration): (Option<http::Method>, Option<Duration>),
    ) -> bool {
        let method = method.unwrap_or(http::Method::Other);
        let totals = &mut self.totals;
        if self.twice.look(What { client: event.client, method: event.method, path }, event) {
            totals.seen_twice = totals.seen_twice.saturating_add(1);
            return true;
        }
        if let Some(login) = event.login {
            totals.count_login(login.outcome, 1);
            totals.count_login(LoginOutcome::Unknown, u64::from(event.further.uncounted));
            event.further.read.iter().for_each(|login| totals.count_login(login.outcome, 1));
        }
        totals.count(event.http_version, method.label(), event.status, duration);
        totals.unproven = totals.unproven.saturating_add(u64::from(!event.proven));
        self.by_route.note(place, method, event.outcome(), (event.seen, duration));
        false
    }
}
