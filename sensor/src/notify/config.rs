//! What the configuration says about the ways out.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};

use super::webhook;
use crate::config::Section;
use crate::detect::Severity;

/// Where alert lines go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// Nowhere.
    #[default]
    Off,
    /// To the standard output.
    Stdout,
    /// To the end of a file.
    File(PathBuf),
}

/// A receiver of alerts over HTTP. Its address and headers may hold secrets, so neither is printed.
#[derive(Clone, PartialEq)]
pub struct WebhookConfig {
    /// Where alerts are sent to.
    pub url: Uri,
    /// Headers of each request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The longest time for one try, from the connection to the head of the answer.
    pub timeout: Duration,
    /// Milder alerts are not sent.
    pub min_severity: Severity,
    /// Most alerts that wait; beyond it the oldest is dropped.
    pub queue: usize,
    /// Most tries for one alert.
    pub attempts: u32,
    /// Pause after the first failed try; it doubles up to [`WebhookConfig::MAX_RETRY`].
    pub retry: Duration,
    /// Certificate authorities besides those of the system, as PEM.
    pub ca_file: Option<PathBuf>,
}

impl WebhookConfig {
    /// Longest pause between two tries.
    pub const MAX_RETRY: Duration = Duration::from_secs(60);

    /// A receiver with the defaults.
    #[must_use]
    pub const fn to(url: Uri) -> Self {
        Self {
            url,
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

impl fmt::Debug for WebhookConfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("WebhookConfig").field("host", &self.url.host()).finish_non_exhaustive()
    }
}

/// How clients stand in the deny file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DenyFormat {
    /// `deny 192.0.2.7;`, for an `include` in a `server` block of nginx.
    #[default]
    Nginx,
    /// For `acl NAME src -f FILE` of HAProxy: prefixes, one a line, with a comment.
    Haproxy,
    /// Prefixes, one a line, and nothing else.
    Plain,
}

/// Which clients stand in the deny file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Include {
    /// Those behind a trusted proxy, whom the kernel cannot block.
    #[default]
    Proxied,
    /// Those that the kernel blocks, too.
    All,
}

/// A file of clients to deny.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DenyConfig {
    /// Where.
    pub path: PathBuf,
    /// How.
    pub format: DenyFormat,
    /// Who.
    pub include: Include,
    /// Most clients; beyond it the one whose time ends first goes.
    pub max_entries: usize,
}

impl DenyConfig {
    /// A file with the defaults.
    #[must_use]
    pub const fn to(path: PathBuf) -> Self {
        Self { path, format: DenyFormat::Nginx, include: Include::Proxied, max_entries: 10_000 }
    }
}

/// All ways out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NotifyConfig {
    /// Of alert lines.
    pub output: Output,
    /// Over HTTP.
    pub webhook: Option<WebhookConfig>,
    /// To a proxy.
    pub deny_file: Option<DenyConfig>,
}

impl NotifyConfig {
    /// Reads `[alerts]`.
    #[must_use]
    pub fn read(root: &Section<'_>) -> Self {
        let alerts = root.section("alerts");
        let output = alerts.parsed("output", |text| match text {
            "off" => Ok(Output::Off),
            "stdout" => Ok(Output::Stdout),
            path if path.starts_with('/') => Ok(Output::File(path.into())),
            _ => Err("expected `stdout`, an absolute path or `off`"),
        });
        let webhook = read_webhook(alerts.section("webhook"));
        let deny_file = read_deny_file(alerts.section("deny_file"));
        alerts.finish();
        Self { output: output.unwrap_or_default(), webhook, deny_file }
    }
}

fn read_webhook(webhook: Section<'_>) -> Option<WebhookConfig> {
    // Without the text in the message: it may hold a secret.
    let text = webhook.parsed("url", |text| Ok::<_, String>(text.to_owned()));
    let url = text.map(|text| parse_url(&text));
    let mut config = WebhookConfig::to(Uri::default());
    set(&mut config.headers, webhook.list("headers", parse_header));
    set(&mut config.timeout, webhook.duration("timeout").filter(|timeout| !timeout.is_zero()));
    set(&mut config.min_severity, webhook.parsed("min_severity", parse_severity));
    set(&mut config.queue, webhook.integer("queue", 1..=65_536).map(wide));
    set(&mut config.attempts, webhook.integer("attempts", 1..=100));
    config.ca_file = webhook.path("ca_file");
    if let Some(path) = &config.ca_file
        && let Err(error) = webhook::read_authorities(path)
    {
        webhook.reject("ca_file", error);
    }
    let config = match url {
        None => {
            for key in ["headers", "timeout", "min_severity", "queue", "attempts", "ca_file"] {
                webhook.reject(key, "without `url` there is no webhook");
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

fn read_deny_file(section: Section<'_>) -> Option<DenyConfig> {
    let path = section.path("path");
    let format = section.parsed("format", |text| match text {
        "nginx" => Ok(DenyFormat::Nginx),
        "haproxy" => Ok(DenyFormat::Haproxy),
        "plain" => Ok(DenyFormat::Plain),
        _ => Err("expected `nginx`, `haproxy` or `plain`"),
    });
    let include = section.parsed("include", |text| match text {
        "proxied" => Ok(Include::Proxied),
        "all" => Ok(Include::All),
        _ => Err("expected `proxied` or `all`"),
    });
    let max_entries = section.integer("max_entries", 1..=1_000_000).map(wide);
    if path.is_none() {
        for key in ["format", "include", "max_entries"] {
            section.reject(key, "without `path` there is no deny file");
        }
    }
    section.finish();
    let mut config = DenyConfig::to(path?);
    set(&mut config.format, format);
    set(&mut config.include, include);
    set(&mut config.max_entries, max_entries);
    Some(config)
}

fn parse_url(text: &str) -> Result<Uri, &'static str> {
    let url: Uri = text.parse().or(Err("no URL; expected one such as https://alerts.example.org/hook"))?;
    let authority =
        url.authority().ok_or("expected a URL with a host, such as https://alerts.example.org/hook")?;
    if !matches!(url.scheme_str(), Some("http" | "https")) {
        return Err("expected http:// or https://");
    }
    if authority.as_str().contains('@') {
        return Err("credentials belong into `headers`, as \"Authorization: Basic ...\"");
    }
    Ok(url)
}

/// Headers that say how the request is framed, which is not for the configuration to say.
const OWN: [&str; 4] = ["host", "content-length", "transfer-encoding", "connection"];

/// `Name: value`. Errors do not repeat it: it may hold a secret.
fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    let (name, value) = text.split_once(':').ok_or("expected \"Name: value\"")?;
    let name: HeaderName = name.trim().parse().or(Err("no name of a header before the colon"))?;
    if OWN.contains(&name.as_str()) {
        return Err("this header is set by the sensor itself");
    }
    let mut value: HeaderValue = value.trim().parse().or(Err("no value of a header behind the colon"))?;
    value.set_sensitive(true);
    Ok((name, value))
}

fn parse_severity(text: &str) -> Result<Severity, String> {
    let known = || Severity::ALL.map(Severity::label).join(", ");
    let found = Severity::ALL.into_iter().find(|severity| severity.label() == text);
    found.ok_or_else(|| format!("expected one of {}", known()))
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn wide(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
