//! Protection of operators' ssh sessions.
//!
//! The command states which connection its ssh session uses. That is a claim, read from an environment that can contain
//! anything. The kernel decides: the connection must be established in this network namespace, and its local socket
//! must belong to root, as an ssh server's does. So nobody can protect an address that is not currently connected to
//! root's server, and protection ends some time after the connection does, to allow a new login. Only claims of users
//! who may change the policy are considered.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use tracing::{info, warn};

use super::engine::Engine;
use super::responder::Details;
use crate::clock::Timestamp;
use crate::control::wire::SshConnection;
use crate::decide::{Cause, Change};
use crate::kernel::ConnectionOwners;

/// How long an address stays protected after its connection was last seen.
const STAYS: Duration = Duration::from_secs(600);
/// Maximum connections remembered; a host has few operators.
const MAX: usize = 64;

/// Connections of operators, with the end of their protection.
#[derive(Debug, Default)]
pub(super) struct Operators {
    sessions: BTreeMap<SshConnection, Timestamp>,
}

/// Result of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Noted {
    /// The address is protected from now on.
    New,
    /// It already was.
    Known,
    /// The claim is wrong, or too many addresses are protected.
    Refused(&'static str),
}

impl Operators {
    /// Processes a claim.
    fn note(&mut self, session: SshConnection, now: Timestamp, is_live: bool) -> Noted {
        if !is_live {
            return Noted::Refused("the kernel knows no such connection to a server of root's");
        }
        let is_known = self.addresses().any(|address| address == session.address());
        if self.sessions.len() >= MAX && !self.sessions.contains_key(&session) {
            return Noted::Refused("too many sessions are protected already");
        }
        self.sessions.insert(session, now.plus(STAYS));
        if is_known { Noted::Known } else { Noted::New }
    }

    /// Extends the protection of existing connections, and removes expired ones; returns the addresses no longer
    /// protected.
    fn renew(&mut self, now: Timestamp, is_live: impl Fn(&SshConnection) -> bool) -> Vec<IpAddr> {
        for (session, until) in &mut self.sessions {
            if is_live(session) {
                *until = now.plus(STAYS);
            }
        }
        let ended: Vec<SshConnection> =
            self.sessions.extract_if(.., |_, until| *until <= now).map(|(session, _)| session).collect();
        let mut gone: Vec<IpAddr> = ended.iter().map(SshConnection::address).collect();
        gone.retain(|address| !self.addresses().any(|other| other == *address));
        gone.sort_unstable();
        gone.dedup();
        gone
    }

    fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.sessions.keys().map(SshConnection::address)
    }
}

/// Whether the kernel has the connection, with root's socket at this end.
fn is_live(session: &SshConnection) -> bool {
    let owner = ConnectionOwners::open().and_then(|owners| owners.owner(session.server, session.client));
    owner.unwrap_or_else(|error| {
        warn!(%error, "ssh connections cannot be queried from the kernel; none is protected");
        None
    }) == Some(0)
}

impl Engine {
    /// Protects the address of an operator's ssh session as long as the session lasts, and a while longer.
    pub(super) fn protect_operator(&mut self, session: SshConnection, cause: &Cause, now: Timestamp) {
        match self.operators.note(session, now, is_live(&session)) {
            Noted::Known => {}
            Noted::Refused(why) => {
                info!(client = %session.client, server = %session.server, why, "an ssh session is not protected")
            }
            Noted::New => {
                let address = session.address();
                info!(%address, ?cause, "an operator's ssh session is protected");
                self.protect_addresses(now);
                let detail = Some(format!("while its ssh connection to {} lasts", session.server));
                let details = Details { until: Some(now.plus(STAYS)), detail, ..Details::default() };
                self.responder.audit(now, Change::OperatorProtected, &address, cause.clone(), details);
            }
        }
    }

    /// Runs every half minute.
    pub(super) fn renew_operators(&mut self, now: Timestamp) {
        let gone = self.operators.renew(now, is_live);
        for address in &gone {
            info!(%address, "an operator's ssh session has ended; its address is no longer protected");
            let details = Details::default();
            self.responder.audit(now, Change::OperatorProtectionEnded, address, Cause::Expiry, details);
        }
        if !gone.is_empty() {
            self.never_block.protect_operators(self.operators.addresses().collect());
        }
    }

    fn protect_addresses(&mut self, now: Timestamp) {
        self.never_block.protect_operators(self.operators.addresses().collect());
        // A block that covers the address now gets an exception.
        if let Err(error) = self.apply(now) {
            warn!(%error, "protected addresses could not be updated");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn session(client: &str) -> SshConnection {
        SshConnection { client: client.parse().unwrap(), server: "198.51.100.1:22".parse().unwrap() }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_micros(1_700_000_000_000_000).plus(Duration::from_secs(seconds))
    }

    #[test]
    fn protection_lasts_as_long_as_the_connection_and_a_while() {
        let mut operators = Operators::default();
        let (one, same, other) = (session("192.0.2.9:1"), session("192.0.2.9:2"), session("[2001:db8::9]:1"));
        assert!(
            matches!(operators.note(one, at(0), false), Noted::Refused(_)),
            "a claim alone protects nobody"
        );
        assert_eq!(operators.addresses().count(), 0);
        assert_eq!(operators.note(one, at(0), true), Noted::New);
        assert_eq!(operators.note(same, at(10), true), Noted::Known);
        assert_eq!(operators.note(other, at(20), true), Noted::New);
        // While they are there, nothing ends.
        for second in (30..90_000).step_by(30) {
            assert!(operators.renew(at(second), |_| true).is_empty());
        }
        // One of two connections of an address goes, then the other.
        let last = 89_970;
        assert!(operators.renew(at(last + 599), |session| *session == same).is_empty());
        assert_eq!(operators.renew(at(last + 601), |_| false), [other.address()]);
        assert!(operators.renew(at(last + 599 + 599), |_| false).is_empty());
        assert_eq!(operators.renew(at(last + 599 + 600), |_| false), [one.address()]);
        assert_eq!(operators.addresses().count(), 0);
    }

    #[test]
    fn there_is_a_bound() {
        let mut operators = Operators::default();
        let noted = (0..100).map(|n| operators.note(session(&format!("192.0.2.{n}:1")), at(0), true));
        assert_eq!(noted.filter(|noted| *noted == Noted::New).count(), MAX);
        assert_eq!(operators.note(session("192.0.2.5:1"), at(1), true), Noted::Known);
    }

    #[test]
    fn a_connection_counts_where_the_kernel_has_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        let (client_address, server) = (client.local_addr().unwrap(), listener.local_addr().unwrap());
        let real = SshConnection { client: client_address, server };
        assert_eq!(is_live(&real), nix::unistd::geteuid().is_root());
        let forged = SshConnection { client: "192.0.2.9:50123".parse().unwrap(), server };
        assert!(!is_live(&forged));
        drop((client, accepted));
        assert!(!is_live(&real), "it has ended");
    }
}
