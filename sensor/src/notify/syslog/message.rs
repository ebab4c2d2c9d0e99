//! Messages of RFC 5424. Clients have invented parts of what they say, so nothing of it can end a value, an element or a
//! message: control characters are escaped as everywhere ([`printable`]), and then what structured data escapes.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::decide::{About, Alert, Incident};
use crate::detect::{Evidence, Number, Severity};
use crate::notify::config::{SyslogConfig, SyslogFormat};
use crate::notify::formats;
use crate::notify::news::{Facts, News};
use crate::printable::{printable, to_json};

/// Writes the messages of one server.
#[derive(Debug)]
pub(in crate::notify) struct Writer {
    facility: u8,
    /// As this host calls itself.
    host: String,
    /// From the host name to the process.
    origin: String,
    sd_id: String,
    evidence_id: String,
    format: SyslogFormat,
    max_bytes: usize,
    /// Of the last message. Gaps tell the reader that messages were lost.
    sequence: AtomicU32,
}

/// Greatest number of a message; the next one is 1 (RFC 5424, section 7.3.1).
const MAX_SEQUENCE: u32 = 0x7fff_ffff;
/// Longest host name (RFC 5424, section 6).
const MAX_HOST: usize = 255;
/// Longest value of structured data, in bytes: longer than any of ours that is not a client's.
const MAX_VALUE: usize = 512;
/// Longest value in a message that would not fit otherwise: all parameters, the names and the header fit in 2,048 bytes,
/// which every server takes (RFC 5424, section 6.1).
const SHORT_VALUE: usize = 48;
/// Maximum parameters of evidence; detectors give fewer.
const MAX_EVIDENCE: usize = 48;
/// Longest name of a parameter, or of an element (RFC 5424, section 6).
const MAX_NAME: usize = 32;

impl Writer {
    pub(in crate::notify) fn new(config: &SyslogConfig, host: &str) -> Self {
        let word: String = host.chars().filter(char::is_ascii_graphic).take(MAX_HOST).collect();
        let word = if word.is_empty() { "-" } else { &word };
        let (_, number) = config.sd_id.split_once('@').unwrap_or_default();
        Self {
            facility: config.facility.0,
            host: host.to_owned(),
            origin: format!("{word} sensor {}", std::process::id()),
            sd_id: config.sd_id.clone(),
            evidence_id: format!("evidence@{number}"),
            format: config.format,
            max_bytes: config.max_bytes,
            sequence: AtomicU32::new(0),
        }
    }

    /// A message.
    ///
    /// # Errors
    /// If the record has no JSON form, which does not happen.
    pub(in crate::notify) fn message(&self, news: News<'_>) -> Result<Vec<u8>, serde_json::Error> {
        let next = |last: u32| Some(if last >= MAX_SEQUENCE { 1 } else { last.saturating_add(1) });
        // The closure always gives a number.
        let number =
            self.sequence.fetch_update(Relaxed, Relaxed, next).map_or(1, |last| next(last).unwrap_or(1));
        let evidence = element(&self.evidence_id, evidence(&news.facts()), MAX_VALUE);
        let head = format!("{}{evidence}", self.head(news, number, MAX_VALUE));
        for text in [self.text(news)?, self.text_without_examples(news)?] {
            let message = joined(&head, &text);
            if message.len() <= self.max_bytes {
                return Ok(message);
            }
        }
        let head = self.head(news, number, SHORT_VALUE);
        let mut message = joined(&head, &self.text_without_examples(news)?);
        message.truncate(self.max_bytes);
        // Not in the midst of a character.
        if let Err(error) = std::str::from_utf8(&message) {
            message.truncate(error.valid_up_to());
        }
        Ok(message)
    }

    /// Header and structured data, without evidence.
    fn head(&self, news: News<'_>, number: u32, longest: usize) -> String {
        let priority = u32::from(self.facility).saturating_mul(8).saturating_add(severity(news.severity()));
        let facts = news.facts();
        let message_id = if facts.incident.is_none() { "alert" } else { "incident" };
        let own = element(&self.sd_id, parameters(&facts), longest);
        format!(
            "<{priority}>1 {} {} {message_id} [meta sequenceId=\"{number}\"][origin software=\"sensor\" swVersion=\"{}\"]{own}",
            facts.at,
            self.origin,
            env!("CARGO_PKG_VERSION"),
        )
    }

    fn text(&self, news: News<'_>) -> Result<String, serde_json::Error> {
        match self.format {
            SyslogFormat::Text => Ok(format!("{}: {}", news.headline(), news.text())),
            SyslogFormat::Json => Ok(ascii(&news.record()?)),
            SyslogFormat::Ecs => Ok(ascii(&to_json(&formats::ecs(&self.host, news))?)),
            SyslogFormat::Ocsf => Ok(ascii(&to_json(&formats::ocsf(&self.host, news))?)),
        }
    }

