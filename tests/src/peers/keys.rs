//! A key whose requests are spread over the hosts of a fleet, and a limit that it has.
#![expect(clippy::float_arithmetic, reason = "requests that a limit admits")]

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use tempfile::TempDir;

use super::fleet::{Fleet, plain};
use super::http::Client;
use super::login::LoginServer;
use crate::netns::{Net, SERVER_V4};
use crate::wait::{now, pace_until};

/// Requests a minute that a key has.
pub const LIMIT: u32 = 100;

/// A fleet in front of servers that anybody may ask with a key.
#[derive(Debug)]
pub struct Site {
    /// The hosts.
    pub fleet: Fleet,
    _servers: Vec<LoginServer>,
    _directory: TempDir,
}

/// Writes the key with which hosts of a fleet hash what they count.
///
/// # Errors
/// If that fails.
pub fn write_key(path: &Path) -> Result<()> {
    std::fs::write(path, "00112233445566778899aabbccddeeff".repeat(2))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(())
}

impl Site {
    /// So many hosts; `more` is added to their `[fleet]`.
    ///
    /// # Errors
    /// If one does not come up.
    pub fn start(hosts: u8, more: &str) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let key = directory.path().join("evidence.key");
        write_key(&key)?;
        let more = format!(
            "evidence = false\nevidence_key_file = {key:?}\n{more}\n[http]\nports = [{}]\n\
             [detect.request-rate]\nper_principal = \"{LIMIT}/min\"\n[decide]\nblock_from = \"medium\"\n",
            LoginServer::PORT
        );
        let fleet = Fleet::new(hosts, &plain(), &more)?;
        let servers = fleet.nets.iter().map(|net| LoginServer::start(&net.server));
        let servers = servers.collect::<io::Result<_>>()?;
        Ok(Self { fleet, _servers: servers, _directory: directory })
    }

    /// Requests with a key, one `every` so long, each at the next host, until one of them is not answered, or `most` are.
    /// Returns how many were, and how many the limit admits in that time.
    #[must_use]
    pub fn spend(&self, key: &str, client: IpAddr, (every, most): (Duration, u32)) -> (u32, f64) {
        let (began, mut until) = (now(), now());
        for (number, net) in (0..most).zip(self.fleet.nets.iter().cycle()) {
            if ask(net, client, key).is_err() {
                return (number, admitted(began.elapsed()));
            }
            until += every;
            pace_until(until);
        }
        (most, admitted(began.elapsed()))
    }
}

/// A minute's burst, and what has come back since.
fn admitted(elapsed: Duration) -> f64 {
    f64::from(LIMIT) * (1.0 + elapsed.as_secs_f64() / 60.0)
}

fn ask(net: &Net, client: IpAddr, key: &str) -> io::Result<()> {
    let server = SocketAddr::new(SERVER_V4, LoginServer::PORT);
    let client = Client { timeout: Duration::from_millis(300), ..Client::new(client, server) };
    net.world.enter(|| {
        let mut stream = client.connect()?;
        write!(
            stream,
            "GET /items/1 HTTP/1.1\r\nHost: shop.example\r\nX-Api-Key: {key}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(io::Error::other(answer)) }
    })
}
