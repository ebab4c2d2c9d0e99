//! The busiest routes.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Row, Table};

use super::{Theme, cut, heading, number, rows, text_width, titled, widths};
use crate::control::wire::{RouteRow, RouteSort};
use crate::pipeline::RouteCounts;
use crate::printable::printable;
use crate::tui::format::{Latency, compact, share};
use crate::tui::poll::Part;
use crate::tui::state::{Panel, State};

/// A route is marked from this percentage of errors on.
const MARKED: u64 = 10;

/// Columns after the route.
const NUMBERS: [u16; 6] = [6, 6, 4, 4, 6, 6];

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State, theme: Theme) {
    let focused = state.focus == Panel::Routes;
    let by = state.order.routes;
    let rest = state.routes.rest.rates.requests;
    let others = if rest > 0 { format!(", {} req/s elsewhere", compact(rest)) } else { String::new() };
    let title = format!("2 Routes by {}, {}{others}", name(by), state.routes.tracked);
    let header = [
        ("route", false),
        ("req/s", by == RouteSort::Requests),
        ("err/s", by == RouteSort::Errors),
        ("4xx%", false),
        ("5xx%", false),
        ("p50", false),
        ("p99", by == RouteSort::Latency),
    ];
    let route = text_width(area.width, &NUMBERS);
    let lines = state.routes.routes.iter().map(|row| line(row, route, theme));
    let table = Table::new(lines, widths(route, &NUMBERS)).header(heading(&header, theme));
    let place = (state.route.at(), state.routes.routes.len());
    let nothing = state.trouble.get(&Part::Routes).map_or("No HTTP exchanges seen yet.", String::as_str);
    rows(frame, area, (titled(title, focused, theme), focused, theme), table, place, nothing);
}

fn line<'a>(row: &RouteRow, width: u16, theme: Theme) -> Row<'a> {
    let errors = number(compact(row.rates.errors()));
    Row::new([
        cut(Line::from(format!("{} {}", row.method, printable(&row.route))), usize::from(width)),
        number(compact(row.rates.requests)),
        if row.rates.errors() > 0 { errors.style(theme.stopped()) } else { errors },
        per_cent(row.recent, row.recent.client_errors, theme),
        per_cent(row.recent, row.recent.server_errors, theme),
        number(Latency(row.p50_us).to_string()),
        number(Latency(row.p99_us).to_string()),
    ])
}

fn per_cent<'a>(recent: RouteCounts, part: u64, theme: Theme) -> Line<'a> {
    let text = share(part, recent.requests).map_or_else(|| "-".to_owned(), |share| share.to_string());
    let many = part > 0 && part.saturating_mul(100) >= recent.requests.saturating_mul(MARKED);
    let line = number(text);
    if many { line.style(theme.bad()) } else { line }
}

const fn name(sort: RouteSort) -> &'static str {
    match sort {
        RouteSort::Requests => "requests",
        RouteSort::Errors => "errors",
        RouteSort::Latency => "latency",
    }
}
