//! An HTTP/1.1 client that chooses its source address, which `std::net::TcpStream` cannot.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use nix::sys::socket::sockopt::{ReceiveTimeout, SendTimeout};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, setsockopt, socket,
};
use nix::sys::time::TimeVal;

use crate::wait;

/// Where requests come from and go to.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Its address.
    pub source: IpAddr,
    /// The server.
    pub server: SocketAddr,
    /// For connecting and for each read.
    pub timeout: Duration,
}

/// What became of requests.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Answered with status 200.
    pub ok: u64,
    /// Everything else, with the last reason.
    pub failed: u64,
    /// The last failure.
    pub why: Option<String>,
    /// How long each of the successful ones took, from connecting to the last byte.
    pub took: Vec<Duration>,
}

impl Tally {
    /// All requests.
    #[must_use]
    pub const fn all(&self) -> u64 {
        self.ok + self.failed
    }

    /// Adds the outcome of one request.
    pub fn add(&mut self, outcome: io::Result<Duration>) {
        match outcome {
            Ok(took) => {
                self.ok += 1;
                self.took.push(took);
            }
            Err(error) => {
                self.failed += 1;
                self.why = Some(error.to_string());
            }
        }
    }
}

impl Client {
    /// A client with a patient timeout: failing means that nothing came through, not that it was slow.
    #[must_use]
    pub const fn new(source: IpAddr, server: SocketAddr) -> Self {
        Self { source, server, timeout: Duration::from_secs(10) }
    }

    /// One request on a connection of its own; returns how long it took.
    ///
    /// # Errors
    /// If connecting or reading fails or times out, or the status is not 200.
    pub fn get(&self, path: &str) -> io::Result<Duration> {
        let start = wait::now();
        let mut stream = self.connect()?;
        let host = self.server;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        match answer.strip_prefix(b"HTTP/1.1 200 ") {
            Some(_) => Ok(start.elapsed()),
            None => Err(io::Error::other(status_line(&answer))),
        }
    }

    /// `count` requests, one after the other, each `every` after the one before, or at once where it is late.
    #[must_use]
    pub fn get_many(&self, path: &str, count: u32, every: Duration) -> Tally {
        let mut tally = Tally::default();
        let start: Instant = wait::now();
        for n in 0..count {
            wait::pace_until(start + every * n);
            tally.add(self.get(path));
        }
        tally
    }

    /// A TCP connection from the client's address.
    ///
    /// # Errors
    /// If the address is not of this namespace, or the server does not answer in time.
    pub fn connect(&self) -> io::Result<TcpStream> {
        let family = if self.server.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let socket = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        let timeout = TimeVal::new(self.timeout.as_secs().cast_signed(), self.timeout.subsec_micros().into());
        // Linux bounds connect(2) by the timeout for sending (socket(7)).
        setsockopt(&socket, SendTimeout, &timeout)?;
        setsockopt(&socket, ReceiveTimeout, &timeout)?;
        bind(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(self.source, 0)))?;
        connect(socket.as_raw_fd(), &SockaddrStorage::from(self.server))?;
        Ok(TcpStream::from(socket))
    }
}

fn status_line(answer: &[u8]) -> String {
    let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    if line.is_empty() {
        "closed without an answer".to_owned()
    } else {
        String::from_utf8_lossy(line).into_owned()
    }
}
