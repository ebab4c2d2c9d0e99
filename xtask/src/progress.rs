//! One line for each step; on a terminal the running step has a spinner.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A step that is under way.
pub(crate) struct Step {
    spinner: Option<ProgressBar>,
}

impl Step {
    /// Announces the step.
    pub(crate) fn start(text: &str) -> Self {
        if !std::io::stdout().is_terminal() {
            println!("… {text}");
            return Self { spinner: None };
        }
        let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
        let spinner = ProgressBar::new_spinner();
        if let Ok(style) = style {
            spinner.set_style(style);
        }
        spinner.set_message(text.to_owned());
        spinner.enable_steady_tick(Duration::from_millis(100));
        Self { spinner: Some(spinner) }
    }

    /// Ends it well.
    pub(crate) fn done(self, text: &str) {
        drop(self);
        done(text);
    }
}

impl Drop for Step {
    /// A step that fails leaves no spinner behind.
    fn drop(&mut self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}

/// Says that something is well.
pub(crate) fn done(text: &str) {
    println!("✓ {text}");
}

/// Says what did not work, where another way is tried next.
pub(crate) fn note(text: &str) {
    println!("- {text}");
}
