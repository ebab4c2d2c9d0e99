//! What is blocked, what ends first at the top.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Row, Table};

use super::clients::short;
use super::{Theme, rows, titled};
use crate::control::wire::BlockRow;
use crate::printable::printable;
use crate::tui::format::{compact, lasting};
use crate::tui::poll::{MAX_BLOCKS, Part};
use crate::tui::state::{Panel, State};

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State, theme: Theme) {
    let focused = state.focus == Panel::Blocks;
    let active = state.status.as_ref().map_or(0, |status| status.blocks_active);
    let title = format!("4 Blocks, {}", compact(active));
    let widths = [Constraint::Length(23), Constraint::Length(8), Constraint::Fill(1)];
    let lines = state.blocks.iter().map(|row| line(row, state));
    let table = Table::new(lines, widths);
    let many = format!("More than {MAX_BLOCKS}: `sensor block list` shows them.");
    let none = if state.too_many_blocks { many.as_str() } else { "Nothing is blocked." };
    let nothing = state.trouble.get(&Part::Blocks).map_or(none, String::as_str);
    let place = (state.block.at(), state.blocks.len());
    rows(frame, area, (titled(title, focused, theme), focused, theme), table, place, nothing);
}

fn line<'a>(row: &BlockRow, state: &State) -> Row<'a> {
    let ends = row.until.map_or("forever".to_owned(), |until| lasting(until.since(state.now)));
    let reason = row.reason.as_deref().map(|reason| format!(": {}", printable(reason))).unwrap_or_default();
    Row::new([
        Line::from(row.prefix.prefix().map_or_else(|| row.prefix.to_string(), |prefix| short(&prefix))),
        Line::from(ends).right_aligned(),
        Line::from(format!("by {}{reason}", row.origin.label())),
    ])
}
