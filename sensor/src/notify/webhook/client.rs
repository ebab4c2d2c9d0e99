//! One request over its own connection. Redirects are not followed and no proxies used: alerts go where the
//! configuration says, or nowhere.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::notify::config::{WebhookConfig, WebhookFormat};
use crate::notify::formats;
use crate::notify::outbox::{Carrier, Failure};
use crate::notify::tls;
use crate::printable::printable;

/// Maximum bytes read of a receiver's error response.
const WORDS: usize = 512;
/// Maximum bytes of a response head.
const HEAD: usize = 64 << 10;

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
enum PostError {
    #[error("no connection: {0}")]
    Connection(#[from] io::Error),
    #[error("no answer: {0}")]
    Http(#[from] hyper::Error),
    #[error("no request: {0}")]
    Request(#[from] hyper::http::Error),
    #[error("answer {status}{words}")]
    Busy { status: StatusCode, after: Option<Duration>, words: Words },
    #[error("answer {status}{words}")]
    Refused { status: StatusCode, words: Words },
    #[error("not taken{0}")]
    NotTaken(Words),
    #[error("no answer in time")]
    Timeout,
}

impl From<PostError> for Failure {
    fn from(error: PostError) -> Self {
        match &error {
            PostError::Refused { .. } | PostError::NotTaken(_) | PostError::Request(_) => {
                Self::lasting(&error)
            }
            PostError::Busy { after, .. } => Self::passing(&error).not_before(after.unwrap_or_default()),
            PostError::Connection(_) | PostError::Http(_) | PostError::Timeout => Self::passing(&error),
        }
    }
}

pub(super) struct Client {
    config: WebhookConfig,
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Client {
    pub(super) fn new(config: WebhookConfig) -> Result<Self, String> {
        // An IPv6 address has brackets in a URL, and nowhere else.
        let host = config.url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = config.port();
        let tls = if config.is_tls() {
            let name = ServerName::try_from(host.clone()).map_err(|error| format!("`{host}`: {error}"))?;
            Some((tls::connector(config.ca_file.as_deref())?, name))
        } else {
            None
        };
        Ok(Self { config, host, port, tls })
    }

    async fn post(&self, report: Bytes) -> Result<(), PostError> {
        match tokio::time::timeout(self.config.timeout, self.exchange(report)).await {
            Ok(answer) => self.judge(&answer?),
            Err(_elapsed) => Err(PostError::Timeout),
        }
    }

    /// A receiver of OTLP may take a request and none of its records.
    fn judge(&self, answer: &Response<Words>) -> Result<(), PostError> {
        judge(answer)?;
        let is_otlp = self.config.format == WebhookFormat::Otlp;
        let why = is_otlp.then(|| formats::rejected(&answer.body().0)).flatten();
        why.map_or(Ok(()), |why| Err(PostError::NotTaken(Words(why))))
    }

    async fn exchange(&self, report: Bytes) -> Result<Response<Words>, PostError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        match &self.tls {
            Some((connector, name)) => {
                self.send(connector.connect(name.clone(), stream).await?, report).await
            }
            None => self.send(stream, report).await,
        }
    }

    async fn send(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        report: Bytes,
    ) -> Result<Response<Words>, PostError> {
        let (mut sender, connection) =
            http1::Builder::new().max_buf_size(HEAD).handshake(TokioIo::new(stream)).await?;
        // Ends with this function, and the connection with it.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let answer = sender.send_request(self.request(report)?).await?;
        let (head, body) = answer.into_parts();
        // Other receivers say nothing in an answer of success.
        let is_silent = head.status.is_success() && self.config.format != WebhookFormat::Otlp;
        let words = if is_silent { Words::default() } else { Words::read(body).await };
        Ok(Response::from_parts(head, words))
    }

    fn request(&self, report: Bytes) -> Result<Request<Full<Bytes>>, PostError> {
        let url = &self.config.url;
        let path = url.path_and_query().map_or("/", |path| path.as_str());
        let authority = url.authority().map_or("", |authority| authority.as_str());
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(HOST, authority)
            .header(CONNECTION, "close")
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("sensor/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(report))?;
        for (name, value) in &self.config.headers {
            request.headers_mut().insert(name, value.clone());
        }
        Ok(request)
    }
}

impl Carrier for Client {
    /// The receiver's host: other parts of its URL may be secret.
    fn receiver(&self) -> &str {
        &self.host
    }

    async fn deliver(&mut self, report: Bytes) -> Result<(), Failure> {
        Ok(self.post(report).await?)
    }
}

/// A receiver's error response. It is shown in the log and to operators, escaped.
#[derive(Clone, Debug, Default)]
struct Words(String);

impl Words {
    /// The start of a body.
    async fn read(mut body: hyper::body::Incoming) -> Self {
        let mut text = Vec::new();
        while text.len() < WORDS
            && let Some(Ok(frame)) = body.frame().await
        {
            if let Some(data) = frame.data_ref() {
                let room = WORDS.saturating_sub(text.len()).min(data.len());
                text.extend_from_slice(data.get(..room).unwrap_or_default());
            }
        }
        Self(String::from_utf8_lossy(&text).trim().to_owned())
    }
}

impl fmt::Display for Words {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(out, ": {}", printable(&self.0)) }
    }
}

/// The meaning of a response (RFC 9110, section 15): its status determines whether to retry.
fn judge(answer: &Response<Words>) -> Result<(), PostError> {
    let status = answer.status();
    let is_busy = matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    if status.is_success() {
        return Ok(());
    }
    if !status.is_server_error() && !is_busy {
        return Err(PostError::Refused { status, words: answer.body().clone() });
    }
    let after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let words = answer.body().clone();
    Err(PostError::Busy { status, after: after.map(Duration::from_secs), words })
}
