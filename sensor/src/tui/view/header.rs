//! The first lines, which show at a glance whether all is well, and the last one.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::{Look, Theme, cut};
use crate::control::wire::StatusReport;
use crate::enforce::Mode;
use crate::tui::format::{compact, lasting};
use crate::tui::state::State;

/// Two lines, and further ones only for problems.
pub(super) fn lines<'a>(state: &State, look: Look, width: u16) -> Vec<Line<'a>> {
    let theme = look.theme;
    let mut lines = Vec::new();
    if let Some((silent, why)) = state.absence() {
        let text = format!(" NO DAEMON for {}, data below is stale: {why} ", lasting(silent));
        lines.push(Line::styled(text, theme.alarm()));
    }
    let Some(status) = &state.status else {
        lines.push(Line::raw("sensor: waiting for the daemon"));
        return lines;
    };
    lines.push(first(state, status, theme));
    let losses = (look.words.losses)(status);
    lines.push(second(status, losses == "none", theme));
    if losses != "none" {
        lines.push(Line::from(vec![Span::styled("LOSSES ", theme.warning()), Span::raw(losses)]));
    }
    if let Some(pending) = pending(state, status) {
        lines.push(Line::styled(pending, theme.warning()));
    }
    // A line that does not fit is cut off at the edge; mark it.
    lines.into_iter().map(|line| cut(line, usize::from(width))).collect()
}

fn first<'a>(state: &State, status: &StatusReport, theme: Theme) -> Line<'a> {
    let mode = match status.mode {
        Mode::Enforce => Span::styled(" ENFORCE ", theme.selected().patch(theme.heading())),
        Mode::Monitor => Span::styled("MONITOR (drops nothing)", theme.warning()),
    };
    let interfaces: Vec<String> =
        status.interfaces.iter().map(|row| format!("{} {}", row.interface, row.xdp_mode.label())).collect();
    let time = state.now.to_string();
    let time = time.get(11..19).unwrap_or_default();
    let uptime = lasting(Duration::from_secs(status.uptime_seconds));
    let mut spans = vec![
        Span::styled(format!("sensor {} ", status.version), theme.heading()),
        mode,
        Span::raw(format!(" {time} UTC, up {uptime}, {}", interfaces.join(", "))),
    ];
    if state.paused {
        spans.push(Span::styled(" PAUSED ", theme.selected().patch(theme.heading())));
    }
    Line::from(spans)
}

/// Possible problems first: a narrow terminal cuts off the end.
fn second<'a>(status: &StatusReport, lossless: bool, theme: Theme) -> Line<'a> {
    let counts = format!(
        "; {} clients, {} blocked, {} allowed, {} limits",
        compact(status.clients_tracked),
        compact(status.blocks_active),
        compact(status.allows_active),
        compact(status.scopes),
    );
    let is_degraded = !status.degraded.is_empty();
    Line::from(vec![
        if is_degraded {
            Span::styled("DEGRADED, see `sensor status`; ", theme.warning())
        } else {
            Span::raw("")
        },
        if lossless { Span::raw("losses none") } else { Span::styled("LOSSES, see below", theme.warning()) },
        Span::raw("; kill switch "),
        if status.kill_switch_tripped { Span::styled("TRIPPED", theme.alarm()) } else { Span::raw("ready") },
        Span::raw(counts),
    ])
}

fn pending(state: &State, status: &StatusReport) -> Option<String> {
    let first = status.pending.iter().map(|row| row.deadline).min()?;
    let scopes: Vec<String> = status.pending.iter().map(|row| row.scope.to_string()).collect();
    let left = lasting(first.since(state.now));
    Some(format!("UNCONFIRMED limits of {}, rolled back in {left}: `c` keeps them", scopes.join(", ")))
}

/// The keys, or the last action.
pub(super) fn footer(frame: &mut Frame<'_>, area: Rect, state: &State, theme: Theme) {
    let line = match state.notice() {
        Some(notice) => Line::styled(notice.to_owned(), theme.selected()),
        None => keys(theme),
    };
    frame.render_widget(Paragraph::new(cut(line, usize::from(area.width))), area);
}

fn keys<'a>(theme: Theme) -> Line<'a> {
    let keys = [
        ("b", " block"),
        ("a", " allow"),
        ("l", " limit"),
        ("u", " undo"),
        ("e", " explain"),
        ("s", " sort"),
        ("p", " pause"),
        ("?", " help"),
        ("q", " quit"),
    ];
    let spans = keys
        .into_iter()
        .flat_map(|(key, what)| [Span::styled(key, theme.heading()), Span::raw(what), Span::raw("  ")]);
    Line::from(spans.collect::<Vec<_>>())
}
