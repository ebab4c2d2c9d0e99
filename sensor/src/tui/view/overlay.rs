//! Dialogs over the panels.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Padding, Paragraph};

use super::Theme;
use crate::tui::dialog::{Dialog, Form};
use crate::tui::state::State;

const HELP: &str = "\
Select
  1 2 3 4, Tab   clients, routes, alerts, blocks
  arrows, j k    a row, which stays selected as others move; g: back to top
  s              sort clients or routes by the next column
Act on the selected client, alert or block
  e, Enter       explain why it is limited, blocked or neither
  b              block it for a time
  a              allow it: exempt it from blocks and limits
  l              limit it; rolled back unless kept
  u              undo: remove its block, allow rule or limits
  c              keep limits that await confirmation
Nothing happens until you answer y. The daemon refuses to block this host,
its gateway and resolvers, trusted proxies and your own ssh session.
View
  p              pause the lists         Ctrl-L   redraw
  q, Ctrl-C      quit; policy is unchanged
`!` marks a client in an open incident (`sensor incidents`).
Charts have one column per second, the latest on the right; `top` is the
highest value shown. Failures are 4xx and 5xx responses. In monitor mode,
drop/s is what would be dropped. 4xx%, 5xx%, p50 and p99 cover the last
30 to 60 seconds. p99: 99 % of responses were at least this fast.";

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, state: &State, theme: Theme) {
    match &state.dialog {
        None => {}
        Some(Dialog::Help { scroll }) => {
            window(frame, area, ("Keys", "any other key closes"), &plain(HELP), (*scroll, theme));
        }
        Some(Dialog::Text { title, text, scroll }) => {
            let foot = "arrows scroll, any other key closes";
            window(frame, area, (title, foot), &plain(text), (*scroll, theme));
        }
        Some(Dialog::Form(form)) => {
            let foot = "Enter continues, Esc changes nothing";
            window(frame, area, (&form.about.title(), foot), &form_lines(form, theme), (0, theme));
        }
        Some(Dialog::Confirm(deed)) => {
            let mut lines = plain(&deed.consequence(state.mode()));
            lines.push((String::new(), Style::new()));
            lines.push(("y: do it     n, Esc: cancel".to_owned(), theme.heading()));
            window(frame, area, (&deed.question(), "y/N"), &lines, (0, theme));
        }
    }
}

/// A line and how it looks, wrapped where it is too long.
type Styled = (String, Style);

fn plain(text: &str) -> Vec<Styled> {
    text.lines().map(|line| (line.to_owned(), Style::new())).collect()
}

fn form_lines(form: &Form, theme: Theme) -> Vec<Styled> {
    let mut lines = plain(form.about.prompt());
    lines.push((String::new(), Style::new()));
    lines.push((format!("> {}_", form.input), theme.heading()));
    if let Some(error) = &form.error {
        lines.push((String::new(), Style::new()));
        lines.push((error.clone(), theme.bad()));
    }
    lines
}

/// Columns of border and padding at both sides together.
const FRAME: u16 = 4;
/// Minimum width of a window's content, if the terminal has it.
const LEAST: usize = 40;
/// Longer lines are hard to read.
const MOST: u16 = 110;

/// A centred window, as large as its text and the terminal allow.
fn window(
    frame: &mut Frame<'_>,
    area: Rect,
    (title, foot): (&str, &str),
    lines: &[Styled],
    (scroll, theme): (u16, Theme),
) {
    let scrolls = lines.len() > usize::from(area.height.saturating_sub(2));
    let foot = if scrolls { format!("there is more; {foot}") } else { foot.to_owned() };
    let longest = lines.iter().map(|(line, _)| Line::raw(line.as_str()).width());
    let longest = longest.chain([title, &foot].map(|text| Line::raw(text).width())).chain([LEAST]).max();
    let longest = u16::try_from(longest.unwrap_or(LEAST)).unwrap_or(u16::MAX);
    let width = longest.saturating_add(FRAME).min(area.width.min(MOST));
    let inner = usize::from(width.saturating_sub(FRAME));
    let styled = |(line, style): &Styled| {
        wrap(line, inner).into_iter().map(|line| Line::styled(line, *style)).collect::<Vec<_>>()
    };
    let lines: Vec<Line<'_>> = lines.iter().flat_map(styled).collect();
    let rows = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let height = rows.saturating_add(2).min(area.height);
    let place = Rect {
        x: area.x.saturating_add(area.width.saturating_sub(width) / 2),
        y: area.y.saturating_add(area.height.saturating_sub(height) / 2),
        width,
        height,
    };
    let hidden = rows.saturating_sub(height.saturating_sub(2));
    let block = Block::bordered()
        .padding(Padding::horizontal(1))
        .title(Span::styled(format!(" {title} "), theme.heading()))
        .title_bottom(Line::raw(format!(" {foot} ")).right_aligned());
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).block(block).scroll((scroll.min(hidden), 0)), place);
}

/// Breaks a line between words, and words that are longer than a line; continuations keep the indentation.
fn wrap(line: &str, width: usize) -> Vec<String> {
    let columns = |text: &str| Line::raw(text).width();
    if columns(line) <= width || width == 0 {
        return vec![line.to_owned()];
    }
    // No character is wider than two columns: one always fits after the indentation.
    let indent = line.chars().take_while(|c| *c == ' ').count().min(width.saturating_sub(2) / 2);
    let indent = " ".repeat(indent);
    let mut lines = Vec::new();
    let mut current = indent.clone();
    for word in line.split_whitespace() {
        let gap = if current.trim().is_empty() { "" } else { " " };
        let together = columns(&current).saturating_add(gap.len()).saturating_add(columns(word));
        if together <= width {
            current.push_str(gap);
            current.push_str(word);
            continue;
        }
        if !gap.is_empty() {
            lines.push(std::mem::replace(&mut current, indent.clone()));
        }
        for c in word.chars() {
            let wide = columns(c.encode_utf8(&mut [0; 4]));
            if columns(&current).saturating_add(wide) > width && !current.trim().is_empty() {
                lines.push(std::mem::replace(&mut current, indent.clone()));
            }
            current.push(c);
        }
    }
    lines.push(current);
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(wrap("  to change this: sensor allow", 14), ["  to change", "  this: sensor", "  allow"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("short", 9), ["short"]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_is_too_long(line in "[ a-z\u{65e5}]{0,120}", width in 2_usize..50) {
            let wrapped = wrap(&line, width);
            let letters = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
            prop_assert_eq!(letters(&wrapped.concat()), letters(&line));
            for line in wrapped {
                prop_assert!(Line::raw(line.as_str()).width() <= width, "{line}");
            }
        }
    }
}
