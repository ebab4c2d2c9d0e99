//! The protected server of the test: a small HTTP server with a login, and a counter of datagrams.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::network::SERVER;

/// Port of the HTTP server.
pub(super) const HTTP: SocketAddrV4 = SocketAddrV4::new(SERVER, 8080);
/// Port on which datagrams are counted.
pub(super) const UDP: SocketAddrV4 = SocketAddrV4::new(SERVER, 9000);
/// The one correct password, for any user.
pub(super) const PASSWORD: &str = "correct horse battery staple";

/// Time limit for a silent client.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest request, with its body.
const LONGEST: u64 = 8 << 10;

/// Both servers; their threads end with the process.
pub(super) struct Servers {
    datagrams: Arc<AtomicU64>,
}

impl Servers {
    /// Starts them in the network namespace of this thread.
    pub(super) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(HTTP)?;
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that disconnects is no error.
                thread::spawn(move || answer(&stream).is_ok());
            }
        });
        let datagrams = Arc::new(AtomicU64::new(0));
        let (counter, socket) = (Arc::clone(&datagrams), UdpSocket::bind(UDP)?);
        thread::spawn(move || {
            let mut buffer = [0; 64];
            while socket.recv(&mut buffer).is_ok() {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(Self { datagrams })
    }

    /// Datagrams that got through.
    pub(super) fn datagrams(&self) -> u64 {
        self.datagrams.load(Ordering::Relaxed)
    }
}

/// One request, one answer, and the end of the connection.
fn answer(stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream.take(LONGEST));
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line)?;
    let is_login = line.starts_with("POST /login ");
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = String::new();
    reader.take(length).read_to_string(&mut body)?;
    let (status, body) = if is_login { login(&body) } else { ("200 OK", r#"{"orders":[1042,1043]}"#) };
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn login(body: &str) -> (&'static str, &'static str) {
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    if body.get("password").is_some_and(|password| password == PASSWORD) {
        ("200 OK", r#"{"token":"b1f7c0de"}"#)
    } else {
        ("401 Unauthorized", r#"{"error":"invalid credentials"}"#)
    }
}
