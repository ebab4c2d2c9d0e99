//! What detectors found, the newest first.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Row, Table};

use super::{Theme, cut, rows, titled};
use crate::clock::Timestamp;
use crate::decide::{About, Action, Alert};
use crate::printable::printable;
use crate::tui::format::{compact, moment};
use crate::tui::poll::Part;
use crate::tui::state::{Panel, State};

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State, theme: Theme) {
    let focused = state.focus == Panel::Alerts;
    let blocks = state.status.as_ref().map_or(0, |status| status.blocks_active);
    let hidden = area.width == frame.area().width && blocks > 0;
    let also = if hidden { format!(" (4 shows {} blocks)", compact(blocks)) } else { String::new() };
    let title = format!("3 Alerts, newest first, {}{also}", state.alerts.len());
    // Two columns are the mark of the chosen one.
    let width = usize::from(area.width.saturating_sub(2));
    let lines = state.alerts.iter().map(|alert| Row::new([cut(line(alert, state.now, theme), width)]));
    let table = Table::new(lines, [Constraint::Fill(1)]);
    let nothing = state.trouble.get(&Part::Alerts).map_or("No alerts.", String::as_str);
    let place = (state.alert.at(), state.alerts.len());
    rows(frame, area, (titled(title, focused, theme), focused, theme), table, place, nothing);
}

fn line<'a>(alert: &Alert, now: Timestamp, theme: Theme) -> Line<'a> {
    let about = match &alert.about {
        About::Client(client) => client.to_string(),
        About::Subject(subject) => printable(subject),
    };
    let done = match alert.action {
        Action::None => "",
        Action::WouldLimit => "would limit ",
        Action::Limit => "LIMITED ",
        Action::WouldBlock => "would block ",
        Action::Block => "BLOCKED ",
    };
    let severity = alert.severity.label();
    Line::from(vec![
        Span::raw(format!("{} ", moment(alert.ts, now))),
        Span::styled(format!("{:<8}", severity.to_uppercase()), theme.severity(alert.severity)),
        Span::raw(format!(" {done}{about} {}: {}", alert.detector.slug(), printable(&alert.summary))),
    ])
}
