//! What the configuration says about the webhook.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use documented::DocumentedFields;
use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};

use crate::config::{Form, Section};
use crate::detect::Severity;
use crate::notify::http::port_of;
use crate::notify::tls;

/// What a receiver takes.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum WebhookFormat {
    /// The record.
    #[default]
    Json,
    /// A message of Slack, and of what takes its messages.
    Slack,
    /// A message of Teams.
    Teams,
    /// An event of `PagerDuty`.
    PagerDuty {
        /// Which service of theirs it is for. A secret.
        routing_key: String,
    },
    /// An alert of Alertmanager's.
    Alertmanager,
    /// An event of the Elastic Common Schema.
    Ecs,
    /// A finding of the Open Cybersecurity Schema Framework.
    Ocsf,
    /// A log record of OpenTelemetry.
    Otlp,
}

/// A receiver of alerts over HTTP. Its address and headers may hold secrets, so neither is printed.
#[derive(Clone, PartialEq, DocumentedFields)]
pub struct WebhookConfig {
    /// URL to send alerts to, by HTTP or HTTPS: one POST per alert, with the alert as JSON. Redirects are not followed.
    /// Under systemd, the unit's `IPAddressAllow=` must include its address.
    pub url: Uri,
    /// Format of the receiver: `json`, the alert's record, and the incident's once it is over; `slack`; `teams`, through
    /// a workflow; `pagerduty`, an Events API v2 event; `alertmanager`, for `/api/v2/alerts`; `ecs`, an event of the Elastic
    /// Common Schema; `ocsf`, a Detection Finding; `otlp`, an OpenTelemetry log record, for `/v1/logs`. All but `slack` and
    /// `teams` link an incident's end to its beginning.
    pub format: WebhookFormat,
    /// Headers sent with each request, such as `Authorization: Bearer ...`. They are never printed.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Timeout of one attempt, from connecting to the response head.
    pub timeout: Duration,
    /// Alerts below this severity are not sent.
    pub min_severity: Severity,
    /// Maximum alerts queued; beyond that the oldest is dropped.
    pub queue: usize,
    /// Maximum attempts per alert. The pause between attempts starts at half a second and doubles each time, up to a
    /// minute.
    pub attempts: u32,
    /// Pause after the first failed try; it doubles up to a minute.
    pub retry: Duration,
    /// File with additional certificate authorities, in PEM.
    pub ca_file: Option<PathBuf>,
}

impl WebhookConfig {
    /// A receiver with the defaults.
    #[must_use]
    pub const fn to(url: Uri) -> Self {
        Self {
            url,
            format: WebhookFormat::Json,
            headers: Vec::new(),
            timeout: Duration::from_secs(10),
            min_severity: Severity::Medium,
            queue: 1_024,
            attempts: 8,
            retry: Duration::from_millis(500),
            ca_file: None,
        }
    }
}

impl WebhookConfig {
    /// The TCP port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        port_of(&self.url)
    }
}

impl fmt::Debug for WebhookConfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("WebhookConfig").field("host", &self.url.host()).finish_non_exhaustive()
    }
}

pub(super) const ABOUT: &str = "An HTTP receiver of alerts; disabled without a `url`.";

const URL: Form<String> = Form {
    // The address may hold a secret, so it is not shown again.
    show: |_url| "...".to_owned(),
    ..Form::any("a URL with `http` or `https`", "https://alerts.example.org/hook")
};

const FORMATS: [(&str, &str); 8] = [
    ("json", "json"),
    ("slack", "slack"),
    ("teams", "teams"),
    ("pagerduty", "pagerduty"),
    ("alertmanager", "alertmanager"),
    ("ecs", "ecs"),
    ("ocsf", "ocsf"),
    ("otlp", "otlp"),
];

const ABOUT_ROUTING_KEY: &str = "Integration key of the PagerDuty service. It is never printed.";

const ROUTING_KEY: Form<String> = Form {
    // A secret, too.
    show: |_key| "...".to_owned(),
    ..Form::any("an integration key", "R0123456789ABCDEF0123456789ABCDE")
};

