//! `sensor top`: live activity in a terminal, with keys to act on it.
//!
//! [`state`] is pure: keys, answers and the time go in, requests to the daemon come out. `view` renders a state and
//! changes nothing. `poll` queries the daemon on separate threads, so that keys work while it is slow or gone. Only
//! `terminal` touches the terminal.
//!
//! Architecture invariant: no information by colour alone; a word always says the same. Colours are the terminal's own
//! sixteen on its own background, so they suit light and dark themes.

mod act;
mod cursor;
mod dialog;
mod format;
mod history;
mod order;
mod poll;
mod state;
mod terminal;
#[cfg(test)]
mod tests;
mod view;

use std::path::PathBuf;

pub use format::{Latency, Share, share};

use crate::control::wire::{AlertExplanation, Envelope, Explanation, Request, SshConnection, StatusReport};
use crate::control::{Client, ClientError};

/// Text renderers shared with other commands.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// `sensor explain` of a client.
    pub explanation: fn(&Explanation) -> String,
    /// `sensor explain` of an alert.
    pub alert: fn(&AlertExplanation) -> String,
    /// The losses of `sensor status`; `none` where there are none.
    pub losses: fn(&StatusReport) -> String,
}

/// Options of the display.
#[derive(Clone, Debug)]
pub struct Options {
    /// The daemon's control socket.
    pub socket: PathBuf,
    /// The connection of the operator's ssh session, so that no key can block it.
    pub ssh: Option<SshConnection>,
    /// Without colours.
    pub no_color: bool,
    /// Shared text renderers.
    pub words: Words,
}

/// Why it ended.
#[derive(Debug, thiserror::Error)]
pub enum TopError {
    /// No daemon at the start. If it goes away later, the display waits for it.
    #[error(transparent)]
    Daemon(#[from] ClientError),
    /// The terminal does not work, or is gone.
    #[error("the terminal: {0}")]
    Terminal(#[from] std::io::Error),
}

/// Runs until the operator quits, or a signal arrives.
///
/// # Errors
/// If no daemon answers, or the terminal does not work.
pub fn run(options: &Options) -> Result<(), TopError> {
    // Before the terminal is taken over: a wrong `--socket` is reported as by any other command.
    Client::new(&options.socket).ask(&Envelope { request: Request::Status, ssh: options.ssh })?;
    Ok(terminal::show(options)?)
}
