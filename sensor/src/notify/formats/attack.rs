//! Techniques of MITRE ATT&CK (Enterprise, version 16), for the detectors that find one. The others find consequences
//! (spikes), mistakes of the server, or what ATT&CK has no technique for.

use crate::detect::Threat;

/// A technique, the tactic that it serves, and a variant of the technique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Technique {
    pub(super) tactic: (&'static str, &'static str),
    pub(super) technique: (&'static str, &'static str),
    pub(super) variant: Option<(&'static str, &'static str)>,
}

const RECONNAISSANCE: (&str, &str) = ("TA0043", "Reconnaissance");
const INITIAL_ACCESS: (&str, &str) = ("TA0001", "Initial Access");
const CREDENTIAL_ACCESS: (&str, &str) = ("TA0006", "Credential Access");
const LATERAL_MOVEMENT: (&str, &str) = ("TA0008", "Lateral Movement");
const IMPACT: (&str, &str) = ("TA0040", "Impact");

const BRUTE_FORCE: (&str, &str) = ("T1110", "Brute Force");

pub(super) const fn of(threat: Threat) -> Option<Technique> {
    let (tactic, technique, variant) = match threat {
        Threat::BruteForce => (CREDENTIAL_ACCESS, BRUTE_FORCE, Some(("T1110.001", "Password Guessing"))),
        Threat::PasswordSpraying => {
            (CREDENTIAL_ACCESS, BRUTE_FORCE, Some(("T1110.003", "Password Spraying")))
        }
        Threat::CredentialStuffing => {
            (CREDENTIAL_ACCESS, BRUTE_FORCE, Some(("T1110.004", "Credential Stuffing")))
        }
        Threat::AccountTakeover => (INITIAL_ACCESS, ("T1078", "Valid Accounts"), None),
        Threat::Scanner => {
            (RECONNAISSANCE, ("T1595", "Active Scanning"), Some(("T1595.002", "Vulnerability Scanning")))
        }
        Threat::Injection => (INITIAL_ACCESS, ("T1190", "Exploit Public-Facing Application"), None),
        Threat::TokenMisuse => (
            LATERAL_MOVEMENT,
            ("T1550", "Use Alternate Authentication Material"),
            Some(("T1550.001", "Application Access Token")),
        ),
        Threat::SlowAttack | Threat::Http2Abuse | Threat::Graphql => (
            IMPACT,
            ("T1499", "Endpoint Denial of Service"),
            Some(("T1499.003", "Application Exhaustion Flood")),
        ),
        Threat::Flood => {
            (IMPACT, ("T1498", "Network Denial of Service"), Some(("T1498.001", "Direct Network Flood")))
        }
        Threat::RateSpike
        | Threat::ErrorSpike
        | Threat::LatencySpike
        | Threat::RequestRate
        | Threat::Enumeration
        | Threat::StreamEvasion
        | Threat::KeyExposure
        | Threat::DataExposure
        | Threat::Schema
        | Threat::Bola
        | Threat::Bfla
        | Threat::Unauthenticated
        | Threat::MassAssignment
        | Threat::BusinessFlow => return None,
    };
    Some(Technique { tactic, technique, variant })
}
