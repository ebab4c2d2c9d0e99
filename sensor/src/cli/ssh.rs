//! The connection of the operator's ssh session, so that its address is never blocked.
//!
//! The environment can contain anything; the daemon believes only what the kernel confirms.

use nix::net::if_::if_nametoindex;
use procfs::process::Process;

use crate::control::wire::SshConnection;

/// Maximum ancestors searched: shells, sudo, a multiplexer.
const GENERATIONS: usize = 16;

/// The connection in `SSH_CONNECTION` of this process or of an ancestor: sudo removes the variable from its own
/// child, but not from the shell above it.
pub(super) fn connection() -> Option<SshConnection> {
    let mut process = Process::myself().ok()?;
    for _ in 0..GENERATIONS {
        let environment = process.environ().unwrap_or_default();
        let connection = environment.iter().find(|(name, _)| *name == "SSH_CONNECTION");
        if let Some((_, connection)) = connection {
            return SshConnection::parse(&connection.to_string_lossy(), |name| if_nametoindex(name).ok());
        }
        let parent = process.stat().ok()?.ppid;
        process = Process::new(parent).ok()?;
    }
    None
}
