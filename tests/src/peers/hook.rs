//! A receiver of alerts by HTTP, on a namespace's loopback.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::netns::Namespace;

/// What it says when it takes nothing.
pub const REFUSAL: &str = "channel is archived";
/// Longest request that is read.
const MOST: usize = 1 << 20;

/// What it was sent, and what it answers. Its thread ends with the test's process.
#[derive(Clone, Debug)]
pub struct Hook {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    status: Arc<AtomicU16>,
}

impl Hook {
    /// Listens on a port of its own, and answers 200.
    ///
    /// # Errors
    /// If it cannot listen.
    pub fn start(namespace: &Namespace) -> Result<Self> {
        let listener = namespace.enter(|| TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let hook = Self { address, requests: Arc::default(), status: Arc::new(AtomicU16::new(200)) };
        let own = hook.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                // A client that leaves is no trouble of the receiver's.
                let _served = own.serve(stream);
            }
        });
        Ok(hook)
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it answers from now on.
    pub fn answer(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// Every request so far, head and body.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let request = read(&mut stream)?;
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        let status = self.status.load(Ordering::Relaxed);
        let words = if status == 200 { "ok" } else { REFUSAL };
        let length = words.len();
        write!(
            stream,
            "HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{words}"
        )
    }
}

/// A request with a `Content-Length`, whole.
fn read(stream: &mut TcpStream) -> io::Result<String> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 65_536]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
            if body.len() >= length {
                return Ok(text);
            }
        }
        let count = stream.read(&mut piece)?;
        if count == 0 || bytes.len() > MOST {
            return Ok(text);
        }
        bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
    }
}
