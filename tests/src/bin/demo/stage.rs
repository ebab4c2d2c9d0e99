//! The environment of the demonstration.

use anyhow::Result;
use sensor_tests::daemon::Daemon;
use sensor_tests::netns::Net;
use sensor_tests::peers::udp::Sink;
use sensor_tests::scene::UDP_PORT;

use crate::server::Server;

/// Daemon, servers and namespaces; dropped in this order.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) daemon: Daemon,
    pub(crate) sink: Sink,
    _server: Server,
    pub(crate) net: Net,
}

impl Stage {
    /// Sets everything up. An empty configuration file means the defaults, whatever this machine has in
    /// `/etc/sensor`.
    pub(crate) fn set() -> Result<Self> {
        let net = Net::new()?;
        let server = Server::start(&net.server)?;
        let sink = Sink::start(&net.server, UDP_PORT)?;
        let mut daemon = Daemon::prepare(&net, "")?;
        daemon.hide_log();
        daemon.run()?;
        Ok(Self { daemon, sink, _server: server, net })
    }
}
