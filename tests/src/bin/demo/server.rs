//! A small HTTP/1.1 server: a few threads, one request per connection, and CPU work for each, like a password check.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::hint::black_box;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::time::TimeVal;
use sensor_tests::netns::Namespace;

/// Threads that answer.
const WORKERS: usize = 4;
/// Rounds of hashing for each request: about half a millisecond of a core.
pub(crate) const ROUNDS: u32 = 25_000;
/// Where it listens.
pub(crate) const PORT: u16 = 8_080;
/// Longest header that is read.
const MAX_HEADER: usize = 8_192;

/// The running server; it stops when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    stop: Arc<AtomicBool>,
    workers: Vec<JoinHandle<()>>,
}

impl Server {
    /// Listens in a namespace.
    pub(crate) fn start(namespace: &Namespace) -> io::Result<Self> {
        let listener = namespace.enter(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)))?;
        // accept(2) keeps to the timeout for receiving: time to look at `stop`.
        setsockopt(&listener, ReceiveTimeout, &TimeVal::new(0, 50_000))?;
        let listener = Arc::new(listener);
        let stop = Arc::new(AtomicBool::new(false));
        let workers = (0..WORKERS).map(|_| {
            let (listener, stop) = (Arc::clone(&listener), Arc::clone(&stop));
            thread::spawn(move || work(&listener, &stop))
        });
        Ok(Self { workers: workers.collect(), stop })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for worker in self.workers.drain(..) {
            // A worker that panicked has already said so.
            let _ended = worker.join();
        }
    }
}

fn work(listener: &TcpListener, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        if let Ok((stream, _)) = listener.accept() {
            // A client that goes away is its own loss.
            let _answered = answer(stream);
        }
    }
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut header = Vec::new();
    let mut piece = [0; 1_024];
    while !header.windows(4).any(|end| end == b"\r\n\r\n") {
        let length = stream.read(&mut piece)?;
        if length == 0 || header.len() > MAX_HEADER {
            return Ok(());
        }
        header.extend_from_slice(piece.get(..length).unwrap_or_default());
    }
    let body = format!("{{\"checked\": {}}}\n", check(&header));
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
}

fn check(secret: &[u8]) -> u64 {
    (0..ROUNDS).fold(0, |state, _| {
        let mut hasher = DefaultHasher::new();
        (black_box(state), secret.len()).hash(&mut hasher);
        hasher.finish()
    })
}
