//! What is counted of exchanges, each once.

use super::by_route::ByRoute;
use super::by_unit::ByUnit;
use super::totals::Totals;
use super::twice::{Twice, What};
use crate::event::{Exchange, LoginOutcome, UnitId};
use crate::http::{self, Request};
use crate::route::Route;

/// Totals, all, by route and by unit.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) totals: Totals,
    pub(super) by_route: ByRoute,
    pub(super) by_unit: ByUnit,
    twice: Twice,
}

impl Tally {
    /// By unit only if asked to.
    pub(super) fn new(by_unit: bool) -> Self {
        Self { by_unit: ByUnit::new(by_unit), ..Self::default() }
    }

    /// Whether lines of access logs are to be expected.
    pub(super) fn expect_lines(&mut self, are_expected: bool) {
        self.twice.expect_lines(are_expected);
    }

    /// Counts an exchange, unless it was counted before; tells whether it was.
    pub(super) fn note(
        &mut self,
        event: &Exchange<'_>,
        path: Option<&[u8]>,
        (place, unit): (Option<Route>, Option<UnitId>),
        exchange: &http::Exchange<'_>,
    ) -> bool {
        let method = exchange.request.map_or(http::Method::Other, Request::method);
        let duration = exchange.duration();
        let totals = &mut self.totals;
        if self.twice.look(What { client: event.client, method: event.method, path }, event) {
            totals.seen_twice = totals.seen_twice.saturating_add(1);
            return true;
        }
        if let Some(login) = event.login {
            totals.count_login(login.outcome, 1);
            totals.count_login(LoginOutcome::Unknown, u64::from(event.further.uncounted));
            event.further.read.iter().for_each(|login| totals.count_login(login.outcome, 1));
            let all = std::iter::once(&login).chain(event.further.read);
            all.filter_map(|login| login.leaked).for_each(|is_leaked| totals.count_looked_up(is_leaked));
        }
        totals.count(event.http_version, method.label(), event.status, duration);
        totals.unproven = totals.unproven.saturating_add(u64::from(!event.proven));
        self.by_unit.note(unit, event.status);
        self.by_route.note((place, unit), method, event.outcome(), (event.seen, duration));
        false
    }
}
