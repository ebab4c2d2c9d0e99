//! The meaning of inconclusive responses, learned from what users do next.
//!
//! A user who was let in does not try another password for the same account; one who was refused does. So responses of one
//! shape on a route are refusals if other passwords followed for several accounts, and eight different passwords for one
//! account with the same response were all refused. Once refusals are known, a rare response of another shape that starts a
//! session is a success; and if a rare response starts sessions, the common one that does not is a refusal. This is used
//! only if the response itself is inconclusive, or its only sign is a new session.
//!
//! Blind spot: the owner of several accounts can log in to them correctly and then try wrong passwords, so that the shape of
//! success counts as a refusal on that route until enough others continue without another password. If refusals and
//! successes look the same, only repeated guesses at one account are recognised.

use std::hash::BuildHasher as _;

use super::LoginOutcome;
use super::answer::Attempt;
use super::fields::Found;
use crate::identity::hash::KeyedHash;

/// Maximum routes remembered.
const ROUTES: usize = 64;
/// Maximum shapes of responses per route.
const SHAPES: usize = 8;
/// Maximum accounts per route whose last attempt is remembered.
const ACCOUNTS: usize = 64;
/// Accounts with another password afterwards, from which on a shape is a refusal.
const ENOUGH: u32 = 3;
/// Different passwords for one account with the same response, from which on they were refused.
const GUESSES: usize = 8;
/// Responses of a shape from which on it is common.
const COMMON: u32 = 20;
/// A success is at most one in this many responses.
const RARE: u32 = 5;
/// Counts are halved when they reach this.
const MANY: u32 = 1 << 12;

/// Responses of one shape.
#[derive(Clone, Copy, Default)]
struct Shape {
    hash: u64,
    answers: u32,
    /// Attempts after it for the same account, with another password.
    others: u32,
    /// Attempts after it for the same account, with the same password.
    repeats: u32,
    begins_session: bool,
    /// Neither the request nor the answer has a session.
    is_of_nobody: bool,
}

impl Shape {
    /// What follows shows that it is a refusal.
    const fn is_refusal(&self) -> bool {
        self.others >= ENOUGH && self.others > self.repeats && self.others.saturating_mul(4) >= self.answers
    }

    /// The same where others are let in with a session.
    const fn is_refusal_beside_sessions(&self) -> bool {
        self.is_of_nobody && self.others >= ENOUGH && self.others > self.repeats
    }

    /// It gives nothing, is common, and no program returns with the same password as if it were let in.
    const fn is_common_refusal(&self) -> bool {
        self.is_of_nobody && self.answers >= COMMON && self.repeats.saturating_mul(8) <= self.answers
    }
}

/// What is to be judged.
#[derive(Clone, Copy)]
struct Seen {
    shape: u64,
    begins_session: bool,
    is_of_nobody: bool,
    /// It succeeded, by a certain sign.
    is_success: bool,
}

#[derive(Clone, Copy)]
struct Last {
    user: KeyedHash,
    password: KeyedHash,
    shape: u64,
    /// Another password has followed: an account counts once for a shape.
    is_counted: bool,
    /// Different passwords in a row that were answered with this shape, as short hashes.
    guesses: [u32; GUESSES],
    guessed: usize,
}

impl Last {
    /// Adds a password to those with the same response.
    fn guess(&mut self, before: Option<&Self>) {
        if let Some(before) = before.filter(|before| before.shape == self.shape) {
            (self.guesses, self.guessed) = (before.guesses, before.guessed);
        }
        let [first, second, third, fourth, ..] = self.password.short();
        let short = u32::from_le_bytes([first, second, third, fourth]);
        let known = self.guesses.get(..self.guessed).unwrap_or_default();
        if !known.contains(&short)
            && let Some(place) = self.guesses.get_mut(self.guessed)
        {
            *place = short;
            self.guessed = self.guessed.saturating_add(1);
        }
    }
}

struct Route {
    hash: u64,
    attempts: u32,
    /// Responses that start a session, and the certain successes among them.
    sessions: u32,
    successes: u32,
    shapes: Vec<Shape>,
    accounts: Vec<Last>,
    next: usize,
}

impl Route {
    const fn new(hash: u64) -> Self {
        Self {
            hash,
            attempts: 0,
            sessions: 0,
            successes: 0,
            shapes: Vec::new(),
            accounts: Vec::new(),
            next: 0,
        }
    }

    fn shape(&mut self, hash: u64) -> Option<&mut Shape> {
        self.shapes.iter_mut().find(|shape| shape.hash == hash)
    }

    /// Counts an attempt for what was answered to the one before it for the same account.
    fn note(&mut self, user: KeyedHash, password: KeyedHash, shape: u64) {
        let mut last = Last { user, password, shape, is_counted: false, guesses: [0; GUESSES], guessed: 0 };
        match self.accounts.iter().position(|known| known.user == user) {
            Some(at) => {
                let Some(known) = self.accounts.get_mut(at) else { return };
                let before = *known;
                let is_other = before.password != password;
                last.guess(Some(&before));
                *known = Last { is_counted: before.is_counted || is_other, ..last };
                if let Some(shape) = self.shape(before.shape) {
                    if !is_other {
                        shape.repeats = shape.repeats.saturating_add(1);
                    } else if !before.is_counted {
                        shape.others = shape.others.saturating_add(1);
                    }
                }
            }
            None if self.accounts.len() < ACCOUNTS => {
                last.guess(None);
                self.accounts.push(last);
            }
            None => {
                last.guess(None);
                if let Some(place) = self.accounts.get_mut(self.next) {
                    *place = last;
                }
                self.next = self.next.wrapping_add(1) % ACCOUNTS;
            }
        }
    }

