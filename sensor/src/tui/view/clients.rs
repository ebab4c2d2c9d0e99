//! The busiest clients.

use ipnet::IpNet;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Row, Table};

use super::{Theme, cut, heading, number, rows, text_width, titled, widths};
use crate::control::wire::{ClientRow, ClientSort, Standing};
use crate::enforce::Mode;
use crate::tui::format::{compact, lasting};
use crate::tui::poll::Part;
use crate::tui::state::{Panel, State};

/// Columns after the client; a block that ends within the hour needs 14.
const NUMBERS: [u16; 6] = [6, 6, 6, 6, 6, 14];

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State, theme: Theme) {
    let focused = state.focus == Panel::Clients;
    let by = state.order.clients;
    let tracked = state.status.as_ref().map_or(0, |status| status.clients_tracked);
    let title = format!("1 Clients by {}, {} of {}", name(by), state.clients.len(), compact(tracked));
    let names = [
        ("client", false),
        ("pkt/s", by == ClientSort::Packets),
        ("bit/s", by == ClientSort::Bits),
        ("req/s", by == ClientSort::Requests),
        ("fail/s", by == ClientSort::Failures),
        ("drop/s", by == ClientSort::Drops),
        ("policy", false),
    ];
    let client = text_width(area.width, &NUMBERS);
    let lines = state.clients.iter().map(|row| line(row, client, state, theme));
    let table = Table::new(lines, widths(client, &NUMBERS)).header(heading(&names, theme));
    let place = (state.client.at(), state.clients.len());
    let nothing = state
        .trouble
        .get(&Part::Clients)
        .map_or("No clients yet; a source becomes one with its second packet.", String::as_str);
    rows(frame, area, (titled(title, focused, theme), focused, theme), table, place, nothing);
}

fn line<'a>(row: &ClientRow, width: u16, state: &State, theme: Theme) -> Row<'a> {
    let rates = row.rates;
    let stopped = number(compact(rates.drops));
    Row::new([
        cut(client(row, theme), usize::from(width)),
        number(compact(rates.packets)),
        number(compact(rates.bits)),
        number(compact(rates.requests)),
        number(compact(rates.failures)),
        if rates.drops > 0 { stopped.style(theme.stopped()) } else { stopped },
        standing(row.standing, state, theme),
    ])
}

/// The client, with a mark if it takes part in an open incident.
fn client<'a>(row: &ClientRow, theme: Theme) -> Line<'a> {
    match row.incident {
        Some(mark) => {
            Line::from(vec![Span::styled("! ", theme.severity(mark.severity)), Span::raw(short(&row.client))])
        }
        None => Line::from(short(&row.client)),
    }
}

fn standing<'a>(standing: Standing, state: &State, theme: Theme) -> Line<'a> {
    let text = match standing {
        Standing::Plain => String::new(),
        Standing::Allowed { .. } => "allowed".to_owned(),
        Standing::Limited { .. } => "limited".to_owned(),
        // In capitals if it is carried out.
        Standing::Blocked { until, .. } => {
            let word = if state.mode() == Mode::Enforce { "BLOCKED" } else { "blocked" };
            let left = until.map(|until| format!(" {}", lasting(until.since(state.now))));
            format!("{word}{}", left.unwrap_or_default())
        }
    };
    let is_blocked = matches!(standing, Standing::Blocked { .. });
    number(text).style(if is_blocked { theme.bad() } else { theme.neutral() })
}

/// A client that is one address, without the prefix length.
pub(super) fn short(client: &IpNet) -> String {
    if client.prefix_len() == client.max_prefix_len() {
        client.addr().to_string()
    } else {
        client.to_string()
    }
}

const fn name(sort: ClientSort) -> &'static str {
    match sort {
        ClientSort::Packets => "packets",
        ClientSort::Bits => "bits",
        ClientSort::Requests => "requests",
        ClientSort::Drops => "drops",
        ClientSort::Failures => "failures",
    }
}
