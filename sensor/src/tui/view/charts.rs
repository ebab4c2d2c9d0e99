//! Rates over the last minutes, one column per second, the latest at the right.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Sparkline, SparklineBar};

use super::{Theme, cut};
use crate::enforce::Mode;
use crate::tui::format::compact;
use crate::tui::history::Rates;
use crate::tui::state::State;

/// From this width on, all four are side by side.
const WIDE: u16 = 120;

/// Rows for charts, of those that are left for charts and panels.
pub(super) const fn height(left: u16, width: u16) -> u16 {
    let bars: u16 = match left {
        0..15 => 0,
        15..19 => 1,
        19..30 => 2,
        30..40 => 4,
        _ => 6,
    };
    let one: u16 = if bars == 0 { 0 } else { bars.saturating_add(1) };
    if width >= WIDE { one } else { one.saturating_mul(2) }
}

struct Chart {
    name: String,
    of: fn(Rates) -> u64,
    style: Style,
}

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State, theme: Theme) {
    if area.height < 2 {
        return;
    }
    let charts = charts(state, theme);
    if area.width >= WIDE {
        let areas: [Rect; 4] = Layout::horizontal([Constraint::Fill(1); 4]).spacing(2).areas(area);
        charts.iter().zip(areas).for_each(|(chart, area)| one(frame, area, state, chart, theme));
        return;
    }
    let lines: [Rect; 2] = Layout::vertical([Constraint::Fill(1); 2]).areas(area);
    let areas = lines.into_iter().flat_map(|line| {
        let halves: [Rect; 2] = Layout::horizontal([Constraint::Fill(1); 2]).spacing(2).areas(line);
        halves
    });
    charts.iter().zip(areas).for_each(|(chart, area)| one(frame, area, state, chart, theme));
}

/// Packets in the first line, HTTP in the second.
fn charts(state: &State, theme: Theme) -> [Chart; 4] {
    let now = state.history.now();
    // After a change of mode, both are visible for a while.
    let stopped = match (state.mode(), now.dropped, now.would_drop) {
        (_, 1.., 1..) => "dropped or would be",
        (Mode::Monitor, 0, _) => "would drop",
        (Mode::Monitor | Mode::Enforce, _, _) => "dropped",
    };
    let chart = |name: &str, of, style| Chart { name: name.to_owned(), of, style };
    [
        chart("pkt/s passed", |rates| rates.passed, theme.good()),
        chart(&format!("pkt/s {stopped}"), Rates::stopped, theme.stopped()),
        chart("exchanges/s", |rates| rates.exchanges, theme.neutral()),
        chart("failures/s", |rates| rates.failures, theme.stopped()),
    ]
}

fn one(frame: &mut Frame<'_>, area: Rect, state: &State, chart: &Chart, theme: Theme) {
    let [title, bars] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    let values = state.history.last(usize::from(area.width)).into_iter().map(|rates| rates.map(chart.of));
    let values: Vec<Option<u64>> = values.collect();
    let peak = values.iter().flatten().copied().max().unwrap_or(0);
    let now = (chart.of)(state.history.now());
    let text = Line::from(vec![
        Span::styled(format!("{} {}", chart.name, compact(now)), theme.heading()),
        Span::styled(format!("  top {}", compact(peak)), theme.faint()),
    ]);
    frame.render_widget(Paragraph::new(cut(text, usize::from(title.width))), title);
    let data: Vec<SparklineBar> = values.into_iter().map(SparklineBar::from).collect();
    frame.render_widget(Sparkline::default().data(data).max(peak.max(1)).style(chart.style), bars);
}
