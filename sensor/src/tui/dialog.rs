//! Dialogs over the panels: questions, texts, help. One at a time; Esc always cancels.
#![expect(clippy::wildcard_enum_match_arm, reason = "the set of keys is open")]

use std::time::Duration;

use ipnet::IpNet;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::act::{Ask, Deed, parse_limit, parse_time};
use crate::enforce::Limits;
use crate::printable::printable;

/// Maximum length of an input line.
const MAX_INPUT: usize = 64;

/// The dialog's content.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Dialog {
    /// The keys.
    Help { scroll: u16 },
    /// A text to read, such as an explanation or a refusal.
    Text { title: String, text: String, scroll: u16 },
    /// A line to be typed.
    Form(Form),
    /// Yes or no; anything but yes is no.
    Confirm(Deed),
}

/// An input line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Form {
    pub(super) about: Field,
    pub(super) input: String,
    /// Its error.
    pub(super) error: Option<String>,
}

/// What is typed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Field {
    BlockTime { prefix: IpNet },
    Limit { prefix: IpNet },
    ConfirmTime { prefix: IpNet, limits: Limits },
}

/// Effect of a key on a dialog.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    Stays(Dialog),
    Closed,
    Asks(Ask),
}

impl Field {
    pub(super) fn title(&self) -> String {
        match self {
            Self::BlockTime { prefix } => format!("Block {prefix}"),
            Self::Limit { prefix } | Self::ConfirmTime { prefix, .. } => format!("Limit {prefix}"),
        }
    }

    pub(super) const fn prompt(&self) -> &'static str {
        match self {
            Self::BlockTime { .. } => "For how long? 30s, 10m, 1h30m, or forever",
            Self::Limit { .. } => "packets, bits, connections or requests, and RATE[/UNIT][:BURST] or off",
            Self::ConfirmTime { .. } => {
                "Roll back after how long, unless you keep it with `c`? forever: never"
            }
        }
    }

    fn default_input(&self) -> &'static str {
        match self {
            Self::BlockTime { .. } => "10m",
            Self::Limit { .. } => "requests 100/min:20",
            Self::ConfirmTime { .. } => "5m",
        }
    }
}

impl Dialog {
    /// A form with the most likely input.
    pub(super) fn form(about: Field) -> Self {
        Self::Form(Form { input: about.default_input().to_owned(), about, error: None })
    }

    /// A text from outside, line by line.
    pub(super) fn text(title: &str, text: &str) -> Self {
        let lines: Vec<String> = text.lines().map(printable).collect();
        Self::Text { title: title.to_owned(), text: lines.join("\n"), scroll: 0 }
    }

    /// Handles a key.
    pub(super) fn key(self, key: KeyEvent) -> Outcome {
        if key.code == KeyCode::Esc {
            return Outcome::Closed;
        }
        match self {
            Self::Help { scroll } => {
                scrolled(scroll, key).map_or(Outcome::Closed, |scroll| Outcome::Stays(Self::Help { scroll }))
            }
            Self::Text { title, text, scroll } => scrolled(scroll, key).map_or(Outcome::Closed, |scroll| {
                // The end depends on the width, which is unknown here; the number of lines is a bound.
                let most = u16::try_from(text.len()).unwrap_or(u16::MAX);
                Outcome::Stays(Self::Text { title, text, scroll: scroll.min(most) })
            }),
            Self::Form(form) => form.key(key),
            Self::Confirm(deed) => match key.code {
                KeyCode::Char('y' | 'Y') => Outcome::Asks(Ask::Deed(deed)),
                // A key meant for the panels must neither answer nor pass through.
                KeyCode::Char('n' | 'N' | 'q') | KeyCode::Enter => Outcome::Closed,
                _ => Outcome::Stays(Self::Confirm(deed)),
            },
        }
    }
}

/// Scroll position after a key; none if the key does not scroll.
fn scrolled(scroll: u16, key: KeyEvent) -> Option<u16> {
    let lines: i16 = match key.code {
        KeyCode::Up | KeyCode::Char('k') => -1,
        KeyCode::Down | KeyCode::Char('j') => 1,
        KeyCode::PageUp => -10,
        KeyCode::PageDown | KeyCode::Char(' ') => 10,
        KeyCode::Home | KeyCode::Char('g') => i16::MIN,
        _ => return None,
    };
    Some(scroll.saturating_add_signed(lines))
}

impl Form {
    fn key(mut self, key: KeyEvent) -> Outcome {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => return self.entered(),
            KeyCode::Backspace => {
                self.input.pop();
            }
            KeyCode::Char('u') if is_control => self.input.clear(),
            KeyCode::Char(c) if !is_control && !c.is_control() && self.input.len() < MAX_INPUT => {
                self.input.push(c);
            }
            _ => {}
        }
        Outcome::Stays(Dialog::Form(self))
    }

    fn entered(self) -> Outcome {
        let next = match &self.about {
            Field::BlockTime { prefix } => {
                parse_time(&self.input).map(|time| Dialog::Confirm(Deed::Block { prefix: *prefix, time }))
            }
            Field::Limit { prefix } => parse_limit(&self.input)
                .map(|limits| Dialog::form(Field::ConfirmTime { prefix: *prefix, limits })),
            Field::ConfirmTime { prefix, limits } => {
                parse_time(&self.input).map(|confirm: Option<Duration>| {
                    Dialog::Confirm(Deed::Limit { prefix: *prefix, limits: *limits, confirm })
                })
            }
        };
        Outcome::Stays(next.unwrap_or_else(|error| Dialog::Form(Self { error: Some(error), ..self })))
    }
}