const HEADER: Form<(HeaderName, HeaderValue)> = Form {
    kind: "`Name: value`",
    example: "Authorization: Bearer ...",
    read: |text| parse_header(text).map_err(str::to_owned),
    show: |(name, _value)| format!("{name}: ..."),
};

fn read_format(webhook: &Section<'_>) -> WebhookFormat {
    webhook.explain_by(|key| (key == "routing_key").then(|| ABOUT_ROUTING_KEY.to_owned()));
    let (mut format, mut routing_key) = ("json", None);
    webhook.choice("format", &FORMATS, &mut format);
    webhook.optional("routing_key", &ROUTING_KEY, &mut routing_key);
    match (format, routing_key) {
        ("pagerduty", Some(routing_key)) => WebhookFormat::PagerDuty { routing_key },
        ("pagerduty", None) => {
            webhook.reject("format", "`pagerduty` needs the `routing_key` of a service");
            WebhookFormat::Json
        }
        // A key that the format does not need is no mistake: formats are tried one after the other.
        ("slack", _) => WebhookFormat::Slack,
        ("teams", _) => WebhookFormat::Teams,
        ("alertmanager", _) => WebhookFormat::Alertmanager,
        ("ecs", _) => WebhookFormat::Ecs,
        ("ocsf", _) => WebhookFormat::Ocsf,
        ("otlp", _) => WebhookFormat::Otlp,
        _ => WebhookFormat::Json,
    }
}

pub(super) fn read(webhook: Section<'_>) -> Option<WebhookConfig> {
    // Without the text in the message: it may hold a secret.
    let mut text = None;
    let mut config = WebhookConfig::to(Uri::default());
    webhook.explain::<WebhookConfig>();
    webhook.optional("url", &URL, &mut text);
    let url = text.map(|text| parse_url(&text));
    config.format = read_format(&webhook);
    webhook.list("headers", &HEADER, &mut config.headers);
    webhook.duration("timeout", Duration::from_millis(1), &mut config.timeout);
    let severities = Severity::ALL.map(|severity| (severity.label(), severity));
    webhook.choice("min_severity", &severities, &mut config.min_severity);
    webhook.integer("queue", 1..=65_536, &mut config.queue);
    webhook.integer("attempts", 1..=100, &mut config.attempts);
    webhook.optional("ca_file", &Form::path("/etc/sensor/webhook-ca.pem"), &mut config.ca_file);
    if let Some(path) = &config.ca_file
        && let Err(error) = tls::read_authorities(path)
    {
        webhook.reject("ca_file", error);
    }
    let config = match url {
        None => {
            for key in [
                "headers",
                "timeout",
                "min_severity",
                "queue",
                "attempts",
                "ca_file",
                "format",
                "routing_key",
            ] {
                webhook.reject(key, "the webhook needs `url`");
            }
            None
        }
        Some(Err(error)) => {
            webhook.reject("url", error);
            None
        }
        Some(Ok(url)) => Some(WebhookConfig { url, ..config }),
    };
    webhook.finish();
    config
}

fn parse_url(text: &str) -> Result<Uri, &'static str> {
    let url: Uri = text.parse().or(Err("expected a URL such as https://alerts.example.org/hook"))?;
    let authority =
        url.authority().ok_or("expected a URL with a host, such as https://alerts.example.org/hook")?;
    if !matches!(url.scheme_str(), Some("http" | "https")) {
        return Err("expected http:// or https://");
    }
    if authority.as_str().contains('@') {
        return Err("credentials belong in `headers`, as \"Authorization: Basic ...\"");
    }
    super::check_port(authority)?;
    Ok(url)
}

/// Headers that say how the request is framed, which is not for the configuration to say.
const OWN: [&str; 4] = ["host", "content-length", "transfer-encoding", "connection"];

/// `Name: value`. Errors do not repeat it: it may hold a secret.
fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    let (name, value) = text.split_once(':').ok_or("expected \"Name: value\"")?;
    let name: HeaderName = name.trim().parse().or(Err("invalid header name before the colon"))?;
    if OWN.contains(&name.as_str()) {
        return Err("this header is set by the sensor itself");
    }
    let mut value: HeaderValue = value.trim().parse().or(Err("invalid header value after the colon"))?;
    value.set_sensitive(true);
    Ok((name, value))
}
