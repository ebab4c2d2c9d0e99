//! The helper that finds TLS libraries of servers and containers, also of those that come later.
//!
//! ```text
//!   the daemon: no privilege left          the helper: CAP_SYS_PTRACE, and no more than reading
//!        | ------------- look -------------->  |
//!        | <-- a name and an open file, ... --  |  /proc/PID/{fd,net/tcp,maps,exe,root}
//!   parses ELF, attaches probes               parses text of the kernel only
//! ```
//!
//! A daemon that root starts has it as a child process. The package's unit has no such privilege: there it is a unit of its
//! own (`sensor-lookout.service`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::prctl;
use nix::unistd::User;
use tracing::{error, info, warn};

use super::{supervisor, user};
use crate::clock;
use crate::confine;
use crate::kernel::{Answer, Channel, Door, Found, Lookout as Look, probe, start_helper};

/// Where the unit's listens.
pub const SOCKET: &str = "/run/sensor-lookout/libraries.sock";
/// How long a start waits for what is there already.
const PATIENCE: Duration = Duration::from_secs(3);
/// Without one, it is looked for every so many refreshes, half a minute.
const ROUNDS: u32 = 15;

/// The daemon's side.
#[derive(Debug, Default)]
pub(super) struct Lookout {
    channel: Option<Channel>,
    /// Whether an answer is awaited.
    is_asked: bool,
    /// Where one of another unit listens.
    place: PathBuf,
    rounds: u32,
}

impl Lookout {
    /// Starts a child if this process has the privilege that it takes. Must be called by the only thread.
    pub(super) fn start(user: Option<&User>) -> Self {
        let channel = if probe::may_look() {
            let started = start_helper(|channel| {
                if let Err(error) = work(&channel, user) {
                    error!(error = format!("{error:#}"), "the helper that finds TLS libraries has ended");
                }
            });
            started.inspect_err(|error| warn!(%error, "no helper finds TLS libraries")).ok()
        } else {
            None
        };
        Self { channel, place: SOCKET.into(), ..Self::default() }
    }

    /// Whether there is a helper.
    pub(super) const fn is_there(&self) -> bool {
        self.channel.is_some()
    }

    /// What is there at the start. Without a helper, what this process may look at by itself.
    pub(super) fn first(&mut self) -> Vec<Found> {
        let mut found = self.next();
        if self.channel.is_none() {
            return Look::default().look();
        }
        let start = clock::monotonic();
        while self.is_asked && clock::monotonic().saturating_sub(start) < PATIENCE {
            if let Some(channel) = &self.channel {
                channel.wait(100);
            }
            self.read(&mut found);
        }
        found
    }

    /// What was found since the last call; asks for another look.
    pub(super) fn next(&mut self) -> Vec<Found> {
        self.connect();
        let mut found = Vec::new();
        self.read(&mut found);
        if let Some(channel) = self.channel.as_ref().filter(|_| !self.is_asked) {
            self.is_asked = channel.ask().is_ok();
        }
        found
    }

    fn connect(&mut self) {
        if self.channel.is_some() {
            return;
        }
        if self.rounds == 0 {
            self.channel = Channel::to(&self.place).ok();
            if self.channel.is_some() {
                info!(socket = %self.place.display(), "a helper finds TLS libraries");
            }
        }
        self.rounds = self.rounds.wrapping_add(1).checked_rem(ROUNDS).unwrap_or_default();
    }

    fn read(&mut self, found: &mut Vec<Found>) {
        while let Some(channel) = &self.channel {
            match channel.next() {
                Ok(Some(Answer::File(file))) => found.push(file),
                Ok(Some(Answer::End)) => self.is_asked = false,
                Ok(None) => return,
                Err(error) => {
                    warn!(%error, "the helper that finds TLS libraries is gone: those of new containers stay unknown");
                    (self.channel, self.is_asked, self.rounds) = (None, false, 0);
                }
            }
        }
    }
}

/// The child's work.
fn work(channel: &Channel, user: Option<&User>) -> Result<()> {
    confine_helper(user)?;
    serve(channel);
    Ok(())
}

/// Until this daemon is gone.
fn serve(channel: &Channel) {
    let mut look = Look::default();
    channel.serve(|| look.look());
}

/// The unit's: one daemon after the other.
///
/// # Errors
/// If it lacks the privilege, or its socket cannot be made.
pub fn look_out(place: &Path) -> Result<()> {
    anyhow::ensure!(probe::may_look(), "missing privilege: CAP_SYS_PTRACE; `sensor-lookout.service` has it");
    let door = Door::open(place).with_context(|| format!("cannot listen on {}", place.display()))?;
    // Who connects waits in its queue. Once confined, it opens no socket, to the service manager neither.
    supervisor::ready();
    confine_helper(None)?;
    loop {
        serve(&door.wait()?);
    }
}

fn confine_helper(user: Option<&User>) -> Result<()> {
    prctl::set_name(c"sensor-lookout")?;
    user::switch(user, &[probe::TO_LOOK])?;
    prctl::set_no_new_privs().context("cannot forbid new privileges")?;
    prctl::set_dumpable(false).context("cannot forbid core files")?;
    confine::enter_to_look().map_err(anyhow::Error::msg)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_helper_the_daemon_looks_once_by_itself() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("libraries.sock");
        let mut lookout = Lookout { place: place.clone(), ..Lookout::default() };
        let _found = lookout.first();
        assert!(!lookout.is_there());
        // It comes later, as a unit that is restarted does, and goes.
        let door = Door::open(&place).unwrap();
        let serves = std::thread::spawn(move || door.wait().unwrap().serve(Vec::new));
        for _ in 0..ROUNDS {
            assert!(lookout.next().is_empty());
        }
        assert!(lookout.is_there() && lookout.is_asked);
        assert!(lookout.first().is_empty() && !lookout.is_asked, "answered");
        lookout.channel = None;
        serves.join().unwrap();
        assert!(lookout.next().is_empty() && !lookout.is_there());
    }
}
