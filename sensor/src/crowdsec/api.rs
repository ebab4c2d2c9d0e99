//! Requests to the local API, and its answers: of bounded size, in bounded time.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::config::CrowdsecConfig;
use super::secret::{Login, SecretError};
use crate::clock::Timestamp;
use crate::notify::{Cut, HttpAnswer, HttpClient, HttpError, Words};
use crate::printable::to_json;

/// Largest answer: a million decisions take some 200 MiB, and none of the blocklists that CrowdSec offers has a fifth of
/// them.
const MAX_ANSWER: usize = 64 << 20;
/// Largest answer to anything else.
const MAX_WORDS: usize = 64 << 10;
/// Bytes of an error that are shown.
const WORDS: usize = 256;
/// Header with the key of a bouncer.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Why there is no answer that is of use.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// Certificates cannot be checked.
    #[error("{0}")]
    Tls(String),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("answer {0}{1}")]
    Status(StatusCode, Words),
    #[error("the answer is larger than {0} bytes")]
    Large(usize),
    #[error("the answer ended early")]
    Broken,
    #[error("the answer is not what CrowdSec sends{0}")]
    Json(Words),
    #[error("the answer to the login has no token")]
    Token,
}

impl ApiError {
    /// Whether the server answered that it does not take this, whenever it is sent.
    pub(super) const fn is_refusal(&self) -> bool {
        let Self::Status(status, _) = self else { return false };
        matches!(status.as_u16(), 400 | 413 | 422 | 500)
    }

    /// Whether the server has no such thing: an older version.
    const fn is_unknown(&self) -> bool {
        matches!(self, Self::Status(StatusCode::NOT_FOUND, _))
    }
}

impl From<serde_json::Error> for ApiError {
    /// The message may have all of a text in it that was not expected.
    fn from(error: serde_json::Error) -> Self {
        Self::Json(Words(error.to_string().chars().take(WORDS).collect()))
    }
}

/// A local API.
pub(super) struct Api {
    http: HttpClient,
    base: String,
    timeout: Duration,
}

impl Api {
    pub(super) fn new(config: &CrowdsecConfig) -> Result<Self, ApiError> {
        let http = HttpClient::new(&config.url, config.ca_file.as_deref()).map_err(ApiError::Tls)?;
        let base = config.url.path().trim_end_matches('/').to_owned();
        Ok(Self { http, base, timeout: config.timeout })
    }

    /// The answer to a bouncer's question about decisions: all that stand, or what changed since the last question.
    pub(super) async fn decisions(&self, key: &HeaderValue, all: bool) -> Result<Vec<u8>, ApiError> {
        // The server leaves out other scopes unless they are named; what is left here shall be counted.
        let target = format!("/v1/decisions/stream?startup={all}&scopes=ip,range,country,as");
        self.ask(Method::GET, &target, Some((API_KEY, key)), None, MAX_ANSWER).await
    }

    /// Tells how many decisions are in force. Returns whether the server wants to know that, which versions before 1.6.3
    /// do not.
    pub(super) async fn usage(&self, key: &HeaderValue, usage: &Value) -> Result<bool, ApiError> {
        let body = to_json(usage)?.into();
        let told =
            self.ask(Method::POST, "/v1/usage-metrics", Some((API_KEY, key)), Some(body), MAX_WORDS).await;
        known(told).map(|told| told.is_some())
    }

    /// Logs a machine in. Returns its token, and when that ends.
    pub(super) async fn log_in(&self, login: &Login) -> Result<(HeaderValue, Option<Timestamp>), ApiError> {
        let Login { machine, password } = login;
        let body = to_json(&json!({"machine_id": machine, "password": password.as_str(), "scenarios": []}))?;
        let body = Some(Bytes::from(body));
        let answer =
            Zeroizing::new(self.ask(Method::POST, "/v1/watchers/login", None, body, MAX_WORDS).await?);
        let Token { token, expire } = serde_json::from_slice(&answer)?;
        let token = Zeroizing::new(format!("Bearer {token}"));
        let mut bearer = HeaderValue::from_str(&token).or(Err(ApiError::Token))?;
        bearer.set_sensitive(true);
        let ends = expire.and_then(|text| serde_json::from_value(Value::String(text)).ok());
        Ok((bearer, ends))
    }

    /// Whether an address or range is on an allow list; none if the server has no such lists.
    pub(super) async fn is_allowed(
        &self,
        token: &HeaderValue,
        value: &str,
    ) -> Result<Option<bool>, ApiError> {
        let target = format!("/v1/allowlists/check/{}", value.replace('/', "%2F"));
        let answer = self.ask(Method::GET, &target, Some((AUTHORIZATION, token)), None, MAX_WORDS).await;
        let Some(answer) = known(answer)? else { return Ok(None) };
        let Listed { allowlisted } = serde_json::from_slice(&answer)?;
        Ok(Some(allowlisted))
    }

    /// Pushes alerts.
    pub(super) async fn push(&self, token: &HeaderValue, alerts: Vec<Value>) -> Result<(), ApiError> {
        let body = to_json(&Value::Array(alerts))?.into();
        let auth = Some((AUTHORIZATION, token));
        self.ask(Method::POST, "/v1/alerts", auth, Some(body), MAX_WORDS).await.map(drop)
    }

    async fn ask(
        &self,
        method: Method,
        target: &str,
        auth: Option<(HeaderName, &HeaderValue)>,
        body: Option<Bytes>,
        most: usize,
    ) -> Result<Vec<u8>, ApiError> {
        let mut request = self.http.request(method, &format!("{}{target}", self.base));
        if let Some((name, value)) = auth {
            request = request.header(name, value);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(body.unwrap_or_default())).map_err(HttpError::from)?;
        let room = |status: StatusCode| if status.is_success() { most } else { WORDS };
        whole(self.http.ask(request, self.timeout, room).await?, most)
    }
}

#[derive(Deserialize)]
struct Token {
    token: String,
    #[serde(default)]
    expire: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(default)]
    allowlisted: bool,
}

/// What a server of an older version does not know is no error.
fn known<T>(answer: Result<T, ApiError>) -> Result<Option<T>, ApiError> {
    match answer {
        Err(error) if error.is_unknown() => Ok(None),
        other => other.map(Some),
    }
}

fn whole(answer: HttpAnswer, most: usize) -> Result<Vec<u8>, ApiError> {
    if !answer.status.is_success() {
        return Err(ApiError::Status(answer.status, Words::of(&answer)));
    }
    match answer.cut {
        None => Ok(answer.body),
        Some(Cut::Long) => Err(ApiError::Large(most)),
        Some(Cut::Broken) => Err(ApiError::Broken),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A proxy answers 502 while CrowdSec is away, and a login may be mended: nothing is given up for these.
    #[test]
    fn what_is_refused_for_good() {
        for (status, expected) in [
            (400, true),
            (401, false),
            (403, false),
            (404, false),
            (413, true),
            (422, true),
            (429, false),
            (500, true),
            (502, false),
            (503, false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(ApiError::Status(status, Words::default()).is_refusal(), expected, "{status}");
        }
        assert!(!ApiError::Broken.is_refusal());
    }
}
