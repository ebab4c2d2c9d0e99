//! Colours, if enabled. A word always says the same.

use ratatui::style::{Color, Modifier, Style};

use crate::detect::Severity;

/// How things look.
#[derive(Clone, Copy, Debug)]
pub(in crate::tui) struct Theme {
    colors: bool,
}

impl Theme {
    /// With or without colours.
    pub(in crate::tui) const fn new(colors: bool) -> Self {
        Self { colors }
    }

    fn color(self, color: Color) -> Style {
        if self.colors { Style::new().fg(color) } else { Style::new() }
    }

    pub(super) fn good(self) -> Style {
        self.color(Color::Green)
    }

    pub(super) fn bad(self) -> Style {
        self.color(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub(super) fn stopped(self) -> Style {
        self.color(Color::Red)
    }

    pub(super) fn warning(self) -> Style {
        self.color(Color::Magenta).add_modifier(Modifier::BOLD)
    }

    pub(super) fn neutral(self) -> Style {
        self.color(Color::Blue)
    }

    /// What must not be overlooked, with or without colours.
    pub(super) fn alarm(self) -> Style {
        self.bad().add_modifier(Modifier::REVERSED)
    }

    pub(super) fn heading(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    pub(super) fn faint(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(super) fn severity(self, severity: Severity) -> Style {
        match severity {
            Severity::Critical => self.alarm(),
            Severity::High => self.bad(),
            Severity::Medium => self.warning(),
            Severity::Low | Severity::Info => Style::new(),
        }
    }
}
