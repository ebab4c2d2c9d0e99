//! `sensor routes` and `sensor top`.

use std::env;
use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use anyhow::{Result, bail};

use super::args::{GroupRoutes, RoutesArgs, TopArgs};
use super::output::{table, trimmed};
use super::{alerts, ask, ask_for, output, say, ssh};
use crate::control::wire::{Request, RouteRow, RoutesReport};
use crate::pipeline::RouteCounts;
use crate::tui::{self, Latency, TopError, Words};

pub(super) fn routes(args: &RoutesArgs, json: bool) -> Result<ExitCode> {
    let top = usize::try_from(args.top).unwrap_or(usize::MAX);
    let request = Request::Routes { top, sort: args.sort.into() };
    if say::is_table() {
        let report: RoutesReport = ask_for(&args.remote, request)?;
        say::say_json(&report.routes)?;
        return Ok(ExitCode::SUCCESS);
    }
    ask::<RoutesReport>(&args.remote, request, json, |report| text(report, args.by))
}

pub(super) fn top(args: &TopArgs, json: bool) -> Result<ExitCode> {
    if json {
        bail!("`sensor top` has no JSON; use `sensor status --json`, `clients`, `routes` or `alerts`");
    }
    if !io::stdout().is_terminal() {
        bail!("`sensor top` needs a terminal on stdout; use `sensor status --json` in scripts");
    }
    // https://no-color.org: set to anything but nothing.
    let no_color = args.no_color || env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let words =
        Words { explanation: output::explanation, alert: alerts::explanation, losses: output::losses };
    let options =
        tui::Options { socket: args.remote.socket.clone(), ssh: ssh::connection(), no_color, words };
    match tui::run(&options) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        // As itself: its kind decides about the exit status.
        Err(TopError::Daemon(error)) => Err(error.into()),
        Err(error @ TopError::Terminal(_)) => Err(error.into()),
    }
}

fn text(report: &RoutesReport, by: GroupRoutes) -> String {
    if report.routes.is_empty() {
        return "no exchanges seen yet; `sensor status` shows which ports are watched".to_owned();
    }
    let mut routes: Vec<&RouteRow> = report.routes.iter().collect();
    if by == GroupRoutes::Unit {
        // Stable: within a unit, the order stays.
        routes
            .sort_by(|one, other| (one.unit.is_none(), &one.unit).cmp(&(other.unit.is_none(), &other.unit)));
    }
    // Where nothing is known of units, there is no column of dashes.
    let has_units = by == GroupRoutes::Unit || routes.iter().any(|row| row.unit.is_some());
    let columns =
        ["method", "route", "requests/s", "errors/s", "4xx %", "5xx %", "p50", "p99", "requests", "errors"];
    let columns: Vec<&str> = has_units.then_some("unit").into_iter().chain(columns).collect();
    let mut table = table(&columns, if has_units { 3 } else { 2 });
    let rest = (report.rest.total.requests > 0).then_some(&report.rest);
    for row in routes.into_iter().chain(rest) {
        let is_rest = row.route.is_empty();
        let unit = has_units.then(|| row.unit.clone().unwrap_or_else(|| "-".to_owned()));
        table.add_row(unit.into_iter().chain([
            if is_rest { "*".to_owned() } else { row.method.clone() },
            if is_rest { "(all other routes)".to_owned() } else { row.route.clone() },
            row.rates.requests.to_string(),
            row.rates.errors().to_string(),
            share(row, |counts| counts.client_errors),
            share(row, |counts| counts.server_errors),
            Latency(row.p50_us).to_string(),
            Latency(row.p99_us).to_string(),
            row.total.requests.to_string(),
            row.total.errors().to_string(),
        ]));
    }
    trimmed(&table)
}

/// A share of the recent exchanges in per cent; a dash where there are none.
fn share(row: &RouteRow, part: fn(RouteCounts) -> u64) -> String {
    tui::share(part(row.recent), row.recent.requests).map_or("-".to_owned(), |share| share.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_as_a_table() {
        let counts =
            |requests, client_errors, server_errors| RouteCounts { requests, client_errors, server_errors };
        let row = RouteRow {
            method: "GET".to_owned(),
            route: "/a\u{1b}[2J".to_owned(),
            unit: None,
            rates: counts(50, 5, 1),
            recent: counts(1_000, 100, 1),
            p50_us: Some(1_250),
            p99_us: Some(2_000_000),
            total: counts(5_000, 120, 3),
        };
        let rest = RouteRow { total: counts(7, 0, 0), ..RouteRow::default() };
        let shown = text(&RoutesReport { routes: vec![row.clone()], tracked: 1, rest }, GroupRoutes::Route);
        let lines: Vec<Vec<&str>> = shown
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
            .collect();
        assert_eq!(
            lines[1],
            ["GET", r"/a\u{1b}[2J", "50", "6", "10", "<1", "1.3 ms", "2.0 s", "5000", "123"]
        );
        assert_eq!(lines[2], ["*", "(all other routes)", "0", "0", "-", "-", "-", "-", "7", "0"]);
        assert!(text(&RoutesReport::default(), GroupRoutes::Route).contains("no exchanges"));
        let of = |unit: Option<&str>, route: &str| RouteRow {
            unit: unit.map(str::to_owned),
            route: route.to_owned(),
            ..row.clone()
        };
        let routes = vec![of(None, "/c"), of(Some("b.service"), "/b"), of(Some("a.service"), "/a")];
        let report = RoutesReport { routes, ..RoutesReport::default() };
        let order = |by| -> Vec<String> {
            let shown = text(&report, by);
            shown
                .lines()
                .skip(1)
                .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
                .collect()
        };
        assert_eq!(order(GroupRoutes::Route), ["-", "b.service", "a.service"]);
        assert_eq!(order(GroupRoutes::Unit), ["a.service", "b.service", "-"]);
    }
}
