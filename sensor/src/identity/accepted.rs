//! Claims that the server has accepted.
//!
//! A JWT names a subject, and basic credentials name a user, before anything has verified the signature or the
//! password. If such a name counted unverified, anybody could use up somebody else's limits, or have him reported as an
//! attacker. So a name counts if the server answered as if it had checked it, and from then on for the same
//! credentials; until then, and if it refused them, the credentials stand for themselves.
//!
//! A success is meaningful only on a route that checks: one that was seen to refuse with 401, and never to admit a
//! request without credentials. 403 is no such sign, since request filters answer with it, and anybody can provoke
//! them. A redirect is no success: to the login page, it is a refusal.

use ahash::RandomState;

use super::hash::KeyedHash;

/// Credentials remembered; new ones replace those in their slot.
const PLACES: usize = 8_192;

/// Methods of routes for which it is remembered whether they check credentials. Later ones without a slot count as not
/// checking.
const ROUTES: usize = 8_192;

/// Bytes from the end of credentials that distinguish them: in a JWT, those of its signature.
const TAIL: usize = 32;

/// The answer to a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answered<'a> {
    /// The request's method.
    pub method: &'a str,
    /// The template of its path.
    pub route: Option<&'a str>,
    /// The status of the response, if one was seen.
    pub status: Option<u16>,
    /// Whether the client was proven. Anybody may have sent an unproven request.
    pub proven: bool,
}

/// Accepted credentials, each with the name it claims, by a hash with a seed of this process.
pub(super) struct Accepted {
    hasher: RandomState,
    places: Box<[u64]>,
    routes: Box<[Checks]>,
}

/// What is known about a route and a method.
#[derive(Clone, Copy, Debug, Default)]
struct Checks {
    /// Their hash; 0 for none.
    of: u64,
    /// It refused credentials, or their absence.
    refuses: bool,
    /// It answered a request without credentials with success.
    open: bool,
}

/// What an answer reveals about its request's credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Accepted,
    Refused,
    /// Nothing: something else was wrong, or there was no answer.
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

    /// Whether a request with these credentials belongs to its claimant, by this answer and earlier ones.
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

    /// What is known about an answer's route; none if another route occupies its slot.
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
