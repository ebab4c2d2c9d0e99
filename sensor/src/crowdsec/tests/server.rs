//! A local API that does what a test wants.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::notify::tests::server::read_request;

/// What happens to a request.
#[derive(Clone, Debug)]
pub(super) enum Does {
    /// Says this with a length.
    Say(u16, String),
    /// Says this, and these bytes after it without an end.
    Endless(&'static str),
    /// Promises more than it says.
    Break(&'static str),
    /// Says nothing.
    Hang,
    /// Closes.
    Close,
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Does this for each question about decisions in turn, and the last for all that follow. It knows nothing else.
    pub(super) async fn start(script: Vec<Does>) -> Self {
        Self::with(vec![("/v1/decisions/stream", script)]).await
    }

    /// The same for several beginnings of targets.
    pub(super) async fn with(scripts: Vec<(&'static str, Vec<Does>)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&asked);
        let scripts: Arc<Vec<_>> =
            Arc::new(scripts.into_iter().map(|(of, script)| (of, script, AtomicUsize::new(0))).collect());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&scripts), Arc::clone(&seen)));
            }
        });
        Self { address, asked }
    }

    /// Whole requests.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// The targets of requests that begin like this.
    pub(super) fn targets(&self, start: &str) -> Vec<String> {
        let all = self.asked();
        let all = all.iter().map(|request| target(request).to_owned());
        all.filter(|target| target.starts_with(start)).collect()
    }
}

fn target(request: &str) -> &str {
    request.split(' ').nth(1).unwrap()
}

type Scripts = Vec<(&'static str, Vec<Does>, AtomicUsize)>;

async fn serve(mut stream: TcpStream, scripts: Arc<Scripts>, seen: Arc<Mutex<Vec<String>>>) {
    let Some(request) = read_request(&mut stream).await else { return };
    let script = scripts.iter().find(|(of, ..)| target(&request).starts_with(of));
    let does = script.map_or(Does::Say(404, String::new()), |(_, script, count)| {
        script[count.fetch_add(1, Relaxed).min(script.len() - 1)].clone()
    });
    seen.lock().unwrap().push(request);
    match does {
        Does::Say(status, body) => {
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", body.len());
            // A client that has read enough closes.
            let _sent = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
        Does::Endless(start) => {
            let mut sent = stream.write_all(format!("HTTP/1.1 200 OK\r\n\r\n{start}").as_bytes()).await;
            let more = vec![b' '; 1 << 20];
            while sent.is_ok() {
                sent = stream.write_all(&more).await;
            }
        }
        Does::Break(start) => {
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
            stream.write_all(format!("{head}{start}").as_bytes()).await.unwrap();
        }
        Does::Hang => std::future::pending().await,
        Does::Close => {}
    }
}

/// Waits for something that nothing wakes us for.
pub(super) async fn eventually(mut condition: impl FnMut() -> bool) {
    for _ in 0..30_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("never came true");
}