    /// The same for a record whose examples are left out.
    fn text_without_examples(&self, news: News<'_>) -> Result<String, serde_json::Error> {
        let bare = |evidence: &Evidence| Evidence { exchanges: Vec::new(), ..evidence.clone() };
        match news {
            News::Alert(alert) => {
                self.text(News::Alert(&Alert { evidence: bare(&alert.evidence), ..alert.clone() }))
            }
            News::Open(incident, at) => self.text(News::Open(&without(incident, bare), at)),
            News::Over(incident) => self.text(News::Over(&without(incident, bare))),
        }
    }
}

fn without(incident: &Incident, bare: impl Fn(&Evidence) -> Evidence) -> Incident {
    Incident { evidence: bare(&incident.evidence), offenders: Vec::new(), ..incident.clone() }
}

/// Numbers of RFC 5424, section 6.2.1.
const fn severity(severity: Severity) -> u32 {
    match severity {
        Severity::Critical => 2,
        Severity::High => 3,
        Severity::Medium => 4,
        Severity::Low => 5,
        Severity::Info => 6,
    }
}

/// The text behind the head; with the mark that tells that it is UTF-8, where it is not ASCII (RFC 5424, section 6.4).
fn joined(head: &str, text: &str) -> Vec<u8> {
    let mark = if text.is_ascii() { "" } else { "\u{feff}" };
    format!("{head} {mark}{text}").into_bytes()
}

/// JSON that needs no mark, which readers of JSON refuse (RFC 8259, section 8.1). Outside strings it is ASCII anyway.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

type Parameter<'a> = (Cow<'a, str>, Cow<'a, str>);

/// What the text says, for programs: keys and values of the record.
fn parameters<'a>(facts: &Facts<'a>) -> Vec<Parameter<'a>> {
    let mut found: Vec<Parameter<'a>> = Vec::new();
    let mut add = |name: &'static str, value: Cow<'a, str>| found.push((name.into(), value));
    add("id", facts.id.to_string().into());
    add("detector", facts.detector.slug().into());
    add("severity", facts.severity.label().into());
    add("confidence", shown(facts.confidence).into());
    add("start", facts.start.to_string().into());
    add("end", facts.end.to_string().into());
    if let Some(incident) = facts.incident {
        add("state", incident.state.label().into());
    }
    for (name, count) in facts.counts() {
        add(name, count.to_string().into());
    }
    add("owasp", facts.owasp.into());
    match facts.about {
        About::Client(client) => add("client", client.to_string().into()),
        About::Subject(subject) => add("subject", subject.into()),
    }
    add("action", facts.action.label().into());
    if let Some(until) = facts.until {
        add("until", until.to_string().into());
    }
    if let Some(reason) = facts.reason {
        add("reason_no_action", reason.into());
    }
    found
}

/// As JSON has it: `1.0`.
fn shown(ratio: f64) -> String {
    format!("{ratio:?}")
}

fn evidence<'a>(facts: &Facts<'a>) -> Vec<Parameter<'a>> {
    let numbers = facts.evidence.numbers.iter().take(MAX_EVIDENCE);
    numbers
        .map(|(name, number)| {
            let value = match number {
                Number::Count(count) => count.to_string().into(),
                Number::Ratio(ratio) => shown(*ratio).into(),
                Number::Text(text) => text.into(),
            };
            (name.into(), value)
        })
        .collect()
}

/// One element; nothing, where there is nothing to say.
fn element(id: &str, parameters: Vec<Parameter<'_>>, longest: usize) -> String {
    if parameters.is_empty() {
        return String::new();
    }
    let mut text = format!("[{id}");
    for (name, value) in parameters {
        text.push(' ');
        // Names are ours, except in records that something else wrote to the store.
        text.extend(
            name.chars().filter(|c| c.is_ascii() && is_sd_name(c.encode_utf8(&mut [0; 4]))).take(MAX_NAME),
        );
        text.push_str("=\"");
        push_value(&mut text, &value, longest);
        text.push('"');
    }
    text.push(']');
    text
}

/// RFC 5424, section 6.3.3: a backslash before each `"`, `\` and `]`. Cut before the first character that does not fit.
fn push_value(text: &mut String, value: &str, longest: usize) {
    let start = text.len();
    for c in value.chars() {
        let shown = printable(c.encode_utf8(&mut [0; 4]));
        let before = text.len();
        for c in shown.chars() {
            if matches!(c, '"' | '\\' | ']') {
                text.push('\\');
            }
            text.push(c);
        }
        if text.len().saturating_sub(start) > longest {
            return text.truncate(before);
        }
    }
}

/// Whether a text is an `SD-NAME` (RFC 5424, section 6).
pub(in crate::notify) fn is_sd_name(text: &str) -> bool {
    let is_odd = |c: char| !c.is_ascii_graphic() || matches!(c, '=' | ']' | '"');
    (1..=MAX_NAME).contains(&text.len()) && !text.contains(is_odd)
}
