//! A receiver that does what a test wants.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What happens to one connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Behaviour {
    /// Reads the request and says this.
    Answer(&'static str),
    /// Closes it at once.
    Close,
    /// Reads the request and closes without an answer.
    CloseAfterRequest,
    /// Reads the request and says nothing.
    Hang,
    /// Sends a head that does not end.
    Endless,
}

pub(super) const OK: Behaviour = Behaviour::Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
pub(super) const BUSY: Behaviour = Behaviour::Answer("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");

pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    /// Behaves in this way for each connection in turn, in the last way for all that follow.
    pub(super) async fn start(behaviours: Vec<Behaviour>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = requests.clone();
        tokio::spawn(async move {
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let behaviour = behaviours[usize::min(number, behaviours.len() - 1)];
                tokio::spawn(meet(stream, behaviour, seen.clone(), tls.clone()));
            }
        });
        Self { address, requests }
    }

    /// Whole requests, in the order of their ends.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Their bodies.
    pub(super) fn bodies(&self) -> Vec<String> {
        let requests = self.requests();
        requests.iter().map(|request| request.split_once("\r\n\r\n").unwrap().1.to_owned()).collect()
    }
}

async fn meet(
    stream: TcpStream,
    behaviour: Behaviour,
    seen: Arc<Mutex<Vec<String>>>,
    tls: Option<TlsAcceptor>,
) {
    let Some(tls) = tls else { return serve(stream, behaviour, &seen).await };
    // A client that does not trust us ends the handshake.
    if let Ok(stream) = tls.accept(stream).await {
        serve(stream, behaviour, &seen).await;
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    behaviour: Behaviour,
    seen: &Mutex<Vec<String>>,
) {
    if matches!(behaviour, Behaviour::Close) {
        return;
    }
    let Some(request) = read_request(&mut stream).await else { return };
    seen.lock().unwrap().push(request);
    match behaviour {
        Behaviour::Answer(answer) => {
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
        Behaviour::Hang => std::future::pending().await,
        Behaviour::Endless => {
            let line = format!("X: {}\r\n", "y".repeat(1_000));
            let mut sent = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
            while sent.is_ok() {
                sent = stream.write_all(line.as_bytes()).await;
            }
        }
        Behaviour::Close | Behaviour::CloseAfterRequest => {}
    }
}

/// A whole request; none if the client leaves before.
pub(crate) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut text = Vec::new();
    loop {
        let read = stream.read_buf(&mut text).await.ok()?;
        let request = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = request.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0_usize) {
                return Some(request);
            }
        }
        if read == 0 {
            return None;
        }
    }
}
