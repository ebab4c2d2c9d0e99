//! What answers mean that say nothing by themselves, learned from what people do after them.
//!
//! Whoever was let in does not try another password for the same account; whoever was refused does. So answers of one
//! shape, on one route, after which other passwords followed for several accounts, are refusals; and where these are known,
//! an answer of another shape that begins a session and is rare among them is a success. This speaks only where the answer
//! itself does not.
//!
//! The blind spot: who owns several accounts can log in to them with the right password and then try wrong ones, so that
//! the shape of success is taken for a refusal on that route, until enough others go on without another password. And where
//! refusals and successes look the same, nothing is learned.

use std::hash::BuildHasher as _;

use super::LoginOutcome;
use super::answer::Attempt;
use super::fields::Found;
use crate::identity::hash::KeyedHash;

/// Routes that are remembered.
const ROUTES: usize = 64;
/// Shapes of answers of one route.
const SHAPES: usize = 8;
/// Accounts of one route whose last attempt is remembered.
const ACCOUNTS: usize = 64;
/// Accounts for which another password followed, from which on a shape is a refusal.
const ENOUGH: u32 = 3;
/// A success is at most one of so many.
const RARE: u32 = 5;
/// Counts are halved when they reach this.
const MANY: u32 = 1 << 12;

/// Answers of one shape.
#[derive(Clone, Copy, Default)]
struct Shape {
    hash: u64,
    answers: u32,
    /// Attempts after it for the same account, with another password.
    others: u32,
    /// Attempts after it for the same account, with the same password.
    repeats: u32,
    begins_session: bool,
}

impl Shape {
    const fn is_refusal(&self) -> bool {
        self.others >= ENOUGH && self.others > self.repeats && self.others.saturating_mul(4) >= self.answers
    }
}

#[derive(Clone, Copy)]
struct Last {
    user: KeyedHash,
    password: KeyedHash,
    shape: u64,
    /// Another password has followed: an account counts once for a shape.
    is_counted: bool,
}

struct Route {
    hash: u64,
    attempts: u32,
    shapes: Vec<Shape>,
    accounts: Vec<Last>,
    next: usize,
}

impl Route {
    const fn new(hash: u64) -> Self {
        Self { hash, attempts: 0, shapes: Vec::new(), accounts: Vec::new(), next: 0 }
    }

    fn shape(&mut self, hash: u64) -> Option<&mut Shape> {
        self.shapes.iter_mut().find(|shape| shape.hash == hash)
    }

    /// Counts an attempt for what was answered to the one before it for the same account.
    fn note(&mut self, user: KeyedHash, password: KeyedHash, shape: u64) {
        let last = Last { user, password, shape, is_counted: false };
        match self.accounts.iter().position(|known| known.user == user) {
            Some(at) => {
                let Some(known) = self.accounts.get_mut(at) else { return };
                let before = *known;
                let is_other = before.password != password;
                *known = Last { is_counted: before.is_counted || is_other, ..last };
                if let Some(shape) = self.shape(before.shape) {
                    if !is_other {
                        shape.repeats = shape.repeats.saturating_add(1);
                    } else if !before.is_counted {
                        shape.others = shape.others.saturating_add(1);
                    }
                }
            }
            None if self.accounts.len() < ACCOUNTS => self.accounts.push(last),
            None => {
                if let Some(place) = self.accounts.get_mut(self.next) {
                    *place = last;
                }
                self.next = self.next.wrapping_add(1) % ACCOUNTS;
            }
        }
    }

    fn count(&mut self, hash: u64, begins_session: bool) {
        self.attempts = self.attempts.saturating_add(1);
        if let Some(shape) = self.shape(hash) {
            shape.answers = shape.answers.saturating_add(1);
        } else {
            let shape = Shape { hash, answers: 1, begins_session, ..Shape::default() };
            if self.shapes.len() < SHAPES {
                self.shapes.push(shape);
            } else if let Some(least) = self.shapes.iter_mut().min_by_key(|shape| shape.answers) {
                *least = shape;
            }
        }
        if self.attempts >= MANY {
            self.attempts /= 2;
            for shape in &mut self.shapes {
                (shape.answers, shape.others) = (shape.answers / 2, shape.others / 2);
                shape.repeats /= 2;
            }
        }
    }

    fn judge(&self, hash: u64) -> LoginOutcome {
        let Some(shape) = self.shapes.iter().find(|shape| shape.hash == hash) else {
            return LoginOutcome::Unknown;
        };
        if shape.is_refusal() {
            return LoginOutcome::Failure;
        }
        let is_rare = shape.answers.saturating_mul(RARE) <= self.attempts;
        let has_refusal = self.shapes.iter().any(Shape::is_refusal);
        if has_refusal && is_rare && shape.begins_session {
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

    /// Learns from an answer, and says what it means where that is not known otherwise.
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
        let shape = self.hasher.hash_one((response.status(), path, begins_session, length, start));
        let hash = self.hasher.hash_one(route);
        let at = self.routes.iter().position(|known| known.hash == hash).unwrap_or_else(|| self.add(hash));
        let Some(route) = self.routes.get_mut(at) else { return outcome };
        route.note(user, password, shape);
        route.count(shape, begins_session);
        if outcome == LoginOutcome::Unknown && response.status() != 429 {
            route.judge(shape)
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
