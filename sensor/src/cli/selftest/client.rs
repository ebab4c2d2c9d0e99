//! The test's clients: a legitimate one, a burst, an attack on logins.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::sockopt::{ReceiveTimeout, SendTimeout};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket};
use nix::sys::time::TimeVal;
use serde_json::json;

use super::network::{ATTACKER, FLOODER, LEGITIMATE, Network};
use super::pace::pause;
use super::server::{HTTP, PASSWORD, UDP};
use crate::clock;

/// Time limit for an expected answer; a busy machine may be slow.
pub(super) const PATIENT: Duration = Duration::from_secs(2);
/// Between requests of the legitimate client: ten a second.
const EVERY: Duration = Duration::from_millis(100);

/// A TCP connection from a chosen address of this namespace, which `std::net::TcpStream` does not support.
fn connected(source: Ipv4Addr, server: SocketAddrV4, patience: Duration) -> io::Result<TcpStream> {
    let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    let patience = TimeVal::new(patience.as_secs().cast_signed(), patience.subsec_micros().into());
    // Linux bounds connect(2) by the timeout for sending (socket(7)).
    setsockopt(&socket, SendTimeout, &patience)?;
    setsockopt(&socket, ReceiveTimeout, &patience)?;
    bind(socket.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(source, 0)))?;
    match connect(socket.as_raw_fd(), &SockaddrIn::from(server)) {
        Err(Errno::EINPROGRESS) => Err(ErrorKind::TimedOut.into()),
        done => done.map(|()| TcpStream::from(socket)).map_err(Into::into),
    }
}

/// Whether a client gets through to the server: a client that XDP drops gets no answer.
pub(super) fn gets_through(source: Ipv4Addr, patience: Duration) -> io::Result<bool> {
    match connected(source, HTTP, patience) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::TimedOut => Ok(false),
        Err(error) => Err(error),
    }
}

/// One request; returns the status and the body of the answer.
pub(super) fn ask(
    source: Ipv4Addr,
    server: SocketAddrV4,
    request: &str,
    body: &str,
) -> io::Result<(u16, String)> {
    let mut stream = connected(source, server, PATIENT)?;
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: {server}\r\nUser-Agent: sensor-selftest\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.map(|status| (status, body.to_owned())).ok_or_else(|| ErrorKind::InvalidData.into())
}

fn login(source: Ipv4Addr, user: &str, password: &str) -> io::Result<u16> {
    let body = json!({"username": user, "password": password}).to_string();
    ask(source, HTTP, "POST /login", &body).map(|(status, _)| status)
}

/// Outcome of requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) answered: u64,
    pub(super) slowest: Duration,
    /// The last failure.
    pub(super) why: Option<String>,
}

impl Tally {
    fn add(&mut self, outcome: io::Result<u16>, took: Duration) {
        self.sent = self.sent.saturating_add(1);
        match outcome {
            Ok(200) => {
                self.answered = self.answered.saturating_add(1);
                self.slowest = self.slowest.max(took);
            }
            Ok(status) => self.why = Some(format!("status {status}")),
            Err(error) => self.why = Some(error.to_string()),
        }
    }
}

/// A client that logs in and then sends ten requests a second, until dropped.
pub(super) struct Legitimate {
    tally: Arc<Mutex<Tally>>,
    stop: Arc<AtomicBool>,
}

impl Legitimate {
    pub(super) fn start(network: &Network) -> Self {
        let legitimate = Self { tally: Arc::default(), stop: Arc::default() };
        let (tally, stop) = (Arc::clone(&legitimate.tally), Arc::clone(&legitimate.stop));
        network.spawn(move || {
            let mut is_in = false;
            while !stop.load(Ordering::Relaxed) {
                let start = clock::monotonic();
                let outcome = if is_in {
                    ask(LEGITIMATE, HTTP, "GET /orders", "").map(|(status, _)| status)
                } else {
                    login(LEGITIMATE, "alice", PASSWORD)
                };
                is_in |= outcome.is_ok();
                let took = clock::monotonic().saturating_sub(start);
                tally.lock().unwrap_or_else(PoisonError::into_inner).add(outcome, took);
                pause(EVERY.saturating_sub(took));
            }
            Ok(())
        });
        legitimate
    }

    /// The outcome of its requests since the last call.
    pub(super) fn take(&self) -> Tally {
        std::mem::take(&mut *self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The same without resetting it.
    pub(super) fn answered(&self) -> u64 {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).answered
    }
}

impl Drop for Legitimate {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Datagrams of a burst, and how many are sent at once: 20,000 a second.
pub(super) const BURST: u64 = 20_000;
const AT_ONCE: u64 = 20;

/// Sends the burst; returns how many datagrams the kernel accepted, and the duration.
pub(super) fn burst(network: &Network) -> JoinHandle<io::Result<(u64, Duration)>> {
    network.spawn(|| {
        let socket = UdpSocket::bind((FLOODER, 0))?;
        let (start, mut sent) = (clock::monotonic(), 0_u64);
        for number in 1..=BURST {
            sent = sent.saturating_add(u64::from(socket.send_to(b"burst", UDP).is_ok()));
            if number.is_multiple_of(AT_ONCE) {
                pause(Duration::from_millis(1));
            }
        }
        Ok((sent, clock::monotonic().saturating_sub(start)))
    })
}

/// Accounts for which the attacker has passwords, all wrong: more than the 40 that a block takes if they come at once.
pub(super) const ACCOUNTS: u32 = 80;

/// The attacker's results.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attack {
    /// Refused logins.
    pub(super) refused: u32,
    /// Whether answers stopped.
    pub(super) cut_off: bool,
}

/// Tries one password on each account, until answers stop.
pub(super) fn attack(network: &Network) -> JoinHandle<io::Result<Attack>> {
    network.spawn(|| {
        let mut attack = Attack::default();
        for number in 0..ACCOUNTS {
            match login(ATTACKER, &format!("user{number}"), &format!("stolen-{number}")) {
                Ok(_) => attack.refused = attack.refused.saturating_add(1),
                Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => {
                    attack.cut_off = true;
                    break;
                }
                Err(error) => return Err(error),
            }
            pause(Duration::from_millis(20));
        }
        Ok(attack)
    })
}
