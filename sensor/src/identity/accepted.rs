//! Which claims the server has accepted.
//!
//! A JWT says who its subject is, and basic credentials name a user, before anybody has looked at the signature or the
//! password. Were such a name judged by what was sent with it, anybody could use up somebody's limits, or have him told
//! of as an attacker. So a name counts where the server answered as if it had checked it, and afterwards for the same
//! credentials; until then, and where it refused them, the credentials stand for themselves.
//!
//! That a success says something takes a route that checks: one that was seen to refuse with 401, and never to give a
//! success to a request without credentials. 403 is no such sign, since filters of requests answer with it, and anybody
//! can provoke them. A redirect is no success: to the page where one logs in, it is a refusal.

use ahash::RandomState;

use super::hash::KeyedHash;

/// Credentials that are remembered; others take their places.
const PLACES: usize = 8_192;

/// Methods of routes of which it is remembered whether they check credentials. Those that come later and have no place of
/// their own are taken for some that do not.
const ROUTES: usize = 8_192;

/// Bytes of credentials that tell them from others, from the end: of a JWT those of its signature.
const TAIL: usize = 32;

/// How a request was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answered<'a> {
    /// The request's method.
    pub method: &'a str,
    /// The template of its path.
    pub route: Option<&'a str>,
    /// The status of the response, where one was seen.
    pub status: Option<u16>,
    /// Whether the client was shown to be there. Anybody may have sent what another did not.
    pub proven: bool,
}

/// Credentials that were accepted, each with the name it claims, by a hash with a seed of this process.
pub(super) struct Accepted {
    hasher: RandomState,
    places: Box<[u64]>,
    routes: Box<[Checks]>,
}

/// What is known of a route and a method.
#[derive(Clone, Copy, Debug, Default)]
struct Checks {
    /// Their hash; 0 for none.
    of: u64,
    /// It refused credentials, or that there were none.
    refuses: bool,
    /// It answered a request without credentials with a success.
    open: bool,
}

/// What an answer says of the credentials that came with its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Accepted,
    Refused,
    /// Neither: something else was wrong, or there was no answer.
    Open,
}

impl Verdict {
    const fn of(answered: &Answered<'_>) -> Self {
        match answered.status {
            Some(101 | 200..=299 | 304) if answered.proven => Self::Accepted,
            Some(401 | 403) => Self::Refused,
            _ => Self::Open,
        }
    }
}

impl Accepted {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            places: vec![0; PLACES].into_boxed_slice(),
            routes: vec![Checks::default(); ROUTES].into_boxed_slice(),
        }
    }

    /// Learns from an answer whether its route checks credentials; `without`: the request had none of any kind.
    #[inline]
    pub(super) fn learn(&mut self, answered: &Answered<'_>, without: bool) {
        let refuses = answered.status == Some(401);
        let open = without && matches!(answered.status, Some(200..=299));
        if answered.proven
            && (refuses || open)
            && let Some(checks) = self.route(answered)
        {
            checks.refuses |= refuses;
            checks.open |= open;
        }
    }

    /// Whether a request with these credentials is its claimant's, as far as the answer and those before tell.
    pub(super) fn believes(
        &mut self,
        claim: &KeyedHash,
        credentials: &[u8],
        answered: &Answered<'_>,
    ) -> bool {
        let verdict = Verdict::of(answered);
        if verdict == Verdict::Refused {
            return false;
        }
        let is_checked = verdict == Verdict::Accepted
            && self.route(answered).is_some_and(|checks| checks.refuses && !checks.open);
        let tail = credentials.get(credentials.len().saturating_sub(TAIL)..).unwrap_or(credentials);
        let hash = self.hasher.hash_one((claim, tail)) | 1;
        let Some(known) = self.places.get_mut(place(hash, PLACES)) else { return false };
        if is_checked {
            *known = hash;
        }
        *known == hash
    }

    /// What is known of an answer's route; none if another has its place.
    fn route(&mut self, answered: &Answered<'_>) -> Option<&mut Checks> {
        let hash = self.hasher.hash_one((answered.method, answered.route?)) | 1;
        let checks = self.routes.get_mut(place(hash, ROUTES))?;
        if checks.of == 0 {
            checks.of = hash;
        }
        (checks.of == hash).then_some(checks)
    }
}

fn place(hash: u64, places: usize) -> usize {
    usize::try_from(hash >> 32).unwrap_or_default().checked_rem(places).unwrap_or_default()
}
