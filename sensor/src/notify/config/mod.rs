//! What the configuration says about the ways out.

mod deny_file;
mod syslog;
mod webhook;

use std::path::PathBuf;

pub use deny_file::{DenyConfig, DenyFormat, Include};
use documented::DocumentedFields;
use hyper::http::uri::Authority;
pub use syslog::{Facility, SyslogConfig, SyslogFormat, Transport};
pub use webhook::{WebhookConfig, WebhookFormat};

use crate::config::{Form, Section};

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

/// All ways out.
#[derive(Clone, Debug, Default, PartialEq, DocumentedFields)]
pub struct NotifyConfig {
    /// Where to write each alert as a line of JSON: `stdout`, the absolute path of a file, or `off`.
    pub output: Output,
    /// Over HTTP.
    pub webhook: Option<WebhookConfig>,
    /// To a syslog server.
    pub syslog: Option<SyslogConfig>,
    /// To a proxy.
    pub deny_file: Option<DenyConfig>,
}

impl NotifyConfig {
    /// Reads `[alerts]`.
    #[must_use]
    pub fn read(root: &Section<'_>) -> Self {
        let alerts = root.section("alerts").about(ABOUT);
        let mut output = Output::default();
        alerts.explain::<Self>();
        alerts.text("output", &OUTPUT, &mut output);
        let webhook = webhook::read(alerts.section("webhook").about(webhook::ABOUT));
        let syslog = syslog::read(alerts.section("syslog").about(syslog::ABOUT));
        let deny_file = deny_file::read(alerts.section("deny_file").about(deny_file::ABOUT));
        alerts.finish();
        Self { output, webhook, syslog, deny_file }
    }
}

/// Refuses what stands where the port does and is none: a URL may have any digits there.
///
/// # Errors
/// What was expected.
pub fn check_port(authority: &Authority) -> Result<(), &'static str> {
    let host = authority.host();
    let behind = authority.as_str().strip_prefix(host).unwrap_or_default();
    let has_port = authority.port_u16().is_some_and(|port| port > 0);
    if behind.is_empty() || has_port { Ok(()) } else { Err("expected a port from 1 to 65535") }
}

const ABOUT: &str = "Where alerts are sent, besides `sensor alerts`.";

const OUTPUT: Form<Output> = Form {
    kind: "`stdout`, an absolute path or `off`",
    example: "/var/log/sensor/alerts.jsonl",
    read: |text| match text {
        "off" => Ok(Output::Off),
        "stdout" => Ok(Output::Stdout),
        path if path.starts_with('/') => Ok(Output::File(path.into())),
        _ => Err("expected `stdout`, an absolute path or `off`".to_owned()),
    },
    show: |output| match output {
        Output::Off => "off".to_owned(),
        Output::Stdout => "stdout".to_owned(),
        Output::File(path) => path.display().to_string(),
    },
};
