//! What can be wrong, and how bad it is: closed sets, since they are labels of metrics.

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

/// A kind of attack or anomaly.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, DocumentedFields,
)]
#[serde(rename_all = "kebab-case")]
#[documented_fields(rename_all = "kebab-case")]
pub enum Threat {
    /// Many passwords tried on one account, from one client or many.
    BruteForce,
    /// One password tried on many accounts.
    PasswordSpraying,
    /// Many accounts tried, mostly failing: from one client, or from many that have something in common.
    CredentialStuffing,
    /// A login that succeeds during an attack on passwords.
    AccountTakeover,
    /// More requests than a route or the host usually sees.
    RateSpike,
    /// A larger share of errors (5xx) than a route or the host usually sees.
    ErrorSpike,
    /// Slower responses than a route or the host usually gives.
    LatencySpike,
    /// More requests from a client or principal than the configuration allows.
    RequestRate,
    /// Walking through identifiers under one route.
    Enumeration,
    /// Probing for missing or known vulnerable paths.
    Scanner,
    /// Holding connections open with messages that do not end.
    SlowAttack,
    /// Sending different copies of the same bytes, so that a sensor and the server read different requests.
    StreamEvasion,
    /// Attacking HTTP/2 itself: rapid resets, endless header blocks, floods of frames.
    #[serde(rename = "http2-abuse")]
    #[documented_fields(rename = "http2-abuse")]
    Http2Abuse,
    /// Injecting code into request values: SQL, shell commands, scripts, templates, paths.
    Injection,
    /// Forged or unsafe tokens, and sessions used from two places at once.
    TokenMisuse,
    /// Keys or credentials where others can read them.
    KeyExposure,
    /// Responses that disclose more than they should.
    DataExposure,
    /// GraphQL documents that are cheap to send and expensive to answer.
    Graphql,
    /// Requests and responses that break the configured OpenAPI document.
    Schema,
    /// Reading other people's objects: broken object level authorization.
    Bola,
    /// Using functions of a role that a principal does not have: broken function level authorization.
    Bfla,
    /// A route that required credentials answers without.
    Unauthenticated,
    /// Sending fields that a server must not take from clients: roles, owners, prices.
    MassAssignment,
    /// Running a business flow far more often than people do: sign-up, reset, coupons, payments, stock.
    BusinessFlow,
    /// So many packets, connections or bits that limits or blocks drop a large number of them.
    Flood,
}

impl Threat {
    /// All of them.
    pub const ALL: [Self; 25] = [
        Self::BruteForce,
        Self::PasswordSpraying,
        Self::CredentialStuffing,
        Self::AccountTakeover,
        Self::RateSpike,
        Self::ErrorSpike,
        Self::LatencySpike,
        Self::RequestRate,
        Self::Enumeration,
        Self::Scanner,
        Self::SlowAttack,
        Self::StreamEvasion,
        Self::Http2Abuse,
        Self::Injection,
        Self::TokenMisuse,
        Self::KeyExposure,
        Self::DataExposure,
        Self::Graphql,
        Self::Schema,
        Self::Bola,
        Self::Bfla,
        Self::Unauthenticated,
        Self::MassAssignment,
        Self::BusinessFlow,
        Self::Flood,
    ];

    /// The worst severity that its detector tells: only a login that succeeds is an attack that does.
    #[must_use]
    pub const fn worst(self) -> Severity {
        if matches!(self, Self::AccountTakeover) { Severity::Critical } else { Severity::High }
    }

    /// Whether its detector can name clients: spikes are of routes and the host, and an open route is
    /// nobody's fault who asks for it.
    #[must_use]
    pub const fn accuses(self) -> bool {
        !matches!(self, Self::RateSpike | Self::ErrorSpike | Self::LatencySpike | Self::Unauthenticated)
    }

    /// The mildest severity that its detector tells, of those that are alerts.
    #[must_use]
    pub const fn mildest(self) -> Severity {
        match self {
            Self::AccountTakeover => Severity::Critical,
            Self::Http2Abuse => Severity::High,
            Self::SlowAttack
            | Self::StreamEvasion
            | Self::Bola
            | Self::Bfla
            | Self::Unauthenticated
            | Self::MassAssignment
            | Self::BusinessFlow
            | Self::Flood => Severity::Medium,
            Self::BruteForce
            | Self::PasswordSpraying
            | Self::CredentialStuffing
            | Self::RateSpike
            | Self::ErrorSpike
            | Self::LatencySpike
            | Self::RequestRate
            | Self::Enumeration
            | Self::Scanner
            | Self::Injection
            | Self::TokenMisuse
            | Self::KeyExposure
            | Self::DataExposure
            | Self::Graphql
            | Self::Schema => Severity::Low,
        }
    }

