//! One token in two hands: used by turns from two networks by two programs.
//!
//! Networks change for good reasons: telephones move between them, and somebody turns a VPN on. Then the program stays the
//! same. Programs change when they are updated; then they do not change back. So only turns count in which both change, with a
//! browser on one side at least: jobs share a token among machines and tools, and none of them is a browser. A machine that
//! brings the tokens of many is a part of the application.

use std::time::Duration;

use super::super::config::Sources;
use super::super::recent::Recent;
use super::super::signal::{Growth, Sample, Subject};
use super::super::{Evidence, Severity, Signal, Threat, Usage};
use super::Config;
use crate::clock::Timestamp;
use crate::event::Exchange;
use crate::identity::{KeyedHash, Kind};

/// What is looked at together.
const WINDOW: Duration = Duration::from_secs(900);
/// Until the same token is told again.
const AGAIN: Duration = Duration::from_secs(3_600);
/// Places of one token that are told apart.
const PLACES: usize = 4;
/// Tokens that come from one place after which it is a part of the application.
const MANY: u32 = 8;
/// Places of which it is remembered how many tokens came from there.
const KNOWN_PLACES: u32 = 8_192;

/// Where a token is used: a hash of the client and the program, one of each, and whether it is a browser.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    client: u64,
    program: u64,
    is_browser: bool,
}

struct Use {
    began: Timestamp,
    last: Place,
    before: [Option<Place>; PLACES],
    turns: u32,
    told: Option<Timestamp>,
    samples: Vec<Sample>,
}

/// Of a place: the last token that came from there, and how often another one did.
struct Origin {
    last: u64,
    tokens: u32,
}

pub(super) struct Sharing {
    switches: u32,
    sources: Sources,
    tokens: Recent<u64, Use>,
    origins: Recent<(u64, u64), Origin>,
}

impl Sharing {
    pub(super) fn new(config: &Config, sources: Sources, seed: u64) -> Self {
        Self {
            switches: config.switches,
            sources,
            tokens: Recent::new(config.tokens, WINDOW, seed),
            origins: Recent::new(KNOWN_PLACES, Duration::from_secs(24 * 3_600), seed),
        }
    }

    /// Notes the use of a token, or of a session, that the server did not refuse.
    pub(super) fn note(&mut self, exchange: &Exchange<'_>) -> Option<Signal> {
        let principal = exchange.principal.as_ref().filter(|principal| is_one_token(principal))?;
        if exchange.status.is_none_or(|status| status >= 400) || exchange.cross_site {
            return None;
        }
        let token = match exchange.exposed.token {
            Some(token) => token.id,
            None if principal.kind() == Kind::Jwt => return None,
            None => self.tokens.hash_of(&principal.digest()),
        };
        let agent = exchange.user_agent.as_ref()?.whole();
        let place = Place {
            client: self.tokens.hash_of_key(&self.sources.client(exchange.client)),
            program: self.tokens.hash_of(agent.as_bytes()),
            is_browser: agent.starts_with("Mozilla/"),
        };
        let now = exchange.seen;
        let used = self.tokens.touch(token, now, || Use::new(place, now))?;
        if used.last == place {
            return None;
        }
        if now.since(used.began) >= WINDOW {
            *used = Use { told: used.told, ..Use::new(place, now) };
            return None;
        }
        let last = used.last;
        let of_many = [place, last].map(|place| is_of_many(&mut self.origins, place, token, now));
        used.turn(place, !of_many.contains(&true));
        Sample::keep(&mut used.samples, exchange);
        if used.turns < self.switches || used.told.is_some_and(|told| now.since(told) < AGAIN && now >= told)
        {
            return None;
        }
        let (turns, began, samples) = (used.turns, used.began, used.samples.clone());
        used.told = Some(now);
        Some(signal(principal, (turns, self.switches), (began, now), samples))
    }

    pub(super) fn advance(&mut self, now: Timestamp) {
        self.tokens.sweep(now, 256, |_, _| {});
        self.origins.sweep(now, 64, |_, _| {});
    }

    pub(super) fn usage(&self) -> Usage {
        self.tokens.usage().and(self.origins.usage())
    }
}

/// Whether many tokens come from a place. Noted where a token turns up beside another place.
fn is_of_many(origins: &mut Recent<(u64, u64), Origin>, place: Place, token: u64, now: Timestamp) -> bool {
    let key = (place.client, place.program);
    let Some(origin) = origins.touch(key, now, || Origin { last: token, tokens: 1 }) else { return false };
    if origin.last != token {
        *origin = Origin { last: token, tokens: origin.tokens.saturating_add(1) };
    }
    origin.tokens >= MANY
}

impl Use {
    const fn new(place: Place, now: Timestamp) -> Self {
        Self { began: now, last: place, before: [None; PLACES], turns: 0, told: None, samples: Vec::new() }
    }

    /// From the last place to another. It counts where that one was there before.
    fn turn(&mut self, place: Place, counts: bool) {
        let is_back = self.before.contains(&Some(place));
        let differs = self.last.client != place.client && self.last.program != place.program;
        if counts && is_back && differs && (self.last.is_browser || place.is_browser) {
            self.turns = self.turns.saturating_add(1);
        }
        if !self.before.contains(&Some(self.last)) {
            self.before.rotate_right(1);
            if let Some(first) = self.before.first_mut() {
                *first = Some(self.last);
            }
        }
        self.last = place;
    }
}

/// Credentials that stand for one login, not for a user or for a program with many copies.
const fn is_one_token(principal: &KeyedHash) -> bool {
    matches!(principal.kind(), Kind::Jwt | Kind::Bearer | Kind::Session)
}

fn signal(
    principal: &KeyedHash,
    (turns, threshold): (u32, u32),
    window: (Timestamp, Timestamp),
    samples: Vec<Sample>,
) -> Signal {
    let subject = Subject::Principal(*principal);
    Signal {
        at: window.1,
        threat: Threat::TokenMisuse,
        severity: Severity::Medium,
        confidence: 0.7,
        summary: format!("{subject} alternates between two networks and two programs: {turns} switches back"),
        subject,
        offenders: Vec::new(),
        evidence: Evidence::default()
            .with("turns", u64::from(turns))
            .with("turns_threshold", u64::from(threshold))
            .showing(samples),
        window,
        decided: None,
        growth: Growth { attempts: u64::from(turns), by: Vec::new() },
    }
}
