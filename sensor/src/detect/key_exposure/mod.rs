//! `key-exposure`: keys and credentials where others can read them: in addresses, which end up in logs and histories
//! (RFC 9110, section 17.9; OWASP ASVS 5.0, 14.2.1), in answers, and on lines without encryption (RFC 6750, section 5.3; RFC 7617,
//! section 4).
//!
//! It is about routes: whoever sends a key in an address does as the application wants. It is told once a day for each
//! route and class, and names no offender.

use std::time::Duration;

use documented::DocumentedFields;

use super::posture::{Case, Posture};
use super::recent::Recent;
use super::signal::Sample;
use super::{Detector, Preset, Severity, Signal, Threat, Usage};
use crate::clock::Timestamp;
use crate::config::Section;
use crate::event::{Event, Exchange, LeakedPassword};
use crate::identity::KeyedHash;
use crate::inspect::{Finding, Kind, Side};

/// Thresholds.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Number of responses with a key of the same kind after which that is considered the route's purpose, such as
    /// issuing keys to their owners, and no longer reported. No preset changes it.
    pub usual: u32,
}

impl Config {
    /// The defaults of a preset.
    #[must_use]
    pub const fn of(_preset: Preset) -> Self {
        Self { usual: 50 }
    }

    /// Reads `[detect.key-exposure]`.
    #[must_use]
    pub fn read(section: &Section<'_>, preset: Preset) -> Self {
        let mut config = Self::of(preset);
        section.explain::<Self>();
        section.integer("usual", 1..=1_000_000, &mut config.usual);
        config
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::of(Preset::Balanced)
    }
}

/// How long a route is remembered.
const KEEP: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Routes and classes of answers that are remembered.
const ROUTES: u32 = 1_024;

/// The detector.
pub struct KeyExposure {
    config: Config,
    posture: Posture,
    usual: Recent<(u64, &'static str), u32>,
}

impl KeyExposure {
    /// A detector that has seen nothing.
    #[must_use]
    pub(super) fn new(config: &Config, seed: u64) -> Self {
        Self {
            config: config.clone(),
            posture: Posture::new(Threat::KeyExposure, seed),
            usual: Recent::new(ROUTES, KEEP, seed),
        }
    }

    fn exchange(&mut self, exchange: &Exchange<'_>, signals: &mut Vec<Signal>) {
        for finding in exchange.findings.iter().filter(|finding| finding.kind == Kind::KeyExposure) {
            if finding.side == Side::Response && self.is_usual(exchange, finding) {
                continue;
            }
            let Some((severity, says)) = judge(exchange, finding) else { continue };
            let case = Case {
                class: finding.class,
                rule: finding.rule,
                field: finding.name.text(),
                severity,
                confidence: finding.confidence.share(),
                says,
            };
            let signal = self.posture.note(exchange, case);
            let user = exchange.login.and_then(|login| login.user).filter(|_| finding.class == LEAKED.class);
            signals.extend(signal.map(|signal| with_account(signal, user)));
        }
    }

    /// A password was looked up after its exchange was told.
    fn leaked(&mut self, login: &LeakedPassword, signals: &mut Vec<Signal>) {
        let place = (login.route.as_deref(), login.ts, login.seen);
        let signal = self.posture.note_at(place, || Sample::of_leaked(login), LEAKED);
        signals.extend(signal.map(|signal| with_account(signal, login.user)));
    }

    /// Whether a route has given such keys before, again and again, in answer to requests that make something.
    fn is_usual(&mut self, exchange: &Exchange<'_>, finding: &Finding) -> bool {
        let is_made = matches!(exchange.method, Some("POST" | "PUT"));
        let route = self.usual.hash_of(exchange.route.unwrap_or_default().as_bytes());
        let most = self.config.usual;
        let Some(count) = self.usual.touch((route, finding.class), exchange.seen, || 0) else { return false };
        *count = count.saturating_add(1);
        is_made && *count > most && finding.class != "private-key"
    }
}

/// An account has a leaked password.
const LEAKED: Case<'static> = Case {
    class: "leaked",
    rule: "leaked-password",
    field: "",
    severity: Severity::Medium,
    confidence: 1.0,
    says: "lets in accounts whose passwords are in the list of leaked ones",
};

/// The first account of the day; the others are in the records of exchanges.
fn with_account(mut signal: Signal, user: Option<KeyedHash>) -> Signal {
    if let Some(user) = user {
        signal.evidence = signal.evidence.with("account", user.to_string().as_str());
    }
    signal
}

/// How bad it is, and what to say of the route.
fn judge(exchange: &Exchange<'_>, finding: &Finding) -> Option<(Severity, &'static str)> {
    let is_made = matches!(exchange.method, Some("POST" | "PUT"));
    let is_given = exchange.status.is_some_and(|status| status < 400);
    Some(match (finding.side, finding.class) {
        (Side::Response, "private-key") => (Severity::High, "returns a private key"),
        // Keys that are made for whoever asks are shown once, in the answer.
        (Side::Response, _) if is_made => {
            (Severity::Low, "returns a key to a request that may have created it")
        }
        (Side::Response, "cloud-key" | "code-token" | "payment-key") => {
            (Severity::High, "returns a service's key")
        }
        (Side::Response, "connection") => (Severity::High, "returns a connection string with a password"),
        (Side::Response, "chat-token") => (Severity::Medium, "returns a messaging service's token"),
        (Side::Response, _) => (Severity::Medium, "returns a field named like a secret"),
        // An address that nobody answers says something of whoever sends it, and nothing of the route.
        (Side::Request, "in-url") if is_given => {
            (Severity::Low, "accepts credentials in the URL, which logs keep")
        }
        (Side::Request, "in-referer") if is_given => {
            (Severity::Low, "receives credentials in Referer, from pages with credentials in their URL")
        }
        (Side::Request, "cleartext") if exchange.peer.is_some() || exchange.client.is_loopback() => {
            return None;
        }
        (Side::Request, "cleartext") if is_private(exchange) => {
            (Severity::Info, "accepts credentials over plain HTTP from private addresses")
        }
        (Side::Request, "cleartext") => (Severity::Medium, "accepts credentials over plain HTTP"),
        (Side::Request, "leaked") => (LEAKED.severity, LEAKED.says),
        (Side::Request, _) => return None,
    })
}

/// Behind a load balancer that ends TLS and is not configured, clients have its private address.
fn is_private(exchange: &Exchange<'_>) -> bool {
    match exchange.client {
        std::net::IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || v4.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        std::net::IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

impl Detector for KeyExposure {
    fn observe(&mut self, event: &Event<'_>, signals: &mut Vec<Signal>) {
        match event {
            Event::Exchange(exchange) if !exchange.findings.is_empty() => self.exchange(exchange, signals),
            Event::LeakedPassword(login) => self.leaked(login, signals),
            Event::Exchange(_) | Event::Held(_) | Event::Http2Abuse(_) => {}
        }
    }

    fn advance(&mut self, now: Timestamp, _signals: &mut Vec<Signal>) {
        self.posture.advance(now);
        self.usual.sweep(now, 16, |_, _| {});
    }

    fn usage(&self) -> Usage {
        self.posture.usage().and(self.usual.usage())
    }
}

#[cfg(test)]
mod tests;
