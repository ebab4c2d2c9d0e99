//! `sensor top`: what happens now, in a terminal, and keys to step in.
//!
//! [`state`] is pure: keys, answers and the time go in, what to ask the daemon comes out. `view` turns a state
//! into a frame and changes nothing. `poll` asks the daemon on threads of its own, so that keys are answered
//! while it is slow or gone. `terminal` is the only file that touches the terminal.
//!
//! Architecture invariant: no meaning by colour alone; what is said by a colour is said by a word, too. Colours
//! are the terminal's own sixteen on its own background, so they suit light and dark ones.

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

/// What commands say about answers, word for word.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// `sensor explain` of a client.
    pub explanation: fn(&Explanation) -> String,
    /// `sensor explain` of an alert.
    pub alert: fn(&AlertExplanation) -> String,
    /// The losses of `sensor status`; `none` where there are none.
    pub losses: fn(&StatusReport) -> String,
}

/// What is to be shown, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The daemon's control socket.
    pub socket: PathBuf,
    /// The connection of the operator's ssh session, so that no key can block it.
    pub ssh: Option<SshConnection>,
    /// Without colours.
    pub no_color: bool,
    /// The words of other commands.
    pub words: Words,
}

/// Why it ended.
#[derive(Debug, thiserror::Error)]
pub enum TopError {
    /// No daemon at the start. One that goes later is waited for.
    #[error(transparent)]
    Daemon(#[from] ClientError),
    /// The terminal does not work, or has gone.
    #[error("the terminal: {0}")]
    Terminal(#[from] std::io::Error),
}

/// Shows and obeys until the operator quits, or a signal says so.
///
/// # Errors
/// If no daemon answers, or the terminal does not work.
pub fn run(options: &Options) -> Result<(), TopError> {
    // Before the terminal is taken: a mistaken `--socket` is said as by any other command.
    Client::new(&options.socket).ask(&Envelope { request: Request::Status, ssh: options.ssh })?;
    Ok(terminal::show(options)?)
}
