//! Logins whose password is being looked up in the list of leaked ones: what is needed of them once that is known.

use std::collections::HashMap;

use crate::event::{Exchange, LeakedPassword, Login};
use crate::http::Method;
use crate::identity::KeyedHash;

/// Logins that wait: a few for each password that may be looked up at once.
const WAITING: usize = 4_096;

/// A login that waits.
#[derive(Debug)]
pub(super) struct Late {
    /// What is told if the password is leaked.
    pub(super) login: LeakedPassword,
    pub(super) method: Method,
    /// The first of its exchange, which the inventory counts.
    pub(super) is_first: bool,
}

/// All that wait, by password.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    of: HashMap<KeyedHash, Vec<Late>>,
    count: usize,
    /// Logins that found no place.
    pub(super) lost: u64,
}

impl Waiting {
    /// A login of an exchange.
    pub(super) fn add(&mut self, event: &Exchange<'_>, method: Method, (login, is_first): (&Login, bool)) {
        let Some(password) = login.password else { return };
        if self.count >= WAITING {
            self.lost = self.lost.saturating_add(1);
            return;
        }
        self.count = self.count.saturating_add(1);
        let login = LeakedPassword {
            ts: event.ts,
            seen: event.seen,
            client: event.client,
            method: event.method.map(Into::into),
            route: event.route.map(Into::into),
            status: event.status,
            user: login.user,
            unit: event.unit.map(Into::into),
            proven: event.proven,
        };
        self.of.entry(password).or_default().push(Late { login, method, is_first });
    }

    /// Those with a password.
    pub(super) fn take(&mut self, password: KeyedHash) -> Vec<Late> {
        let late = self.of.remove(&password).unwrap_or_default();
        self.count = self.count.saturating_sub(late.len());
        late
    }
}
