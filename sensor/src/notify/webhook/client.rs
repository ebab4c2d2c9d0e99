//! One request over its own connection. Redirects are not followed and no proxies used: alerts go where the
//! configuration says, or nowhere.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::notify::NotifyError;
use crate::notify::config::WebhookConfig;
use crate::printable::printable;

/// Maximum bytes read of a receiver's error response.
const WORDS: usize = 512;
/// Maximum bytes of a response head.
const HEAD: usize = 64 << 10;

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
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
    #[error("no answer in time")]
    Timeout,
}

pub(super) struct Client {
    config: WebhookConfig,
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Client {
    pub(super) fn new(config: WebhookConfig) -> Result<Self, NotifyError> {
        // An IPv6 address has brackets in a URL, and nowhere else.
        let host = config.url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = config.port();
        let tls = if config.is_tls() {
            let name = ServerName::try_from(host.clone())
                .map_err(|error| NotifyError::Tls(format!("`{host}`: {error}")))?;
            Some((connector(config.ca_file.as_deref()).map_err(NotifyError::Tls)?, name))
        } else {
            None
        };
        Ok(Self { config, host, port, tls })
    }

    /// The receiver's URL, without parts that may be secret.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Sends a text, within the time limit of one attempt.
    pub(super) async fn post(&self, text: Arc<str>) -> Result<(), PostError> {
        match tokio::time::timeout(self.config.timeout, self.exchange(text)).await {
            Ok(answer) => judge(&answer?),
            Err(_elapsed) => Err(PostError::Timeout),
        }
    }

    async fn exchange(&self, text: Arc<str>) -> Result<Response<Words>, PostError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        match &self.tls {
            Some((connector, name)) => self.send(connector.connect(name.clone(), stream).await?, text).await,
            None => self.send(stream, text).await,
        }
    }

    async fn send(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        text: Arc<str>,
    ) -> Result<Response<Words>, PostError> {
        let (mut sender, connection) =
            http1::Builder::new().max_buf_size(HEAD).handshake(TokioIo::new(stream)).await?;
        // Ends with this function, and the connection with it.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let answer = sender.send_request(self.request(&text)?).await?;
        let (head, body) = answer.into_parts();
        let words = if head.status.is_success() { Words::default() } else { Words::read(body).await };
        Ok(Response::from_parts(head, words))
    }

    fn request(&self, text: &str) -> Result<Request<Full<Bytes>>, PostError> {
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
            .body(Full::new(Bytes::copy_from_slice(text.as_bytes())))?;
        for (name, value) in &self.config.headers {
            request.headers_mut().insert(name, value.clone());
        }
        Ok(request)
    }
}

/// A receiver's error response. It is shown in the log and to operators, escaped.
#[derive(Clone, Debug, Default)]
pub(super) struct Words(String);

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

/// Verifies servers against the system's authorities, and those of a file.
pub(in crate::notify) fn connector(ca_file: Option<&Path>) -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = ca_file {
        roots.add_parsable_certificates(read_authorities(path)?);
    }
    if roots.is_empty() {
        let why = "no certificate authorities on this host; install ca-certificates, or set `ca_file`";
        return Err(why.to_owned());
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The certificates of a PEM file; at least one.
pub(in crate::notify) fn read_authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let named = |error: &dyn fmt::Display| format!("{}: {error}", path.display());
    let text = fs::read(path).map_err(|error| named(&error))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|error| named(&error))?;
    if certificates.is_empty() { Err(named(&"contains no certificate")) } else { Ok(certificates) }
}
