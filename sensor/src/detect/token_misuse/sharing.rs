//! One token in two hands: used by turns from two networks by two programs, or from two countries.
//!
//! Networks change for good reasons: telephones move between them, and somebody turns a VPN on. Then the program stays the
//! same. Programs change when they are updated; then they do not change back. So only turns count in which both change, with a
//! browser on one side at least: jobs share a token among machines and tools, and none of them is a browser. A machine that
//! brings the tokens of many is a part of the application.
//!
//! Who steals a session with its browser's name shows the same program. Then turns between two countries count, if a database
//! knows them. A VPN and a telephone at a border cross it, too, but rarely many times in a quarter of an hour: twice as many
//! turns are needed.

use std::time::Duration;

use super::super::config::Sources;
use super::super::recent::Recent;
use super::super::signal::{Growth, Sample, Subject};
use super::super::{CountryOf, Evidence, Severity, Signal, Threat, Usage};
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
/// Turns between countries that count as one between networks and programs.
const ABROAD_PER_TURN: u32 = 2;
/// Places of which it is remembered how many tokens came from there.
const KNOWN_PLACES: u32 = 8_192;

/// The code of a country.
type Country = [u8; 2];

/// Where a token is used: a hash of the client and the program, one of each, whether it is a browser, and the country.
#[derive(Clone, Copy)]
struct Place {
    client: u64,
    program: u64,
    is_browser: bool,
    country: Option<Country>,
}

impl Place {
    /// Whatever the database said of it.
    const fn is(&self, other: &Self) -> bool {
        self.client == other.client && self.program == other.program
    }
}

struct Use {
    began: Timestamp,
    last: Place,
    before: [Option<Place>; PLACES],
    turns: u32,
    /// Turns between two countries by one program, and the last two.
    abroad: u32,
    countries: Option<[Country; 2]>,
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
    countries: CountryOf,
    tokens: Recent<u64, Use>,
    origins: Recent<(u64, u64), Origin>,
}

impl Sharing {
    pub(super) fn new(config: &Config, sources: Sources, seed: u64, countries: CountryOf) -> Self {
        Self {
            switches: config.switches,
            sources,
            countries,
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
        let country = || (self.countries)(exchange.client);
        let mut place = Place {
            country: None,
            client: self.tokens.hash_of_key(&self.sources.client(exchange.client)),
            program: self.tokens.hash_of(agent.as_bytes()),
            is_browser: agent.starts_with("Mozilla/"),
        };
        let now = exchange.seen;
        let begin = || Use::new(Place { country: country(), ..place }, now);
        let used = self.tokens.touch(token, now, begin)?;
        if used.last.is(&place) {
            return None;
        }
        place.country = country();
        if now.since(used.began) >= WINDOW {
            *used = Use { told: used.told, ..Use::new(place, now) };
            return None;
        }
        let last = used.last;
        let of_many = [place, last].map(|place| is_of_many(&mut self.origins, place, token, now));
        used.turn(place, !of_many.contains(&true));
        Sample::keep(&mut used.samples, exchange);
        let turns = used.turns.saturating_add(used.abroad / ABROAD_PER_TURN);
        if turns < self.switches || used.told.is_some_and(|told| now.since(told) < AGAIN && now >= told) {
            return None;
        }
        used.told = Some(now);
        Some(signal(principal, (turns, self.switches), used, now))
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
        Self {
            began: now,
            last: place,
            before: [None; PLACES],
            turns: 0,
            abroad: 0,
            countries: None,
            told: None,
            samples: Vec::new(),
        }
    }

    /// From the last place to another. It counts where that one was there before.
    fn turn(&mut self, place: Place, counts: bool) {
        let last = self.last;
        let was = |place: &Place| self.before.iter().flatten().any(|before| before.is(place));
        let (is_back, is_new) = (was(&place), !was(&last));
        let two = last.country.zip(place.country).filter(|(one, other)| one != other);
        if counts && is_back && last.client != place.client && (last.is_browser || place.is_browser) {
            if last.program != place.program {
                self.turns = self.turns.saturating_add(1);
            } else if two.is_some() {
                self.abroad = self.abroad.saturating_add(1);
            }
            self.countries = two.map(|(one, other)| [one, other]).or(self.countries);
        }
        if is_new {
            self.before.rotate_right(1);
            if let Some(first) = self.before.first_mut() {
                *first = Some(last);
            }
        }
        self.last = place;
    }
}

/// Credentials that stand for one login, not for a user or for a program with many copies.
const fn is_one_token(principal: &KeyedHash) -> bool {
    matches!(principal.kind(), Kind::Jwt | Kind::Bearer | Kind::Session)
}

fn signal(principal: &KeyedHash, (turns, threshold): (u32, u32), used: &Use, now: Timestamp) -> Signal {
    let subject = Subject::Principal(*principal);
    let mut countries = used.countries.map(|two| two.map(|code| String::from_utf8_lossy(&code).into_owned()));
    if let Some(two) = &mut countries {
        two.sort();
    }
    let between = match &countries {
        Some([one, other]) if used.abroad > used.turns => format!("networks in {one} and {other}"),
        Some([one, other]) => format!("two networks ({one} and {other}) and two programs"),
        None => "two networks and two programs".to_owned(),
    };
    let evidence = Evidence::default()
        .with("turns", u64::from(turns))
        .with("turns_threshold", u64::from(threshold))
        .with("turns_between_countries", u64::from(used.abroad));
    let evidence = match &countries {
        Some(two) => evidence.with("countries", two.join(" ").as_str()),
        None => evidence,
    };
    let counted = u64::from(used.turns).saturating_add(u64::from(used.abroad));
    Signal {
        at: now,
        threat: Threat::TokenMisuse,
        severity: Severity::Medium,
        confidence: 0.7,
        summary: format!("{subject} alternates between {between}: {counted} switches back"),
        subject,
        offenders: Vec::new(),
        evidence: evidence.showing(used.samples.iter().cloned()),
        window: (used.began, now),
        decided: None,
        growth: Growth { attempts: counted, by: Vec::new() },
    }
}
