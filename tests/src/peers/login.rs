//! A server with accounts: it logs in who knows the password, and has items to look at.
//!
//! A password is right where it begins with [`RIGHT`]: whoever plays a scenario decides, and the server keeps no state.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Result, ensure};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::time::TimeVal;

use super::http::Client;
use crate::daemon::PATIENCE;
use crate::netns::{FLOODER, Namespace, Net, SERVER_V4, v4};
use crate::wait::wait_until;

/// What right passwords begin with.
pub const RIGHT: &str = "right-";
/// Threads that answer, one request on a connection.
const WORKERS: usize = 8;
/// Longest request that is read.
const MAX_REQUEST: usize = 8_192;

/// The running server; it stops when dropped.
#[derive(Debug)]
pub struct LoginServer {
    stop: Arc<AtomicBool>,
    answered: Arc<[AtomicU64; 3]>,
    workers: Vec<JoinHandle<()>>,
}

/// What was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// Logins that succeeded.
    pub successes: u64,
    /// Logins that failed.
    pub failures: u64,
    /// All else.
    pub others: u64,
}

impl LoginServer {
    /// Where it listens, on every address of IPv4.
    pub const PORT: u16 = 8_081;

    /// Listens in a namespace.
    ///
    /// # Errors
    /// If the port is taken.
    pub fn start(namespace: &Namespace) -> io::Result<Self> {
        let listener = namespace.enter(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, Self::PORT)))?;
        // accept(2) keeps to the timeout for receiving: time to look at `stop`.
        setsockopt(&listener, ReceiveTimeout, &TimeVal::new(0, 50_000))?;
        let (listener, stop) = (Arc::new(listener), Arc::new(AtomicBool::new(false)));
        let answered = Arc::new([const { AtomicU64::new(0) }; 3]);
        let workers = (0..WORKERS).map(|_| {
            let (listener, stop, answered) =
                (Arc::clone(&listener), Arc::clone(&stop), Arc::clone(&answered));
            thread::spawn(move || work(&listener, &stop, &answered))
        });
        Ok(Self { workers: workers.collect(), stop, answered })
    }

    /// What it has answered so far.
    #[must_use]
    pub fn answered(&self) -> Answered {
        let [successes, failures, others] =
            self.answered.each_ref().map(|count| count.load(Ordering::Relaxed));
        Answered { successes, failures, others }
    }
}

/// Most attempts of [`stuff`]: more than any threshold needs.
const MANY: u32 = 200;

/// Tries one account after the other, from a number on, until something holds that `is_met` looks at. What stood in the way
/// of an attempt, if it was not answered: it was the last one.
///
/// # Errors
/// If it does not come to hold.
pub fn stuff(net: &Net, from: u32, is_met: impl Fn() -> bool) -> Result<Option<io::Error>> {
    let mut unanswered = None;
    for number in (from..).zip(0..MANY).map(|(number, _)| number) {
        unanswered = attempt(net, v4(FLOODER), &format!("user{number}"), &format!("wrong-{number}")).err();
        if unanswered.is_some() || is_met() {
            break;
        }
    }
    ensure!(wait_until(PATIENCE, is_met), "it never came to be, in {MANY} attempts at most: {unanswered:?}");
    Ok(unanswered)
}

/// One attempt at logging in on a connection of its own; the status of the answer.
///
/// # Errors
/// If there is none within a second.
pub fn attempt(net: &Net, source: IpAddr, user: &str, password: &str) -> io::Result<u16> {
    let server = SocketAddr::new(SERVER_V4, LoginServer::PORT);
    let client = Client { timeout: Duration::from_secs(1), ..Client::new(source, server) };
    net.world.enter(|| {
        let mut stream = client.connect()?;
        let body = format!(r#"{{"username":"{user}","password":"{password}"}}"#);
        let head = "POST /login HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/json";
        write!(stream, "{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.ok_or_else(|| io::Error::other(format!("answered with {answer:?}")))
    })
}

impl Drop for LoginServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for worker in self.workers.drain(..) {
            // A worker that panicked has already said so.
            let _ended = worker.join();
        }
    }
}

fn work(listener: &TcpListener, stop: &AtomicBool, answered: &[AtomicU64; 3]) {
    while !stop.load(Ordering::Relaxed) {
        let Ok((stream, _)) = listener.accept() else { continue };
        // A client that goes away is its own loss.
        if let Ok(Some(kind)) = answer(stream) {
            answered[kind].fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Answers one request; the index of its kind in the counts.
fn answer(mut stream: TcpStream) -> io::Result<Option<usize>> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let Some(request) = read(&mut stream)? else { return Ok(None) };
    let target = request.split(' ').nth(1).unwrap_or_default();
    let (kind, status, body) = match target {
        "/login" if request.contains(&format!("\"password\":\"{RIGHT}")) => {
            (0, "200 OK", "{\"token\":\"t\",\"expires_in\":3600}")
        }
        "/login" => (1, "401 Unauthorized", "{\"error\":\"invalid_credentials\"}"),
        missing if missing.contains("/.") || missing.contains("/wp-") => {
            (2, "404 Not Found", "{\"error\":\"not_found\"}")
        }
        _ => (2, "200 OK", "{\"ok\":true}"),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )?;
    Ok(Some(kind))
}

/// A request to the end of its body; none if the client went away before.
fn read(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let (mut request, mut piece) = (Vec::new(), [0; 2_048]);
    loop {
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length =
                head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Ok(Some(text.into_owned()));
            }
        }
        let count = stream.read(&mut piece)?;
        if count == 0 || request.len() > MAX_REQUEST {
            return Ok(None);
        }
        request.extend_from_slice(&piece[..count]);
    }
}