    /// The slug of its detector in the configuration, in records and in metrics.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        match self {
            Self::BruteForce => "brute-force",
            Self::PasswordSpraying => "password-spraying",
            Self::CredentialStuffing => "credential-stuffing",
            Self::AccountTakeover => "account-takeover",
            Self::RateSpike => "rate-spike",
            Self::ErrorSpike => "error-spike",
            Self::LatencySpike => "latency-spike",
            Self::RequestRate => "request-rate",
            Self::Enumeration => "enumeration",
            Self::Scanner => "scanner",
            Self::SlowAttack => "slow-attack",
            Self::StreamEvasion => "stream-evasion",
            Self::Http2Abuse => "http2-abuse",
            Self::Injection => "injection",
            Self::TokenMisuse => "token-misuse",
            Self::KeyExposure => "key-exposure",
            Self::DataExposure => "data-exposure",
            Self::Graphql => "graphql",
            Self::Schema => "schema",
            Self::Bola => "bola",
            Self::Bfla => "bfla",
            Self::Unauthenticated => "unauthenticated",
            Self::MassAssignment => "mass-assignment",
            Self::BusinessFlow => "business-flow",
            Self::Flood => "flood",
        }
    }

    /// What it is: the doc comment of its variant.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        Self::get_field_docs(self.slug()).unwrap_or_default()
    }

    /// A number of what its incidents count, with the noun: `1 attempt`, `54546 packets`.
    #[must_use]
    pub fn counted(self, count: u64) -> String {
        let noun = match self {
            Self::BruteForce | Self::PasswordSpraying | Self::CredentialStuffing => "attempt",
            Self::AccountTakeover => "login",
            Self::RateSpike
            | Self::ErrorSpike
            | Self::LatencySpike
            | Self::RequestRate
            | Self::Enumeration
            | Self::Scanner
            | Self::Injection
            | Self::TokenMisuse
            | Self::Graphql
            | Self::Schema
            | Self::Bola
            | Self::Bfla
            | Self::MassAssignment
            | Self::BusinessFlow => "request",
            Self::SlowAttack => "connection",
            Self::StreamEvasion | Self::KeyExposure | Self::DataExposure | Self::Unauthenticated => {
                "exchange"
            }
            Self::Http2Abuse => "frame",
            Self::Flood => "packet",
        };
        counted(count, noun)
    }

    /// Its place in the OWASP API Security Top 10 of 2023.
    #[must_use]
    pub const fn owasp(self) -> &'static str {
        match self {
            Self::BruteForce
            | Self::PasswordSpraying
            | Self::CredentialStuffing
            | Self::AccountTakeover
            | Self::TokenMisuse
            | Self::Unauthenticated => "API2:2023",
            Self::RateSpike
            | Self::ErrorSpike
            | Self::LatencySpike
            | Self::RequestRate
            | Self::SlowAttack
            | Self::Http2Abuse
            | Self::Graphql
            | Self::Flood => "API4:2023",
            Self::DataExposure | Self::MassAssignment => "API3:2023",
            Self::Enumeration | Self::Bola => "API1:2023",
            Self::Bfla => "API5:2023",
            Self::BusinessFlow => "API6:2023",
            Self::Scanner => "API9:2023",
            Self::StreamEvasion | Self::Injection | Self::KeyExposure | Self::Schema => "API8:2023",
        }
    }
}

/// A count with its noun.
pub(super) fn counted(count: impl Into<u64>, noun: &str) -> String {
    let count = count.into();
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// How bad it is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, DocumentedFields,
)]
#[serde(rename_all = "lowercase")]
#[documented_fields(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look some day.
    Low,
    /// Worth a look today.
    Medium,
    /// An attack.
    High,
    /// An attack that succeeded.
    Critical,
}

impl Severity {
    /// All of them, the mildest first.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The word in records and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_records() {
        for threat in Threat::ALL {
            assert_eq!(serde_json::to_value(threat).unwrap(), threat.slug());
            assert!(threat.counted(1).starts_with("1 ") && threat.counted(2).ends_with('s'), "{threat:?}");
        }
        for severity in Severity::ALL {
            assert_eq!(serde_json::to_value(severity).unwrap(), severity.label());
        }
    }
}
