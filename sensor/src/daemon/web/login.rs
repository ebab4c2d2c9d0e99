//! Basic authentication (RFC 7617) against bcrypt hashes, at a bounded cost.
//!
//! Checking a password is slow by design. So a pair of name and password that was correct once is remembered as a keyed
//! hash; one check runs at a time, and a failed one delays the next; few may wait, and only one per user or address. A
//! request refused for that gets the answer to retry, not that the password is wrong.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::HeaderValue;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

use super::door::Owner;

/// Checks waiting or running.
const MAX_WAITING: usize = 8;
/// How long a failed check delays the next: with a hash of cost 10, some 60 ms of work, a flood of wrong passwords
/// costs a fifth of one core.
const PENALTY: Duration = Duration::from_millis(250);

/// The verdict on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It may read.
    Granted,
    /// There are no credentials, or wrong ones.
    Refused,
    /// Too many are being checked.
    Busy,
}

#[derive(Debug)]
struct Credentials {
    user: String,
    password: Zeroizing<Vec<u8>>,
}

/// Who may read.
pub(super) struct Logins {
    /// Key of the remembered hashes; unique to this process.
    key: [u8; 32],
    state: Mutex<State>,
    places: Arc<Semaphore>,
    turn: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    hashes: BTreeMap<String, String>,
    /// The last correct credentials of each user.
    proven: BTreeMap<String, blake3::Hash>,
    /// Users and addresses whose credentials are being checked.
    checking: HashSet<Owner>,
}

impl Logins {
    pub(super) fn new(hashes: BTreeMap<String, String>) -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self {
            key,
            state: Mutex::new(State { hashes, ..State::default() }),
            places: Arc::new(Semaphore::new(MAX_WAITING)),
            turn: Arc::new(Semaphore::new(1)),
        })
    }

    /// Replaces the users. Remembered credentials stay valid for unchanged hashes.
    pub(super) fn replace(&self, hashes: BTreeMap<String, String>) {
        let mut state = self.state();
        state.proven.retain(|user, _| hashes.contains_key(user));
        state.hashes = hashes;
    }

    /// Checks the `Authorization` header of a request.
    pub(super) async fn check(self: &Arc<Self>, header: Option<&HeaderValue>, peer: Owner) -> Outcome {
        if self.state().hashes.is_empty() {
            return Outcome::Granted;
        }
        let Some(credentials) = header.and_then(parse) else { return Outcome::Refused };
        if self.is_proven(&credentials) {
            return Outcome::Granted;
        }
        let Some(place) = Place::take(self, peer) else { return Outcome::Busy };
        // A task of its own: it ends, and frees its slot, only with the check, even if the client disconnects.
        let check = tokio::spawn(Arc::clone(self).verify(credentials, place));
        check.await.unwrap_or(Outcome::Busy)
    }

    async fn verify(self: Arc<Self>, credentials: Credentials, place: Place) -> Outcome {
        let Ok(turn) = Arc::clone(&self.turn).acquire_owned().await else { return Outcome::Busy };
        if self.is_proven(&credentials) {
            return Outcome::Granted;
        }
        let logins = Arc::clone(&self);
        let check = tokio::task::spawn_blocking(move || logins.is_right(&credentials));
        let outcome = match check.await {
            Ok(true) => Outcome::Granted,
            Ok(false) => Outcome::Refused,
            Err(_) => Outcome::Busy,
        };
        if outcome != Outcome::Granted {
            tokio::spawn(hold_up(turn));
        }
        drop(place);
        outcome
    }

    /// The slow part. An unknown user takes as long as a known one, so timing reveals no user names.
    fn is_right(&self, credentials: &Credentials) -> bool {
        let Credentials { user, password } = credentials;
        let (own, some) = {
            let state = self.state();
            (state.hashes.get(user).cloned(), state.hashes.values().next().cloned())
        };
        let is_known = own.is_some();
        let Some(hash) = own.or(some) else { return true };
        let is_right = bcrypt::verify(password.as_slice(), &hash).unwrap_or(false) && is_known;
        if is_right {
            let digest = self.digest(credentials, &hash);
            self.state().proven.insert(user.clone(), digest);
        }
        is_right
    }

    fn is_proven(&self, credentials: &Credentials) -> bool {
        let state = self.state();
        let proven = state.proven.get(&credentials.user).zip(state.hashes.get(&credentials.user));
        // Hashes are compared in constant time.
        proven.is_some_and(|(proven, hash)| *proven == self.digest(credentials, hash))
    }

    /// It includes the password's hash, so that another hash invalidates it.
    fn digest(&self, credentials: &Credentials, hash: &str) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        // Neither a user's name nor a bcrypt hash contains this byte.
        for part in [credentials.user.as_bytes(), b"\0", hash.as_bytes(), b"\0", &credentials.password] {
            hasher.update(part);
        }
        hasher.finalize()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the turn for a while. The answer does not wait for that, and a user who mistyped can wait for the next turn.
async fn hold_up(turn: OwnedSemaphorePermit) {
    tokio::time::sleep(PENALTY).await;
    drop(turn);
}

/// A slot in the queue; dropping it frees the slot.
struct Place {
    logins: Arc<Logins>,
    peer: Owner,
    _place: OwnedSemaphorePermit,
}

impl Place {
    fn take(logins: &Arc<Logins>, peer: Owner) -> Option<Self> {
        let place = Arc::clone(&logins.places).try_acquire_owned().ok()?;
        let is_first = logins.state().checking.insert(peer);
        is_first.then(|| Self { logins: Arc::clone(logins), peer, _place: place })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.logins.state().checking.remove(&self.peer);
    }
}

/// `Basic`, in any case, and the base64 of `user:password`.
fn parse(header: &HeaderValue) -> Option<Credentials> {
    let (scheme, encoded) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(BASE64_STANDARD.decode(encoded.trim()).ok()?);
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (user, rest) = decoded.split_at_checked(colon)?;
    let password = rest.split_first().map(|(_, password)| Zeroizing::new(password.to_vec()))?;
    Some(Credentials { user: String::from_utf8(user.to_vec()).ok()?, password })
}

#[cfg(test)]
mod tests;
