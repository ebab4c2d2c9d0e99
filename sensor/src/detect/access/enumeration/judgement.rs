//! Severity of a walk, and its explanation.

use super::walk::Walk;
use super::{Actor, COUNTABLE, Config, MISSING_OF_PAGES, PAGE, WITH_CREDENTIALS, WITH_PAGES};
use crate::detect::config::Sources;
use crate::detect::recent::share;
use crate::detect::{Evidence, Growth, Offender, Severity, Signal, Subject, Threat};
use crate::event::Exchange;

/// What the evaluation rests on.
pub(super) struct Found {
    pub(super) severity: Severity,
    pub(super) confidence: f64,
    pub(super) objects: u32,
    pub(super) sequential: bool,
    pub(super) usual: Option<u32>,
}

/// Successes while walking.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Others {
    /// On other routes.
    pub(super) pages: u32,
    /// With PUT, anywhere.
    pub(super) puts: u32,
}

impl Others {
    /// Whether the objects may be those that pages show.
    const fn shows_pages(self, objects: u32) -> bool {
        self.pages >= 2 && self.pages.saturating_mul(PAGE) >= objects
    }
}

/// Multiple of the counts for refusals: one, unless the actor misses rather than is forbidden and has a reason to.
fn lenience(walk: &Walk, actor: Actor, others: Others, objects: u32) -> u32 {
    if walk.is_forbidden() {
        return 1;
    }
    let credentials = if matches!(actor, Actor::Principal(_)) { WITH_CREDENTIALS } else { 1 };
    let pages = if others.shows_pages(objects) { WITH_PAGES } else { 1 };
    credentials.saturating_mul(pages)
}

/// Whether a User-Agent claims to be a crawler.
fn says_bot(text: &str) -> bool {
    let text = text.as_bytes().get(..512).unwrap_or(text.as_bytes());
    let has = |word: &[u8]| text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    has(b"bot") || has(b"crawl") || has(b"spider") || has(b"slurp")
}

/// The severity.
pub(super) fn judge(
    config: &Config,
    walk: &Walk,
    (actor, others): (Actor, Others),
    usual: Option<u32>,
    (bad, program): (bool, &str),
    habit: u32,
) -> Option<Found> {
    let objects = walk.objects.estimate();
    let sequential = walk.is_sequential(objects);
    let found = |severity, confidence| Some(Found { severity, confidence, objects, sequential, usual });
    // What is usual for one actor is so for each of those behind an address.
    let people = if matches!(actor, Actor::Client(_)) { walk.people() } else { 1 };
    let beyond = |times: u32| {
        let times = times.saturating_mul(people);
        let usual = usual.unwrap_or(0).saturating_mul(times).min(COUNTABLE.saturating_sub(1));
        objects > usual
    };
    let refused = walk.fails_without(others.puts, config.refused_percent) && !bad;
    let least = config.refused.saturating_mul(lenience(walk, actor, others, objects)).min(COUNTABLE);
    let is_foreign = matches!(actor, Actor::Foreign(_));
    if refused && objects >= if sequential { least.div_ceil(2) } else { least } {
        if is_foreign {
            return found(Severity::Low, 0.3);
        }
        let enough = least.saturating_mul(if sequential { 1 } else { 2 });
        return if objects >= enough { found(Severity::High, 0.9) } else { found(Severity::Medium, 0.7) };
    }
    let is_habit = objects <= habit.saturating_mul(2);
    if objects < config.sequence || is_habit || !beyond(config.times_usual) {
        return None;
    }
    let many = objects >= config.sequence.saturating_mul(10).min(COUNTABLE) && usual.is_some();
    let blind = walk.fails_without(others.puts, 10) && !bad && objects >= config.sequence.saturating_mul(2);
    match (sequential, says_bot(program), actor) {
        (_, _, Actor::Site(_)) => None,
        (true, _, Actor::Foreign(_)) => found(Severity::Low, 0.3),
        // Scrolling from page to page; some of what the pages show is missing.
        (true, false, _)
            if others.shows_pages(objects) && !walk.fails(MISSING_OF_PAGES) && !walk.is_forbidden() =>
        {
            found(Severity::Low, 0.4)
        }
        (true, false, Actor::Client(_)) if many || blind => found(Severity::High, 0.8),
        (true, false, Actor::Principal(_)) if blind => found(Severity::High, 0.8),
        (true, false, Actor::Client(_) | Actor::Principal(_)) => found(Severity::Medium, 0.6),
        (true, true, _) => found(Severity::Low, 0.4),
        (false, false, _) if usual.is_some() && beyond(config.times_usual.saturating_mul(2)) => {
            found(Severity::Low, 0.4)
        }
        (false, _, _) => None,
    }
}

/// For a site only refusals count: its clients together may well request everything that exists.
pub(super) fn judge_site(config: &Config, sources: Sources, walk: &Walk, bad: bool) -> Option<Found> {
    let objects = walk.objects.estimate();
    let enough = sources.scaled(config.refused).min(COUNTABLE);
    if bad || objects < enough || !walk.fails(config.refused_percent) {
        return None;
    }
    let many = objects >= enough.saturating_mul(2).min(COUNTABLE);
    let (severity, confidence) = if many { (Severity::High, 0.9) } else { (Severity::Medium, 0.7) };
    let sequential = walk.is_sequential(objects);
    Some(Found { severity, confidence, objects, sequential, usual: None })
}

/// The subject of an alert.
pub(super) fn subject(actor: Actor) -> Subject {
    match actor {
        Actor::Client(client) | Actor::Foreign(client) => Subject::Client(client),
        Actor::Principal(hash) => Subject::Principal(hash),
        Actor::Site(site) => Subject::Network(site.prefix()),
    }
}

pub(super) fn signal(
    config: &Config,
    walk: &Walk,
    actor: Actor,
    found: &Found,
    offenders: Vec<Offender>,
    exchange: &Exchange<'_>,
) -> Signal {
    let subject = subject(actor);
    let route = exchange.route.unwrap_or_default();
    let mut evidence = Evidence::default()
        .with("route", route)
        .with("objects", u64::from(found.objects))
        .with("objects_threshold", u64::from(config.sequence))
        .with("refused_objects_threshold", u64::from(config.refused))
        .with("refused", u64::from(walk.failures))
        .with("refused_share", share(walk.failures, walk.exchanges))
        .with("refused_share_threshold", share(config.refused_percent, 100))
        .with("steps", u64::from(walk.steps))
        .with("small_steps", u64::from(walk.small_steps()))
        .with("programs_or_principals", u64::from(walk.people()))
        .showing(walk.samples());
    if let Some(usual) = found.usual {
        evidence = evidence
            .with("usual_objects", u64::from(usual))
            .with("times_usual_threshold", u64::from(config.times_usual));
    }
    if matches!(actor, Actor::Foreign(_)) {
        let why = "reported only: any site could make its visitors send this, to get them blocked";
        evidence = evidence.with("cross_site", why);
    }
    let how = if found.sequential { " in sequence" } else { "" };
    let share = share(walk.failures, walk.exchanges);
    Signal {
        at: exchange.seen,
        threat: Threat::Enumeration,
        severity: found.severity,
        confidence: found.confidence,
        summary: format!(
            "{subject} requested {} objects under {route}{how}; {:.0} % of the requests were refused",
            found.objects,
            percent(share),
        ),
        subject,
        offenders,
        evidence,
        window: (walk.began, exchange.seen),
        decided: None,
        growth: Growth::default(),
    }
}

#[expect(clippy::float_arithmetic, reason = "for a person")]
fn percent(share: f64) -> f64 {
    share * 100.0
}
