//! One HTTP request over its own connection. Redirects are not followed and no proxies used: what is sent goes where the
//! configuration says, or nowhere.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderMap, USER_AGENT};
use hyper::http::request;
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::tls;
use crate::printable::printable;

/// Maximum bytes of a response head.
const HEAD: usize = 64 << 10;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// None was made, or it broke.
    #[error("no connection: {0}")]
    Connection(#[from] io::Error),
    /// The server does not speak HTTP, or ended the connection.
    #[error("no answer: {0}")]
    Http(#[from] hyper::Error),
    /// The request has no valid form.
    #[error("no request: {0}")]
    Request(#[from] hyper::http::Error),
    /// It took too long, from connecting to the last byte that was read.
    #[error("no answer in time")]
    Timeout,
}

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It is longer than there was room for.
    Long,
    /// The connection ended before it did.
    Broken,
}

/// An answer, with as much of its body as there was room for.
#[derive(Debug)]
pub struct HttpAnswer {
    /// Its status.
    pub status: StatusCode,
    /// Its header.
    pub headers: HeaderMap,
    /// The start of its body.
    pub body: Vec<u8>,
    /// Whether that is not all.
    pub cut: Option<Cut>,
}

/// What a server says of an error, or the start of it. It is shown in the log and to operators, escaped.
#[derive(Clone, Debug, Default)]
pub struct Words(pub String);

impl Words {
    /// What was read of an answer's body.
    #[must_use]
    pub fn of(answer: &HttpAnswer) -> Self {
        Self(String::from_utf8_lossy(&answer.body).trim().to_owned())
    }
}

impl fmt::Display for Words {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(out, ": {}", printable(&self.0)) }
    }
}

/// Asks one server.
pub struct HttpClient {
    host: String,
    port: u16,
    authority: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// The TCP port of an `http` or `https` URL.
#[must_use]
pub fn port_of(url: &Uri) -> u16 {
    url.port_u16().unwrap_or(if is_tls(url) { 443 } else { 80 })
}

/// The name or address in a URL. An IPv6 address has brackets in a URL, and nowhere else.
#[must_use]
pub fn host_of(url: &Uri) -> &str {
    url.host().unwrap_or_default().trim_matches(['[', ']'])
}

fn is_tls(url: &Uri) -> bool {
    url.scheme_str() == Some("https")
}

impl HttpClient {
    /// A client of the server that a URL names. `ca_file` has further certificate authorities.
    ///
    /// # Errors
    /// If a certificate could not be checked: the name is invalid, or there are no authorities.
    pub fn new(url: &Uri, ca_file: Option<&Path>) -> Result<Self, String> {
        let host = host_of(url).to_owned();
        let tls = if is_tls(url) {
            let name = ServerName::try_from(host.clone()).map_err(|error| format!("`{host}`: {error}"))?;
            Some((tls::connector(ca_file)?, name))
        } else {
            None
        };
        let authority = url.authority().map_or("", |authority| authority.as_str()).to_owned();
        Ok(Self { host, port: port_of(url), authority, tls })
    }

    /// The server's name or address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// A request with the headers that each has.
    pub fn request(&self, method: Method, target: &str) -> request::Builder {
        Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, &self.authority)
            .header(CONNECTION, "close")
            .header(USER_AGENT, concat!("sensor/", env!("CARGO_PKG_VERSION")))
    }

    /// Asks, and reads at most so many bytes of the answer's body, which may depend on its status.
    ///
    /// # Errors
    /// If no head of an answer comes. A body that is not whole is no error.
    pub async fn ask(
        &self,
        request: Request<Full<Bytes>>,
        timeout: Duration,
        room: impl Fn(StatusCode) -> usize + Send,
    ) -> Result<HttpAnswer, HttpError> {
        let asked = tokio::time::timeout(timeout, self.exchange(request, room)).await;
        asked.map_err(|_elapsed| HttpError::Timeout)?
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        room: impl Fn(StatusCode) -> usize + Send,
    ) -> Result<HttpAnswer, HttpError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        match &self.tls {
            Some((connector, name)) => {
                send(connector.connect(name.clone(), stream).await?, request, room).await
            }
            None => send(stream, request, room).await,
        }
    }
}

async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
    room: impl Fn(StatusCode) -> usize + Send,
) -> Result<HttpAnswer, HttpError> {
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(HEAD).handshake(TokioIo::new(stream)).await?;
    // Ends with this function, and the connection with it.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let (head, body) = sender.send_request(request).await?.into_parts();
    let (body, cut) = read(body, room(head.status)).await;
    Ok(HttpAnswer { status: head.status, headers: head.headers, body, cut })
}

async fn read(mut body: Incoming, room: usize) -> (Vec<u8>, Option<Cut>) {
    let mut bytes = Vec::new();
    loop {
        if bytes.len() >= room {
            return (bytes, Some(Cut::Long));
        }
        match body.frame().await {
            None => return (bytes, None),
            Some(Err(_broken)) => return (bytes, Some(Cut::Broken)),
            Some(Ok(frame)) => {
                let Some(data) = frame.data_ref() else { continue };
                let left = room.saturating_sub(bytes.len()).min(data.len());
                bytes.extend_from_slice(data.get(..left).unwrap_or_default());
                if left < data.len() {
                    return (bytes, Some(Cut::Long));
                }
            }
        }
    }
}
