//! Colours important words for people: severities and states. Applied to text that is already safe for a terminal, so
//! nothing from a client can affect it; at worst a client's word is coloured.

use std::sync::atomic::{AtomicBool, Ordering};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;

use super::args::{BlockCommand, Command};
use super::say;

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum When {
    /// On a terminal, unless NO_COLOR is set or TERM is dumb.
    #[default]
    Auto,
    /// Also in files and pipes.
    Always,
    /// Not at all.
    Never,
}

const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default();

/// Words and their styles. Severities are lower case in every line, states as they are written there.
const WORDS: &[(&str, Style)] = &[
    ("critical", RED),
    ("high", RED),
    ("medium", YELLOW),
    ("BLOCKED", RED),
    ("blocked", RED),
    ("dropped", RED),
    ("DEGRADED", YELLOW),
    ("degraded", YELLOW),
];

/// Words examined at the start of a line, and after a bracket: the rest is prose.
const COLUMNS: usize = 6;

static COLOURS: AtomicBool = AtomicBool::new(false);

/// Decides for a command.
pub(super) fn decide(when: When, command: &Command, is_text: bool) {
    let is_for_it = matches!(
        command,
        Command::Status(_)
            | Command::Incidents(_)
            | Command::Alerts { .. }
            | Command::Explain { .. }
            | Command::Block { command: BlockCommand::List(_) }
    );
    let wanted = match when {
        When::Auto => say::takes_colour(),
        When::Always => true,
        When::Never => false,
    };
    COLOURS.store(wanted && is_for_it && is_text, Ordering::Relaxed);
}

/// The text, coloured if wanted.
pub(super) fn painted(text: String) -> String {
    if COLOURS.load(Ordering::Relaxed) { paint(&text) } else { text }
}

fn paint(text: &str) -> String {
    text.split_inclusive('\n').map(line).collect()
}

fn line(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let (mut words, mut in_brackets) = (0_usize, 0_usize);
    for piece in line.split_inclusive(' ') {
        if piece.starts_with('[') {
            in_brackets = COLUMNS;
        }
        let is_looked_at = words < COLUMNS || in_brackets > 0;
        if !piece.trim().is_empty() {
            words = words.saturating_add(1);
            in_brackets = in_brackets.saturating_sub(1);
        }
        let word = piece.trim_matches(|c: char| !c.is_ascii_alphabetic());
        match WORDS.iter().find(|(known, _)| *known == word && is_looked_at) {
            Some((_, style)) => out.push_str(&piece.replacen(word, &format!("{style}{word}{style:#}"), 1)),
            None => out.push_str(piece),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_matter_have_their_colour() {
        let (red, yellow) =
            (|word: &str| format!("{RED}{word}{RED:#}"), |word: &str| format!("{YELLOW}{word}{YELLOW:#}"));
        for (text, expected) in [
            (
                "2026 01K high     began flood 192.0.2.7: 5 packets [1 blocked until 10:00]",
                format!(
                    "2026 01K {}     began flood 192.0.2.7: 5 packets [1 {} until 10:00]",
                    red("high"),
                    red("blocked")
                ),
            ),
            (
                "incidents    4 open, worst critical: sensor",
                format!("incidents    4 open, worst {}: sensor", red("critical")),
            ),
            (
                "DEGRADED     events: why\nmode  monitor",
                format!("{}     events: why\nmode  monitor", yellow("DEGRADED")),
            ),
            (
                "192.0.2.7/32: dropped: blocked by 192.0.2.7/32",
                format!("192.0.2.7/32: {}: {} by 192.0.2.7/32", red("dropped"), red("blocked")),
            ),
            // Prose, and parts of words.
            ("a b c d e f on high ground", "a b c d e f on high ground".to_owned()),
            ("highly /critical-path", "highly /critical-path".to_owned()),
        ] {
            assert_eq!(paint(text), expected);
        }
    }

    #[test]
    fn nothing_is_coloured_unless_it_is_decided() {
        assert_eq!(painted("1 high".to_owned()), "1 high");
    }
}
