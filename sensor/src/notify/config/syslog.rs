//! What the configuration says about the syslog server.

use std::path::PathBuf;
use std::time::Duration;

use documented::DocumentedFields;
use hyper::Uri;

use crate::config::{Form, Section};
use crate::detect::Severity;
use crate::notify::http::host_of;
use crate::notify::syslog::is_sd_name;
use crate::notify::tls;

/// How messages get to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TLS with octet counting (RFC 5425).
    Tls,
    /// TCP with octet counting (RFC 6587, section 3.4.1).
    Tcp,
    /// A datagram for each message (RFC 5426).
    Udp,
}

impl Transport {
    const ALL: [(&'static str, Self); 3] = [("tls", Self::Tls), ("tcp", Self::Tcp), ("udp", Self::Udp)];

    /// RFC 5425, section 4.1, and RFC 5426, section 3.3. TCP has no port of its own (RFC 6587, section 3.3): servers
    /// listen on that of UDP.
    const fn default_port(self) -> u16 {
        match self {
            Self::Tls => 6_514,
            Self::Tcp | Self::Udp => 514,
        }
    }
}

/// What stands in the message, behind the header and the structured data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyslogFormat {
    /// A line for people.
    #[default]
    Text,
    /// The record.
    Json,
    /// An event of the Elastic Common Schema.
    Ecs,
    /// A finding of the Open Cybersecurity Schema Framework.
    Ocsf,
}

/// Facilities of RFC 5424, section 6.2.1, that a daemon may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility(pub(in crate::notify) u8);

const FACILITIES: [(&str, Facility); 12] = [
    ("user", Facility(1)),
    ("daemon", Facility(3)),
    ("auth", Facility(4)),
    ("authpriv", Facility(10)),
    ("local0", Facility(16)),
    ("local1", Facility(17)),
    ("local2", Facility(18)),
    ("local3", Facility(19)),
    ("local4", Facility(20)),
    ("local5", Facility(21)),
    ("local6", Facility(22)),
    ("local7", Facility(23)),
];

/// A syslog server that gets alerts.
#[derive(Clone, Debug, PartialEq, DocumentedFields)]
pub struct SyslogConfig {
    /// Server to send alerts to, as RFC 5424 messages: `tls://HOST[:PORT]` (port 6514), `tcp://HOST[:PORT]` or
    /// `udp://HOST[:PORT]` (port 514). Over TLS and TCP, each message is preceded by its length. Under systemd, the unit's
    /// `IPAddressAllow=` must include its address.
    pub url: Uri,
    /// Text of messages: `text`, a line for people; `json`, the alert's record, and the incident's once it is over;
    /// `ecs`, an event of the Elastic Common Schema; `ocsf`, a Detection Finding. The structured data is the same with each.
    pub format: SyslogFormat,
    /// Facility of all messages. The severity follows that of the alert.
    pub facility: Facility,
    /// Name of the structured data: `NAME@NUMBER`, where the number is a private enterprise number. The default's is the
    /// one that RFC 5612 reserves for examples.
    pub sd_id: String,
    /// Longest message, in bytes. A longer one is sent without its examples of exchanges, and cut if that is not enough.
    pub max_bytes: usize,
    /// Timeout of one attempt, from connecting to the acknowledgement by the server's host.
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
    /// File with this host's certificate, in PEM, for a server that asks for one; needs `key_file`.
    pub cert_file: Option<PathBuf>,
    /// File with the key of `cert_file`, in PEM, readable by the daemon only.
    pub key_file: Option<PathBuf>,
}

impl SyslogConfig {
    /// A server with the defaults.
    #[must_use]
    pub fn to(url: Uri) -> Self {
        Self {
            url,
            format: SyslogFormat::Text,
            facility: Facility(16),
            sd_id: "sensor@32473".to_owned(),
            // What rsyslog takes by default.
            max_bytes: 8_192,
            timeout: Duration::from_secs(10),
            min_severity: Severity::Medium,
            queue: 1_024,
            attempts: 8,
            retry: Duration::from_millis(500),
            ca_file: None,
            cert_file: None,
            key_file: None,
        }
    }

    /// How messages get there.
    #[must_use]
    pub fn transport(&self) -> Transport {
        let known = Transport::ALL.iter().find(|(scheme, _)| self.url.scheme_str() == Some(scheme));
        known.map_or(Transport::Tls, |(_, transport)| *transport)
    }

    /// The server's name or address.
    #[must_use]
    pub fn host(&self) -> &str {
        host_of(&self.url)
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.url.port_u16().unwrap_or_else(|| self.transport().default_port())
    }

    /// The files with this host's certificate and its key.
    #[must_use]
    pub fn identity(&self) -> Option<tls::Identity<'_>> {
        Some(tls::Identity { cert: self.cert_file.as_deref()?, key: self.key_file.as_deref()? })
    }
}

pub(super) const ABOUT: &str = "A syslog server that gets alerts; disabled without a `url`.";

