//! Routes with their rates, and the clients' state in the policy.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use ipnet::IpNet;

use super::commands::Commands;
use super::engine::Engine;
use crate::control::wire::{RouteRow, RouteSort, RoutesReport, Standing};
use crate::enforce::Policy;
use crate::pipeline::{RouteCounts, RouteLine, RouteTable};

impl Commands {
    /// The busiest routes between two samples.
    pub(super) async fn routes(&self, top: usize, sort: RouteSort) -> Result<RoutesReport, String> {
        let before = self.engine().route_table()?;
        tokio::time::sleep(super::commands::SAMPLE).await;
        let now = self.engine().route_table()?;
        Ok(report(&before, &now, top, sort))
    }
}

impl Engine {
    fn route_table(&self) -> Result<Arc<RouteTable>, String> {
        let sensing = self.sensing.as_ref();
        Ok(sensing.ok_or("HTTP is not seen; see `sensor status`")?.routes())
    }
}

fn report(before: &RouteTable, now: &RouteTable, top: usize, sort: RouteSort) -> RoutesReport {
    let key = |line: &RouteLine| (line.method, line.route.clone(), line.unit.clone());
    let earlier: HashMap<_, _> = before.lines.iter().map(|line| (key(line), line.total)).collect();
    // All exchanges of a route that did not exist a second ago are from this second.
    let of = |line: &RouteLine| row(line, earlier.get(&key(line)).copied().unwrap_or_default());
    let mut routes: Vec<RouteRow> = now.lines.iter().map(of).collect();
    routes.sort_by_cached_key(|row| {
        let second = if sort == RouteSort::Errors { row.recent.errors() } else { row.recent.requests };
        (Reverse((row.by(sort), second, row.total.requests)), row.route.clone(), row.method.clone())
    });
    routes.truncate(top);
    RoutesReport {
        routes,
        tracked: u64::try_from(now.lines.len()).unwrap_or(u64::MAX),
        rest: row(&now.rest, before.rest.total),
    }
}

fn row(line: &RouteLine, before: RouteCounts) -> RouteRow {
    let total = line.total;
    let rates = RouteCounts {
        requests: total.requests.saturating_sub(before.requests),
        client_errors: total.client_errors.saturating_sub(before.client_errors),
        server_errors: total.server_errors.saturating_sub(before.server_errors),
    };
    RouteRow {
        method: line.method.to_owned(),
        route: line.route.clone(),
        unit: line.unit.clone(),
        rates,
        recent: line.recent,
        p50_us: line.p50_us,
        p99_us: line.p99_us,
        total,
    }
}

/// A client's state. An allow rule takes precedence over a block, and a block over limits, as in the kernel.
pub(super) fn standing(policy: &Policy, client: &IpNet) -> Standing {
    if let Some((by, _)) = policy.allows_covering(*client).next_back() {
        return Standing::Allowed { by };
    }
    if let Some((by, rule)) = policy.block_covering(client) {
        return Standing::Blocked { by, until: rule.until };
    }
    policy.scope_covering(*client).map_or(Standing::Plain, |by| Standing::Limited { by })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::enforce::{AllowRule, BlockRule, Layer, Limits, Origin, Scope};

    fn line(method: &'static str, route: &str, requests: u64, errors: u64, p99_us: Option<u64>) -> RouteLine {
        let total = RouteCounts { requests, client_errors: errors, server_errors: 0 };
        RouteLine {
            method,
            route: route.to_owned(),
            total,
            recent: total,
            p50_us: p99_us,
            p99_us,
            unit: None,
        }
    }

    #[test]
    fn rates_are_what_came_between_two_looks() {
        let table = |lines, rest| RouteTable { lines, rest: line("", "", rest, 0, None) };
        let before = table(vec![line("GET", "/a", 100, 10, None), line("POST", "/a", 7, 0, None)], 3);
        let now = table(
            vec![
                line("POST", "/a", 8, 0, Some(9)),
                line("GET", "/a", 150, 11, Some(5)),
                line("GET", "/new", 4, 4, None),
            ],
            5,
        );
        let order = |sort| {
            let found = report(&before, &now, 9, sort).routes;
            found.into_iter().map(|row| (row.method + &row.route, row.rates.requests)).collect::<Vec<_>>()
        };
        let named = |names: [(&str, u64); 3]| names.map(|(name, rate)| (name.to_owned(), rate)).to_vec();
        assert_eq!(order(RouteSort::Requests), named([("GET/a", 50), ("GET/new", 4), ("POST/a", 1)]));
        assert_eq!(order(RouteSort::Errors), named([("GET/new", 4), ("GET/a", 50), ("POST/a", 1)]));
        assert_eq!(order(RouteSort::Latency), named([("POST/a", 1), ("GET/a", 50), ("GET/new", 4)]));
        let cut = report(&before, &now, 1, RouteSort::Requests);
        assert_eq!((cut.routes.len(), cut.tracked, cut.rest.rates.requests), (1, 3, 2));
    }

    #[test]
    fn the_rule_that_counts_is_told() {
        let since = Timestamp::default();
        let until = Some(Timestamp::from_unix_micros(9));
        let prefix = |text: &str| -> IpNet { text.parse().unwrap() };
        let block = |until| BlockRule { until, reason: None, origin: Origin::Command, since };
        let mut layer = Layer::default();
        layer.blocks.insert(prefix("10.1.0.0/16"), block(None));
        layer.blocks.insert(prefix("10.1.2.3/32"), block(until));
        layer
            .allows
            .insert(prefix("10.1.9.0/24"), AllowRule { reason: None, origin: Origin::Command, since });
        layer.limits.insert(Scope::Prefix(prefix("10.2.0.0/16")), Limits::default());
        layer.limits.insert(Scope::Default, Limits::default());
        let policy = Policy::new(layer, Layer::default());
        for (client, expected) in [
            ("10.9.9.9/32", Standing::Plain),
            ("10.1.9.4/32", Standing::Allowed { by: prefix("10.1.9.0/24").into() }),
            ("10.1.2.3/32", Standing::Blocked { by: prefix("10.1.0.0/16").into(), until: None }),
            ("10.2.0.1/32", Standing::Limited { by: prefix("10.2.0.0/16").into() }),
            ("2001:db8::/64", Standing::Plain),
        ] {
            assert_eq!(standing(&policy, &prefix(client)), expected, "{client}");
        }
    }
}
