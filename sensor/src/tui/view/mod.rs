//! Renders a state as a frame.

mod alerts;
mod blocks;
mod charts;
mod clients;
mod header;
mod overlay;
mod routes;
mod theme;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Row, Table, TableState};

pub(super) use theme::Theme;

use super::Words;
use super::state::{Panel, State};

/// What panels need besides the state.
#[derive(Clone, Copy)]
pub(super) struct Look {
    pub(super) theme: Theme,
    pub(super) words: Words,
}

/// From this width on, panels are side by side.
const WIDE: u16 = 136;
/// What clients need then: a /64 in full, rates, a block and its end.
const CLIENTS: u16 = 75;
/// Minimum rows of a panel: title, header, one row.
const PANEL: u16 = 3;

/// Draws everything. Any size works; what has no room is left out.
pub(super) fn draw(frame: &mut Frame<'_>, state: &State, look: Look) {
    let area = frame.area();
    let head = header::lines(state, look, area.width);
    let header_height = u16::try_from(head.len()).unwrap_or(0).min(area.height.saturating_sub(PANEL));
    let footer_height = u16::from(area.height > PANEL);
    let left = area.height.saturating_sub(header_height).saturating_sub(footer_height);
    let charts_height = charts::height(left, area.width);
    let [header, charts, body, footer] = Layout::vertical([
        Constraint::Length(header_height),
        Constraint::Length(charts_height),
        Constraint::Fill(1),
        Constraint::Length(footer_height),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(head), header);
    charts::draw(frame, charts, state, look.theme);
    panels(frame, body, state, look);
    header::footer(frame, footer, state, look.theme);
    overlay::draw(frame, area, state, look.theme);
}

fn panels(frame: &mut Frame<'_>, area: Rect, state: &State, look: Look) {
    if area.height < PANEL.saturating_mul(3) {
        return panel(frame, area, state.focus, state, look);
    }
    if area.width >= WIDE {
        let lower = if matches!(state.focus, Panel::Alerts | Panel::Blocks) { 5 } else { 4 };
        let [top, bottom] = Layout::vertical([Constraint::Fill(6), Constraint::Fill(lower)]).areas(area);
        let columns = |area| {
            Layout::horizontal([Constraint::Length(CLIENTS), Constraint::Fill(1)]).spacing(2).areas(area)
        };
        let [clients, routes] = columns(top);
        let [alerts, blocks] = columns(bottom);
        for (area, which) in [clients, routes, alerts, blocks].into_iter().zip(Panel::ALL) {
            panel(frame, area, which, state, look);
        }
        return;
    }
    let last = if state.focus == Panel::Blocks { Panel::Blocks } else { Panel::Alerts };
    let shown = [Panel::Clients, Panel::Routes, last];
    let wants = shown.map(|which| (wanted(which, state), if which == state.focus { 2 } else { 1 }));
    let areas: [Rect; 3] = Layout::vertical(shares(area.height, wants).map(Constraint::Length)).areas(area);
    for (area, which) in areas.into_iter().zip(shown) {
        panel(frame, area, which, state, look);
    }
}

/// Rows for which a panel has content.
fn wanted(which: Panel, state: &State) -> u16 {
    let (over, rows) = match which {
        Panel::Clients => (2, state.clients.len()),
        Panel::Routes => (2, state.routes.routes.len()),
        Panel::Alerts => (1, state.alerts.len()),
        Panel::Blocks => (1, state.blocks.len()),
    };
    u16::try_from(rows.max(1)).unwrap_or(u16::MAX).saturating_add(over)
}

/// Distributes rows by weight: nobody gets more than wanted while others want more.
fn shares(height: u16, wants: [(u16, u16); 3]) -> [u16; 3] {
    let mut shares = [0_u16; 3];
    for _ in 0..height {
        let mut best: Option<(bool, u32, usize)> = None;
        for (place, ((want, weight), has)) in wants.into_iter().zip(shares).enumerate() {
            // By weight, least satisfied first.
            let per_weight = if has < PANEL { 0 } else { u32::from(has).saturating_mul(2) };
            let per_weight = per_weight.checked_div(u32::from(weight)).unwrap_or(u32::MAX);
            let found = (has >= want.max(PANEL), per_weight, place);
            best = Some(best.map_or(found, |best| best.min(found)));
        }
        if let Some(share) = best.and_then(|(_, _, place)| shares.get_mut(place)) {
            *share = share.saturating_add(1);
        }
    }
    shares
}

fn panel(frame: &mut Frame<'_>, area: Rect, which: Panel, state: &State, look: Look) {
    match which {
        Panel::Clients => clients::draw(frame, area, state, look.theme),
        Panel::Routes => routes::draw(frame, area, state, look.theme),
        Panel::Alerts => alerts::draw(frame, area, state, look.theme),
        Panel::Blocks => blocks::draw(frame, area, state, look.theme),
    }
}

/// The title line of a panel; the active one is marked by a word and not by colour alone.
fn titled<'a>(text: String, focused: bool, theme: Theme) -> Block<'a> {
    let (mark, style) = if focused { (">", theme.selected()) } else { (" ", theme.heading()) };
    let title = Span::styled(format!("{mark}{text} "), style.patch(theme.heading()));
    Block::new().borders(Borders::TOP).border_style(theme.faint()).title(Line::from(title))
}

/// The rows of a panel, scrolled to the selection, or a sentence if there are none.
fn rows<'a>(
    frame: &mut Frame<'_>,
    area: Rect,
    (block, focused, theme): (Block<'a>, bool, Theme),
    table: Table<'a>,
    (at, count): (usize, usize),
    nothing: &str,
) {
    if count == 0 {
        let text = Paragraph::new(nothing.to_owned()).style(theme.faint()).block(block);
        return frame.render_widget(text.wrap(ratatui::widgets::Wrap { trim: true }), area);
    }
    let style = if focused { theme.selected() } else { Style::new() };
    let mark = if focused { "> " } else { "  " };
    let table = table.block(block).row_highlight_style(style).highlight_symbol(mark);
    let mut place = TableState::new().with_selected(Some(at));
    frame.render_stateful_widget(table, area, &mut place);
}

/// Column names. The sort column is underlined; the panel's title names it, too.
fn heading<'a>(names: &[(&'static str, bool)], theme: Theme) -> Row<'a> {
    let cells = names.iter().enumerate().map(|(place, (name, sorted))| {
        let style = if *sorted { Style::new().add_modifier(Modifier::UNDERLINED) } else { Style::new() };
        let name = Line::from(Span::styled(*name, style));
        // The first column is text, the others are numbers.
        if place == 0 { name } else { name.right_aligned() }
    });
    Row::new(cells).style(theme.heading())
}

