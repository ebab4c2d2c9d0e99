//! Alerts as requests, and what receivers answer.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, RETRY_AFTER};
use hyper::{Method, Request, StatusCode};

use crate::notify::config::{WebhookConfig, WebhookFormat};
use crate::notify::formats;
use crate::notify::http::{HttpAnswer, HttpClient, HttpError, Words};
use crate::notify::outbox::{Carrier, Failure};

/// Maximum bytes read of a receiver's error response.
const WORDS: usize = 512;

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
enum PostError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("answer {status}{words}")]
    Busy { status: StatusCode, after: Option<Duration>, words: Words },
    #[error("answer {status}{words}")]
    Refused { status: StatusCode, words: Words },
    #[error("not taken{0}")]
    NotTaken(Words),
}

impl From<PostError> for Failure {
    fn from(error: PostError) -> Self {
        match &error {
            PostError::Refused { .. } | PostError::NotTaken(_) | PostError::Http(HttpError::Request(_)) => {
                Self::lasting(&error)
            }
            PostError::Busy { after, .. } => Self::passing(&error).not_before(after.unwrap_or_default()),
            PostError::Http(_) => Self::passing(&error),
        }
    }
}

pub(super) struct Client {
    config: WebhookConfig,
    http: HttpClient,
}

impl Client {
    pub(super) fn new(config: WebhookConfig) -> Result<Self, String> {
        let http = HttpClient::new(&config.url, config.ca_file.as_deref())?;
        Ok(Self { config, http })
    }

    async fn post(&self, report: Bytes) -> Result<(), PostError> {
        let is_otlp = self.config.format == WebhookFormat::Otlp;
        // Other receivers say nothing in an answer of success.
        let room = |status: StatusCode| if status.is_success() && !is_otlp { 0 } else { WORDS };
        let answer = self.http.ask(self.request(report)?, self.config.timeout, room).await?;
        let words = Words::of(&answer);
        judge(&answer, &words)?;
        // A receiver of OTLP may take a request and none of its records.
        let why = is_otlp.then(|| formats::rejected(&words.0)).flatten();
        why.map_or(Ok(()), |why| Err(PostError::NotTaken(Words(why))))
    }

    fn request(&self, report: Bytes) -> Result<Request<Full<Bytes>>, HttpError> {
        let target = self.config.url.path_and_query().map_or("/", |path| path.as_str());
        let mut request = self
            .http
            .request(Method::POST, target)
            .header(CONTENT_TYPE, "application/json")
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
        self.http.host()
    }

    async fn deliver(&mut self, report: Bytes) -> Result<(), Failure> {
        Ok(self.post(report).await?)
    }
}

/// The meaning of a response (RFC 9110, section 15): its status determines whether to retry.
fn judge(answer: &HttpAnswer, words: &Words) -> Result<(), PostError> {
    let (status, words) = (answer.status, words.clone());
    let is_busy = matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    if status.is_success() {
        return Ok(());
    }
    if !status.is_server_error() && !is_busy {
        return Err(PostError::Refused { status, words });
    }
    let after = answer.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Err(PostError::Busy { status, after: after.map(Duration::from_secs), words })
}
