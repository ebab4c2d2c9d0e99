//! `bola`: a principal is given objects that belong to others (OWASP API1:2023, "Broken Object Level Authorization";
//! CWE-639).
//!
//! [`super::known`] counts strangers, those whose objects a principal was given and had not met before, in a week. A week
//! is told where it has more than the threshold, more than `times_usual` what 99 of 100 principals under the template
//! reach, and, for those who roam as a rule, three times their habit. It is medium; high with signs of an attack (numbers
//! in sequence, guesses that miss, a parameter twice), or twice the limit by somebody without a role of its own. Refused
//! objects of a week are counted likewise.
//!
//! Left alone: templates most of whose objects are everybody's; what more than three principals read, or anybody without
//! credentials; colleagues, who read each other's; whoever did it while it was learned what is usual, or uses functions
//! that mostly such principals use; a template under which many begin at once.

use documented::DocumentedFields;

use super::known::{Bounds, Case, Limits, Why};
use crate::config::Section;
use crate::detect::{Evidence, Growth, Offender, Preset, Sample, Severity, Signal, Subject, Threat};
use crate::event::Exchange;
use crate::identity::KeyedHash;
use crate::inspect::Confidence;

/// Thresholds.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Strangers whose objects a principal is given within seven days. The default is five a day: more than people share
    /// documents with.
    pub strangers: u32,
    /// Different objects that a principal is refused within seven days, those that never existed included where they can
    /// be guessed.
    pub refused: u32,
    /// Multiple of what 99 of 100 principals reach under the same template. No preset changes it.
    pub times_usual: u32,
    /// Days from which it is learned what is usual, and who reads objects of others as a rule. No preset changes it.
    pub learn_days: u32,
    /// Maximum objects whose owners are remembered, at 24 bytes each.
    pub objects: u32,
    /// Maximum principals remembered, at 75 bytes each.
    pub principals: u32,
    /// Maximum pairs of a principal and a template remembered, at 170 bytes each: those with objects of others, or
    /// refusals.
    pub pairs: u32,
}

impl Config {
    /// The defaults of a preset.
    #[must_use]
    pub fn of(preset: Preset) -> Self {
        Self {
            strangers: preset.scaled(35),
            refused: preset.scaled(50),
            times_usual: 3,
            learn_days: 7,
            objects: 1 << 20,
            principals: 1 << 17,
            pairs: 1 << 17,
        }
    }

    /// Reads `[detect.bola]`.
    #[must_use]
    pub fn read(section: &Section<'_>, preset: Preset) -> Self {
        let mut config = Self::of(preset);
        section.explain::<Self>();
        section.integer("strangers", 2..=10_000, &mut config.strangers);
        section.integer("refused", 2..=10_000, &mut config.refused);
        section.integer("times_usual", 1..=100, &mut config.times_usual);
        section.integer("learn_days", 1..=365, &mut config.learn_days);
        section.integer("objects", 1_024..=67_108_864, &mut config.objects);
        section.integer("principals", 1_024..=16_777_216, &mut config.principals);
        section.integer("pairs", 1_024..=16_777_216, &mut config.pairs);
        config
    }

    pub(super) fn limits(&self, functions: u32) -> Limits {
        Limits {
            strangers: self.strangers,
            refused: self.refused,
            times_usual: self.times_usual,
            functions,
            learn: u16::try_from(self.learn_days).unwrap_or(u16::MAX),
        }
    }

    pub(super) const fn bounds(&self) -> Bounds {
        Bounds { objects: self.objects, people: self.principals, pairs: self.pairs }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::of(Preset::Balanced)
    }
}

/// The alert of a case.
pub(super) fn signal(
    case: &Case,
    principal: KeyedHash,
    offenders: Vec<Offender>,
    exchange: &Exchange<'_>,
) -> Signal {
    let subject = Subject::Principal(principal);
    let route: String = exchange.route.unwrap_or_default().chars().take(128).collect();
    let how = match (case.is_sequence, case.polluted >= 3) {
        (true, _) => ", one number after the other",
        (false, true) => ", with parameters sent twice",
        (false, false) => "",
    };
    let days = super::counted(case.days, "day");
    let summary = match case.why {
        Why::Strangers => format!(
            "{subject} read objects of {} other principals under {route} within a week, on {days}{how}; at most {} is usual",
            case.strangers, case.usual
        ),
        Why::Refused => format!(
            "{subject} was refused {} objects under {route} within a week, on {days}{how}, {} of them of other principals",
            case.refused, case.of_others
        ),
    };
    let severity: Severity = case.severity;
    Signal {
        at: exchange.seen,
        threat: Threat::Bola,
        severity,
        confidence: Confidence::percent(case.confidence).share(),
        subject,
        offenders: if severity >= Severity::High { offenders } else { Vec::new() },
        summary,
        evidence: evidence(case, &route, exchange),
        window: (exchange.seen.minus(WEEK), exchange.seen),
        decided: None,
        growth: Growth::default(),
    }
}

/// What the alert of a case shows.
fn evidence(case: &Case, route: &str, exchange: &Exchange<'_>) -> Evidence {
    let (refused, strangers) = match case.why {
        Why::Strangers => ("refused", "strangers_threshold"),
        Why::Refused => ("refused", "refused_threshold"),
    };
    let mut evidence = Evidence::default()
        .with("route", route)
        .with("strangers", u64::from(case.strangers))
        .with(strangers, u64::from(case.limit))
        .with("usual", u64::from(case.usual))
        .with(refused, u64::from(case.refused))
        .with("refused_of_others", u64::from(case.of_others))
        .with("objects", u64::from(case.objects))
        .with("days", u64::from(case.days))
        .showing([Sample::of(exchange)]);
    if case.is_sequence {
        evidence = evidence.with("sequence", "identifiers follow one another");
    }
    if case.polluted > 0 {
        evidence = evidence.with("repeated_parameters", u64::from(case.polluted));
    }
    if case.is_alike {
        evidence = evidence
            .with("in_company", "others do the same who share its program, its network or its first day")
            .with("mates", u64::from(case.mates));
    }
    if case.has_role {
        evidence = evidence.with("role", "it uses functions that few others use");
    }
    evidence
}

/// What is counted together.
const WEEK: std::time::Duration = std::time::Duration::from_secs(7 * 86_400);