const URL: Form<String> = Form::any("a URL with `tls`, `tcp` or `udp`", "tls://logs.example.org:6514");

const SD_ID: Form<String> = Form {
    kind: "`NAME@NUMBER`",
    example: "sensor@12345",
    read: |text| check_sd_id(text).map(|()| text.to_owned()).map_err(str::to_owned),
    show: String::clone,
};

/// Keys that mean nothing without a server.
const OTHERS: [&str; 11] = [
    "format",
    "facility",
    "sd_id",
    "max_bytes",
    "timeout",
    "min_severity",
    "queue",
    "attempts",
    "ca_file",
    "cert_file",
    "key_file",
];

pub(super) fn read(section: Section<'_>) -> Option<SyslogConfig> {
    let mut text = None;
    let mut config = SyslogConfig::to(Uri::default());
    section.explain::<SyslogConfig>();
    section.optional("url", &URL, &mut text);
    let formats = [
        ("text", SyslogFormat::Text),
        ("json", SyslogFormat::Json),
        ("ecs", SyslogFormat::Ecs),
        ("ocsf", SyslogFormat::Ocsf),
    ];
    section.choice("format", &formats, &mut config.format);
    section.choice("facility", &FACILITIES, &mut config.facility);
    section.text("sd_id", &SD_ID, &mut config.sd_id);
    // RFC 5424, section 6.1, and the largest datagram.
    section.integer("max_bytes", 2_048..=65_507, &mut config.max_bytes);
    section.duration("timeout", Duration::from_millis(1), &mut config.timeout);
    let severities = Severity::ALL.map(|severity| (severity.label(), severity));
    section.choice("min_severity", &severities, &mut config.min_severity);
    section.integer("queue", 1..=65_536, &mut config.queue);
    section.integer("attempts", 1..=100, &mut config.attempts);
    section.optional("ca_file", &Form::path("/etc/sensor/syslog-ca.pem"), &mut config.ca_file);
    section.optional("cert_file", &Form::path("/etc/sensor/syslog.pem"), &mut config.cert_file);
    section.optional("key_file", &Form::path("/etc/sensor/syslog.key"), &mut config.key_file);
    let url = text.map(|text| parse_url(&text));
    let config = match url {
        None => {
            OTHERS.iter().for_each(|key| section.reject(key, "the syslog server needs `url`"));
            None
        }
        Some(Err(error)) => {
            section.reject("url", error);
            None
        }
        Some(Ok(url)) => {
            let config = SyslogConfig { url, ..config };
            check_files(&section, &config);
            Some(config)
        }
    };
    section.finish();
    config
}

fn check_files(section: &Section<'_>, config: &SyslogConfig) {
    if config.transport() != Transport::Tls {
        for key in ["ca_file", "cert_file", "key_file"] {
            section.reject(key, "only a `tls://` server has certificates");
        }
        return;
    }
    if let Some(path) = &config.ca_file
        && let Err(error) = tls::read_authorities(path)
    {
        section.reject("ca_file", error);
    }
    match (&config.cert_file, &config.key_file) {
        (Some(_), None) => section.reject("cert_file", "this certificate needs `key_file`"),
        (None, Some(_)) => section.reject("key_file", "this key needs `cert_file`"),
        (None, None) => {}
        (Some(cert), Some(key)) => {
            if let Err(error) = tls::read_authorities(cert) {
                section.reject("cert_file", error);
            } else if let Err(error) =
                tls::connector_as(config.ca_file.as_deref(), Some(tls::Identity { cert, key }))
            {
                section.reject("key_file", error);
            }
        }
    }
}

fn parse_url(text: &str) -> Result<Uri, &'static str> {
    let url: Uri = text.parse().or(Err("expected a URL such as tls://logs.example.org:6514"))?;
    let authority =
        url.authority().ok_or("expected a URL with a host, such as tls://logs.example.org:6514")?;
    if !Transport::ALL.iter().any(|(scheme, _)| url.scheme_str() == Some(scheme)) {
        return Err("expected tls://, tcp:// or udp://");
    }
    if authority.as_str().contains('@') {
        return Err("syslog has no users: expected a host, and a port");
    }
    super::check_port(authority)?;
    if url.path_and_query().is_some_and(|path| !matches!(path.as_str(), "" | "/")) {
        return Err("a syslog server has no path: expected a host, and a port");
    }
    Ok(url)
}

/// RFC 5424, section 6.3.2: a name that is not registered has a private enterprise number, which may have parts.
fn check_sd_id(text: &str) -> Result<(), &'static str> {
    let (_, number) = text.split_once('@').ok_or("expected NAME@NUMBER, with a private enterprise number")?;
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !number.split('.').all(is_number) {
        return Err("expected a private enterprise number behind the `@`");
    }
    // One more name, of the same number, has the evidence.
    let is_short = number.len() <= 22;
    if text.starts_with('@') || !is_sd_name(text) || !is_short {
        return Err("expected at most 32 printable characters, none of them a space, `=`, `]` or `\"`");
    }
    Ok(())
}
