//! What is wrong with routes whoever asks, ranked, each with evidence and remedy.

mod class;
mod rules;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(super) use class::Class;
pub(super) use rules::is_leak;

use super::fact::Times;
use super::report::Ask;
use super::row::Row;
use crate::clock::Timestamp;

/// Places of a finding that are told; the rest is counted.
const MAX_PLACES: usize = 100;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Worth knowing.
    Info,
    /// Good practice is missing.
    Low,
    /// It helps an attack.
    Medium,
    /// An attack on it needs little.
    High,
    /// Secrets are open to whoever can see or ask.
    Critical,
}

impl Risk {
    /// The word in records.
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

/// Where something is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The method.
    pub method: String,
    /// The template.
    pub route: String,
    /// How bad it is here.
    pub risk: Risk,
    /// What was seen, with numbers.
    pub evidence: String,
    /// When first.
    pub first_seen: Timestamp,
    /// When last.
    pub last_seen: Timestamp,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// A stable slug.
    pub class: String,
    /// The worst of its places.
    pub risk: Risk,
    /// A short sentence.
    pub title: String,
    /// Of the OWASP API Security Top 10, such as `API2:2023`.
    pub owasp: String,
    /// What to do.
    pub remedy: String,
    /// The worst first.
    pub places: Vec<Place>,
    /// Places that are not told.
    pub more: usize,
}

/// Takes what a rule tells of a row.
pub(super) type Tell<'t> = dyn FnMut(Class, Risk, String, Times) + 't;

/// Judges all rows, in the order of their templates.
pub(super) fn judge(rows: &[Cow<'_, Row>], ask: &Ask<'_>) -> Vec<Finding> {
    let site = rules::Site::of(rows);
    let mut found: BTreeMap<Class, Vec<Place>> = BTreeMap::new();
    for row in rows {
        rules::judge(row, &site, ask, &mut |class, risk, evidence, times: Times| {
            found.entry(class).or_default().push(Place {
                method: row.method.to_string(),
                route: row.route.to_string(),
                risk,
                evidence,
                first_seen: times.first.timestamp(),
                last_seen: times.last.timestamp(),
            });
        });
    }
    rules::unseen(rows, ask, &mut |place| found.entry(Class::Unseen).or_default().push(place));
    let mut findings: Vec<Finding> =
        found.into_iter().map(|(class, places)| finding(class, places)).collect();
    findings
        .sort_by_key(|finding| Reverse((finding.risk, finding.places.len().saturating_add(finding.more))));
    findings
}

fn finding(class: Class, mut places: Vec<Place>) -> Finding {
    places.sort_by_key(|place| Reverse(place.risk));
    let more = places.len().saturating_sub(MAX_PLACES);
    places.truncate(MAX_PLACES);
    Finding {
        class: class.label().to_owned(),
        risk: places.first().map_or(Risk::Info, |place| place.risk),
        title: class.title().to_owned(),
        owasp: class.owasp().to_owned(),
        remedy: class.remedy().to_owned(),
        places,
        more,
    }
}
