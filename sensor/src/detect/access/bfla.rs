//! `bfla`: a principal uses functions of a role that it does not have, or is refused one after another (OWASP API5:2023,
//! "Broken Function Level Authorization"; CWE-285).
//!
//! A function is a method of a template. It belongs to a role if at most one in twenty principals uses it and most of these
//! have other such functions in common. Being served one without the others is told after an hour, in which a new
//! administrator loads the pages around it; at once, and with severity high, after three refusals. What many are refused,
//! since their pages ask for it, is none, and neither is a function younger than `detect.bola.learn_days`.

use documented::DocumentedFields;

use super::counted;
use super::known::{Misuse, Trespass};
use crate::clock::Timestamp;
use crate::config::Section;
use crate::detect::{Evidence, Growth, Offender, Preset, Sample, Severity, Signal, Subject, Threat};
use crate::identity::KeyedHash;

/// Thresholds.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Functions of roles that a principal is refused within seven days, each counted once; twice as many are severity
    /// high. People who follow a link that is not for them are refused one or two.
    pub refused: u32,
}

impl Config {
    /// The defaults of a preset.
    #[must_use]
    pub fn of(preset: Preset) -> Self {
        Self { refused: preset.scaled(4) }
    }

    /// Reads `[detect.bfla]`.
    #[must_use]
    pub fn read(section: &Section<'_>, preset: Preset) -> Self {
        let mut config = Self::of(preset);
        section.explain::<Self>();
        section.integer("refused", 2..=6, &mut config.refused);
        config
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::of(Preset::Balanced)
    }
}

/// Words of templates that are an administration's.
const WORDS: [&str; 8] =
    ["admin", "internal", "manage", "staff", "backoffice", "debug", "impersonate", "config"];

/// Whether a function changes something, or is an administration's by its name.
pub(super) fn is_powerful(method: Option<&str>, route: &str) -> bool {
    !matches!(method, Some("GET" | "HEAD")) || WORDS.iter().any(|word| route.contains(word))
}

/// What is remembered of the request that led to a case.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) principal: KeyedHash,
    pub(super) offender: Option<Offender>,
    pub(super) sample: Sample,
}

/// The alert of a case.
pub(super) fn signal(case: &Trespass, seen: &Seen, now: Timestamp) -> Signal {
    let subject = Subject::Principal(seen.principal);
    let method = seen.sample.method.as_deref().unwrap_or("a method");
    let function = format!("{method} {}", seen.sample.route.as_deref().unwrap_or("{other}"));
    let of = format!("which {} of {} principals use", case.users, case.principals);
    let refused = counted(case.refused, "function");
    let summary = match case.misuse {
        Misuse::Refused => {
            format!("{subject} was refused {refused} that few use, the last of them {function}")
        }
        Misuse::Served if case.refused > 0 => {
            format!("{subject} was served {function}, {of}, after it was refused {refused}")
        }
        Misuse::Served => {
            format!("{subject} was served {function}, {of}, and uses nothing else of what they use")
        }
    };
    let is_high = case.severity >= Severity::High;
    Signal {
        at: now,
        threat: Threat::Bfla,
        severity: case.severity,
        confidence: if is_high { 0.85 } else { 0.6 },
        subject,
        offenders: seen.offender.filter(|_| is_high).into_iter().collect(),
        summary,
        evidence: Evidence::default()
            .with("function", function.as_str())
            .with("users", u64::from(case.users))
            .with("principals", u64::from(case.principals))
            .with("refused_functions", u64::from(case.refused))
            .showing([seen.sample.clone()]),
        window: (seen.sample.ts, now),
        decided: None,
        growth: Growth { attempts: 1, by: Vec::new() },
    }
}
