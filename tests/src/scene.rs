//! The environment of most end-to-end tests: a protected server, and the world around it.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::daemon::{Daemon, PATIENCE, SMALL_TABLES, Totals};
use crate::netns::{Net, SERVER_V4, SERVER_V6};
use crate::peers::http::Client;
use crate::peers::nginx::Nginx;
use crate::peers::udp::{self, Sink};
use crate::wait::wait_until;

/// Where UDP traffic goes.
pub const UDP_PORT: u16 = 9_000;

/// Requested by scanners and nobody else.
pub const PROBES: [&str; 8] = [
    "/.env",
    "/.git/config",
    "/.aws/credentials",
    "/.ssh/id_rsa",
    "/.svn/entries",
    "/.htpasswd",
    "/wp-config.php.bak",
    "/.env.production",
];

/// Namespaces, servers and a daemon; dropped in this order, the namespaces last.
#[derive(Debug)]
pub struct Scene {
    /// The daemon.
    pub daemon: Daemon,
    /// Counts UDP.
    pub sink: Sink,
    /// The HTTP server, where there is one.
    pub nginx: Option<Nginx>,
    /// The namespaces.
    pub net: Net,
}

impl Scene {
    /// A daemon with this configuration (see [`config`]) and a UDP server.
    ///
    /// # Errors
    /// If one of them does not start.
    pub fn new(config: &str) -> Result<Self> {
        let net = Net::new()?;
        Self::in_net(net, None, config)
    }

    /// The same with an HTTP server, which listens before the daemon starts: its port is watched from the beginning.
    ///
    /// # Errors
    /// If it does not start.
    pub fn with_nginx(config: &str) -> Result<Self> {
        let net = Net::new()?;
        let nginx = Nginx::start(&net.server)?;
        Self::in_net(net, Some(nginx), config)
    }

    fn in_net(net: Net, nginx: Option<Nginx>, config: &str) -> Result<Self> {
        let sink = Sink::start(&net.server, UDP_PORT)?;
        let daemon = Daemon::start(&net, config)?;
        Ok(Self { daemon, sink, nginx, net })
    }

    /// An HTTP client at this address.
    #[must_use]
    pub const fn http_client(&self, source: IpAddr) -> Client {
        Client::new(source, SocketAddr::new(server_for(source), Nginx::PORT))
    }

    /// Sends `count` datagrams at an even pace of some thousand a second, slow enough that no queue on the way
    /// overflows: missing ones were dropped by the daemon's program.
    ///
    /// # Errors
    /// If the source is not an address of the world.
    pub fn send(&self, source: IpAddr, count: u64) -> Result<()> {
        let (sent, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let every = Duration::from_micros(200);
        let target = udp_target(source);
        let done = self.net.world.enter(|| udp::stream(source, target, every, count, &sent, &stop));
        done.with_context(|| format!("sending from {source}"))?;
        ensure!(sent.load(Ordering::Relaxed) == count, "not everything was sent");
        Ok(())
    }

    /// Sends `count` datagrams and waits until all have arrived.
    ///
    /// # Errors
    /// If some do not.
    pub fn all_arrive(&self, source: IpAddr, count: u64) -> Result<()> {
        let before = self.sink.packets_from(source);
        self.send(source, count)?;
        let mut arrived = 0;
        let all = wait_until(PATIENCE, || {
            arrived = self.sink.packets_from(source) - before;
            arrived >= count
        });
        ensure!(all, "{arrived} of {count} datagrams from {source} arrived");
        Ok(())
    }

    /// Sends `count` datagrams; returns how many of them the data plane dropped, once it has processed all.
    ///
    /// # Errors
    /// If some are neither passed nor dropped. The source must be in the client table already.
    pub fn dropped_of(&self, source: IpAddr, count: u64) -> Result<u64> {
        let before = self.totals(source)?;
        self.send(source, count)?;
        let mut now = before;
        let judged = wait_until(PATIENCE, || {
            now = self.totals(source).unwrap_or(before);
            now.passed + now.dropped >= before.passed + before.dropped + count
        });
        ensure!(judged, "of {count} datagrams from {source}: before {before:?}, now {now:?}");
        Ok(now.dropped - before.dropped)
    }

    /// What the daemon knows about a client's packets.
    ///
    /// # Errors
    /// If the client is not in the table.
    pub fn totals(&self, client: IpAddr) -> Result<Totals> {
        self.daemon.totals(client)
    }

    /// The limits in force for a scope, as in `sensor limit list`.
    ///
    /// # Errors
    /// If the scope has none.
    pub fn limits(&self, scope: &str) -> Result<Value> {
        let rows = self.daemon.json(&["limit", "list"])?;
        let row = rows.as_array().into_iter().flatten().find(|row| row["scope"] == scope);
        Ok(row.with_context(|| format!("no scope {scope} in {rows}"))?["limits"].clone())
    }

    /// Whether one more datagram from a source arrives within a moment.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub fn is_heard(&self, source: IpAddr) -> Result<bool> {
        let before = self.sink.packets_from(source);
        self.send(source, 1)?;
        Ok(wait_until(Duration::from_millis(100), || self.sink.packets_from(source) > before))
    }
}

/// The server's address in the family of a client.
#[must_use]
pub const fn server_for(client: IpAddr) -> IpAddr {
    if client.is_ipv4() { SERVER_V4 } else { SERVER_V6 }
}

/// Where UDP of a client goes.
#[must_use]
pub const fn udp_target(client: IpAddr) -> SocketAddr {
    SocketAddr::new(server_for(client), UDP_PORT)
}

/// A configuration with small tables and nothing limited but packets per client, as in `500/s:500` or `off`.
#[must_use]
pub fn config(mode: &str, packets: &str) -> String {
    format!(
        "mode = \"{mode}\"\n{SMALL_TABLES}[limits.default]\npackets = \"{packets}\"\nbits = \"off\"\n\
         connections = \"off\"\nrequests = \"off\"\n"
    )
}
