//! Which claims the server has accepted.
//!
//! A JWT says who its subject is, and basic credentials name a user, before anybody has looked at the signature or the
//! password. Were such a name judged by what was sent with it, anybody could use up somebody's limits, or have him told
//! of as an attacker. So a name counts where the server answered as if it believed it, and afterwards for the same
//! credentials; until then, and where it refused them, the credentials stand for themselves.

use ahash::RandomState;

use super::hash::KeyedHash;

/// Credentials that are remembered; others take their places.
const PLACES: usize = 8_192;

/// Bytes of credentials that tell them from others, from the end: of a JWT those of its signature.
const TAIL: usize = 32;

/// Credentials that were accepted, each with the name it claims, by a hash with a seed of this process.
pub(super) struct Accepted {
    hasher: RandomState,
    places: Box<[u64]>,
}

/// What an answer says of the credentials that came with its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Accepted,
    Refused,
    /// Neither: something else was wrong, or there was no answer.
    Open,
}

impl Answer {
    const fn of(status: Option<u16>) -> Self {
        match status {
            Some(101 | 200..=399) => Self::Accepted,
            Some(401 | 403) => Self::Refused,
            _ => Self::Open,
        }
    }
}

impl Accepted {
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::new(), places: vec![0; PLACES].into_boxed_slice() }
    }

    /// Whether a request with these credentials is its claimant's, as far as the answer and those before tell.
    pub(super) fn believes(&mut self, claim: &KeyedHash, credentials: &[u8], status: Option<u16>) -> bool {
        let answer = Answer::of(status);
        if answer == Answer::Refused {
            return false;
        }
        let tail = credentials.get(credentials.len().saturating_sub(TAIL)..).unwrap_or(credentials);
        let hash = self.hasher.hash_one((claim, tail)) | 1;
        let place = usize::try_from(hash >> 32).unwrap_or_default().checked_rem(PLACES).unwrap_or_default();
        let Some(known) = self.places.get_mut(place) else { return false };
        if answer == Answer::Accepted {
            *known = hash;
        }
        *known == hash
    }
}
