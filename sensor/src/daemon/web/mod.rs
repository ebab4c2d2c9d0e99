//! Metrics, health and readiness over HTTP or HTTPS.
//!
//! The existence of a daemon is no secret: health and readiness are public, since load balancers and probes have no
//! password. Metrics are restricted to the configured users, if there are any.

mod access;
mod config;
mod door;
mod front;
mod login;
mod tls;

use std::io;
use std::net::TcpListener as StdListener;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use bytes::Bytes;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::commands::Commands;
use super::degraded;
use crate::clock;
use crate::kernel::ConnectionOwners;
use crate::metrics;
pub(super) use access::{Access, AccessError, prepare};
pub use config::{TlsFiles, WebConfig};
use door::{Inside, Owner};
use login::Outcome;

/// For the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// For the head of a request, and between two requests.
const HEAD: Duration = Duration::from_secs(10);
/// For a connection as a whole: a client that does not read its answer would otherwise never end.
const LIFE: Duration = Duration::from_secs(300);
/// For the current answer once that time is over.
const GRACE: Duration = Duration::from_secs(5);
/// Maximum bytes of a head.
const MAX_HEAD: usize = 16 << 10;
/// Maximum fields in it.
const MAX_FIELDS: usize = 64;
/// After an error of `accept`, such as too many open files.
const PAUSE: Duration = Duration::from_millis(200);

/// A connection and its slot.
#[derive(Clone)]
struct Guest {
    owner: Owner,
    inside: Arc<Inside>,
}

#[derive(Clone)]
struct Served {
    commands: Arc<Commands>,
    access: Arc<Access>,
}

/// Serves until dropped.
pub(super) async fn serve(
    listener: StdListener,
    commands: Arc<Commands>,
    access: Arc<Access>,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let router = Router::new()
        .route("/", get(front_page))
        .route("/metrics", get(scrape))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(Served { commands, access: Arc::clone(&access) });
    let owners = ConnectionOwners::open()
        .inspect_err(
            |error| warn!(%error, "connections to the metrics endpoint are distinguished by address only"),
        )
        .ok();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let Ok(local) = stream.local_addr() else { continue };
                    let owner = Owner::of(owners.as_ref(), peer, local);
                    let Some(inside) = access.door.enter(owner).map(Arc::new) else { continue };
                    let guest = Guest { owner, inside: Arc::clone(&inside) };
                    let router = router.clone().layer(from_fn(answer)).layer(Extension(guest));
                    let access = Arc::clone(&access);
                    connections.spawn(async move {
                        tokio::select! {
                            () = meet(stream, router, &access) => {}
                            () = inside.sent_away() => {}
                        }
                    });
                }
                Err(error) => {
                    debug!(%error, "a connection for metrics could not be accepted");
                    sleep(PAUSE).await;
                }
            },
            Some(_ended) = connections.join_next() => {}
        }
    }
}

async fn meet(stream: TcpStream, router: Router, access: &Access) {
    let Some(tls) = access.tls() else { return talk(stream, router).await };
    match timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => talk(stream, router).await,
        Ok(Err(_)) | Err(_) => {
            access.handshakes_failed.fetch_add(1, Relaxed);
        }
    }
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_FIELDS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    if timeout(LIFE, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        // How a connection ends is its client's business.
        let _ended = timeout(GRACE, connection).await;
    }
}

/// A connection is not evicted while it is being answered.
async fn answer(Extension(guest): Extension<Guest>, request: Request, next: Next) -> Response {
    guest.inside.set_busy(true);
    let response = next.run(request).await;
    guest.inside.set_busy(false);
    response
}

/// It is ready from the start: programs are attached and the policy is in force before the first answer. Degraded parts
/// are listed.
async fn ready(State(served): State<Served>) -> String {
    degraded::parts(&served.commands.engine().degraded())
}

/// Whether a request may read what is restricted to the configured users; if not, the answer.
async fn refusal(access: &Access, headers: &HeaderMap, owner: Owner) -> Option<Response> {
    match access.logins.check(headers.get(header::AUTHORIZATION), owner).await {
        Outcome::Granted => None,
        Outcome::Refused => {
            access.unauthorized.fetch_add(1, Relaxed);
            let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"sensor\", charset=\"UTF-8\"")];
            Some((StatusCode::UNAUTHORIZED, challenge, "wrong or no credentials\n").into_response())
        }
        Outcome::Busy => {
            access.busy.fetch_add(1, Relaxed);
            let later = [(header::RETRY_AFTER, "1")];
            Some((StatusCode::SERVICE_UNAVAILABLE, later, "too many logins at a time\n").into_response())
        }
    }
}

async fn front_page(
    State(served): State<Served>,
    Extension(guest): Extension<Guest>,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = refusal(&served.access, &headers, guest.owner).await {
        return refusal;
    }
    let report = served.commands.engine().status(clock::now());
    match report {
        Ok(report) => front::response(&report),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error).into_response(),
    }
}

async fn scrape(
    State(served): State<Served>,
    Extension(guest): Extension<Guest>,
    headers: HeaderMap,
) -> Response {
    let Served { commands, access } = served;
    if let Some(refusal) = refusal(&access, &headers, guest.owner).await {
        return refusal;
    }
    let snapshot = commands.engine().scrape(access.stats());
    let text = snapshot
        .map_err(|error| error.to_string())
        .and_then(|snapshot| metrics::render(&snapshot).map_err(|error| error.to_string()));
    match text {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], Bytes::from(text)).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error).into_response(),
    }
}

/// Warns if other hosts can reach the metrics, and read them or their password.
pub(super) fn warn_if_open(address: std::net::SocketAddr, config: &WebConfig) {
    if address.ip().to_canonical().is_loopback() {
        return;
    }
    let missing = match (&config.tls, config.users.is_empty()) {
        (Some(_), false) => return,
        (Some(_), true) => {
            "everybody who reaches this address can read the metrics; set `web.basic_auth_users`"
        }
        (None, true) => {
            "everybody who reaches this address can read the metrics; set `web.basic_auth_users` and \
             `web.tls_cert_file`"
        }
        (None, false) => "passwords for the metrics cross the network in the clear; set `web.tls_cert_file`",
    };
    warn!(%address, "{missing}");
}