/// The width that numeric columns of these widths leave for the text before them, in a panel of this width.
fn text_width(panel: u16, numbers: &[u16]) -> u16 {
    // The mark of the chosen row has two columns, the space before each number one.
    let others = numbers.iter().fold(2_u16, |sum, width| sum.saturating_add(*width).saturating_add(1));
    panel.saturating_sub(others)
}

/// The widths of a text and of the numbers after it.
fn widths(text: u16, numbers: &[u16]) -> Vec<Constraint> {
    std::iter::once(&text).chain(numbers).map(|width| Constraint::Length(*width)).collect()
}

/// A number in a column.
fn number<'a>(text: String) -> Line<'a> {
    Line::from(text).right_aligned()
}

/// A line truncated to a width, with a mark if something is missing.
fn cut<'a>(line: Line<'a>, width: usize) -> Line<'a> {
    if line.width() <= width || width == 0 {
        return line;
    }
    let mut left = width.saturating_sub(1);
    let mut spans = Vec::new();
    for span in line.spans {
        let mut text = String::new();
        for c in span.content.chars() {
            let columns = Span::raw(c.to_string()).width();
            if columns > left {
                // Nothing narrower may follow what had no room.
                left = 0;
                break;
            }
            left = left.saturating_sub(columns);
            text.push(c);
        }
        spans.push(Span::styled(text, span.style));
    }
    spans.push(Span::raw("…"));
    Line::from(spans).style(line.style)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rows_go_where_they_are_wanted() {
        for (height, wants, expected) in [
            (15, [(9, 2), (9, 1), (9, 1)], [7, 4, 4]),
            (15, [(4, 2), (9, 1), (9, 1)], [4, 6, 5]),
            (15, [(3, 2), (3, 1), (3, 1)], [7, 4, 4]),
            (9, [(99, 1), (99, 2), (99, 1)], [3, 3, 3]),
        ] {
            let found = shares(height, wants);
            assert_eq!(found.iter().sum::<u16>(), height);
            assert!(
                found.iter().zip(expected).all(|(found, expected)| found.abs_diff(expected) <= 1),
                "{height} for {wants:?}: {found:?}"
            );
        }
    }

    #[test]
    fn what_is_cut_is_marked() {
        for (text, width, expected) in [
            ("abcdef", 6, "abcdef"),
            ("abcdef", 5, "abcd…"),
            ("日本語x", 4, "日…"),
            ("ab", 1, "…"),
            ("ab", 0, "ab"),
        ] {
            assert_eq!(cut(Line::raw(text), width).to_string(), expected);
        }
    }

    proptest! {
        #[test]
        fn every_row_is_given_once(height in 0_u16..300, wants in prop::array::uniform3((0_u16..100, 1_u16..3))) {
            let found = shares(height, wants);
            prop_assert_eq!(found.iter().sum::<u16>(), height);
            if height >= 9 {
                prop_assert!(found.iter().all(|rows| *rows >= PANEL), "{found:?}");
            }
        }
    }
}
