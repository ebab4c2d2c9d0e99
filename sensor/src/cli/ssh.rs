//! Where the operator's ssh session comes from, so that it is never blocked.

use std::net::IpAddr;

use procfs::process::Process;

/// How far up the process tree to look: shells, sudo, a multiplexer.
const GENERATIONS: usize = 16;

/// The peer in `SSH_CONNECTION` of this process or of an ancestor: sudo removes the variable from its own
/// child, but not from the shell above it.
pub(super) fn peer() -> Option<IpAddr> {
    let mut process = Process::myself().ok()?;
    for _ in 0..GENERATIONS {
        let environment = process.environ().unwrap_or_default();
        let connection = environment.iter().find(|(name, _)| *name == "SSH_CONNECTION");
        if let Some((_, connection)) = connection {
            return parse(&connection.to_string_lossy());
        }
        let parent = process.stat().ok()?.ppid;
        process = Process::new(parent).ok()?;
    }
    None
}

/// The first word of `SSH_CONNECTION` (sshd's manual): the client's address.
fn parse(connection: &str) -> Option<IpAddr> {
    connection.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_the_first_word() {
        assert_eq!(parse("192.0.2.9 50123 198.51.100.1 22"), Some("192.0.2.9".parse().unwrap()));
        assert_eq!(parse("2001:db8::9 1 2001:db8::1 22"), Some("2001:db8::9".parse().unwrap()));
        assert_eq!(parse(""), None);
    }
}