    fn count(&mut self, seen: Seen) {
        let Seen { shape: hash, begins_session, is_of_nobody, is_success } = seen;
        self.attempts = self.attempts.saturating_add(1);
        self.sessions = self.sessions.saturating_add(u32::from(begins_session));
        self.successes = self.successes.saturating_add(u32::from(is_success));
        if let Some(shape) = self.shape(hash) {
            shape.answers = shape.answers.saturating_add(1);
        } else {
            let shape = Shape { hash, answers: 1, begins_session, is_of_nobody, ..Shape::default() };
            if self.shapes.len() < SHAPES {
                self.shapes.push(shape);
            } else if let Some(least) = self.shapes.iter_mut().min_by_key(|shape| shape.answers) {
                *least = shape;
            }
        }
        if self.attempts >= MANY {
            self.attempts /= 2;
            (self.sessions, self.successes) = (self.sessions / 2, self.successes / 2);
            for shape in &mut self.shapes {
                (shape.answers, shape.others) = (shape.answers / 2, shape.others / 2);
                shape.repeats /= 2;
            }
        }
    }

    fn judge(&self, hash: u64, user: KeyedHash) -> LoginOutcome {
        let Some(shape) = self.shapes.iter().find(|shape| shape.hash == hash) else {
            return LoginOutcome::Unknown;
        };
        let is_rare = |answers: u32| answers.saturating_mul(RARE) <= self.attempts;
        let lets_in = self.sessions > 0;
        let is_guessed = self
            .accounts
            .iter()
            .any(|last| last.user == user && last.shape == hash && last.guessed >= GUESSES);
        if shape.is_refusal()
            || is_guessed
            || lets_in && shape.is_refusal_beside_sessions()
            || lets_in && is_rare(self.sessions) && shape.is_common_refusal()
        {
            return LoginOutcome::Failure;
        }
        let has_refusal = self.shapes.iter().any(|shape| shape.is_refusal() || shape.is_common_refusal());
        if has_refusal && is_rare(shape.answers) && shape.begins_session {
            LoginOutcome::Success
        } else {
            LoginOutcome::Unknown
        }
    }
}

/// What is learned of all routes.
pub(super) struct Shapes {
    hasher: foldhash::quality::RandomState,
    routes: Vec<Route>,
}

impl Shapes {
    pub(super) fn new() -> Self {
        Self { hasher: foldhash::quality::RandomState::default(), routes: Vec::new() }
    }

    /// Learns from a response, and returns its meaning if it is not known otherwise.
    pub(super) fn judge(
        &mut self,
        attempt: &Attempt<'_>,
        route: &str,
        found: Found,
        outcome: LoginOutcome,
    ) -> LoginOutcome {
        let (Some(user), Some(password)) = (found.user, found.password) else { return outcome };
        let Some(response) = attempt.exchange.response else { return outcome };
        let body = attempt.answer.body;
        let begins_session = attempt.answer.cookies.begin_session();
        let location = response.header("location").unwrap_or_default();
        let path = location.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
        // Names and times differ from answer to answer; how long they are to a quarter, mostly not.
        let length = body.len().checked_ilog2().map_or(0, |power| {
            let quarter = 1_usize.checked_shl(power).unwrap_or_default() / 4;
            body.len().checked_div(quarter).unwrap_or(body.len())
        });
        let start = body.iter().position(|byte| byte.is_ascii_digit()).unwrap_or(body.len()).min(16);
        let start = body.get(..start).unwrap_or_default();
        let is_of_nobody = attempt.is_of_nobody();
        let state = (begins_session, is_of_nobody, code(body));
        let shape = self.hasher.hash_one((response.status(), path, state, length, start));
        let hash = self.hasher.hash_one(route);
        let at = self.routes.iter().position(|known| known.hash == hash).unwrap_or_else(|| self.add(hash));
        let Some(route) = self.routes.get_mut(at) else { return outcome };
        let is_weak = outcome == LoginOutcome::Success && attempt.is_weak();
        let is_success = outcome == LoginOutcome::Success && !is_weak;
        route.note(user, password, shape);
        route.count(Seen { shape, begins_session, is_of_nobody, is_success });
        if outcome == LoginOutcome::Unknown && !attempt.is_throttled() {
            route.judge(shape, user)
        } else if is_weak {
            // If failures start such a session, or others are redirected, it is not a sign.
            match route.judge(shape, user) {
                LoginOutcome::Failure => LoginOutcome::Failure,
                LoginOutcome::Success | LoginOutcome::Unknown if route.successes > 0 => LoginOutcome::Unknown,
                LoginOutcome::Success | LoginOutcome::Unknown => outcome,
            }
        } else {
            outcome
        }
    }

    fn add(&mut self, hash: u64) -> usize {
        let route = Route::new(hash);
        if self.routes.len() < ROUTES {
            self.routes.push(route);
            return self.routes.len().saturating_sub(1);
        }
        let least = self.routes.iter().enumerate().min_by_key(|(_, known)| known.attempts);
        let at = least.map(|(at, _)| at).unwrap_or_default();
        if let Some(place) = self.routes.get_mut(at) {
            *place = route;
        }
        at
    }
}

/// The single digits at the start of a short document: its codes. Longer numbers vary between responses.
fn code(body: &[u8]) -> u64 {
    let start = body.get(..64).unwrap_or(body);
    let runs = start.split(|byte| !byte.is_ascii_digit()).filter(|run| run.len() == 1).flatten();
    runs.take(8).fold(1, |code: u64, digit| code.wrapping_mul(10).wrapping_add(u64::from(*digit)))
}
