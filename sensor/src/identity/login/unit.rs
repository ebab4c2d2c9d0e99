//! A possible login attempt, collected from fields.

use super::field::{Field, Secret};
use super::place::Purpose;
use crate::identity::hash::KeyedHash;

/// A possible attempt.
#[derive(Clone, Copy, Default)]
pub(super) struct Unit {
    pub(super) user: Option<(Rank<u8>, KeyedHash)>,
    pub(super) secret: Option<(Rank<Secret>, KeyedHash)>,
    /// The hash of the name of the first password.
    pub(super) first: Option<u64>,
    /// There are passwords of different names.
    pub(super) is_several: bool,
    /// The password is empty.
    pub(super) is_empty: bool,
    /// It may be a code of a second factor.
    pub(super) is_digits: bool,
    pub(super) is_changed: bool,
    pub(super) is_personal: bool,
    pub(super) is_other_grant: bool,
    /// A field or a button indicates a login.
    pub(super) has_button: bool,
    /// Its values are positional.
    pub(super) is_positional: bool,
    pub(super) operation: Option<Purpose>,
}

/// How well a field matches: configured or guessed, by its name, by its depth. The lowest wins; of equals the last, as in
/// most servers.
pub(super) type Rank<T> = (bool, T, u8);

/// What a value is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// By its name.
    Guessed(Field),
    /// As configured.
    User,
    /// As configured.
    Password,
}

impl Role {
    pub(super) const fn is_user(self) -> bool {
        matches!(self, Self::User | Self::Guessed(Field::User(_)))
    }

    pub(super) const fn is_secret(self) -> bool {
        matches!(self, Self::Password | Self::Guessed(Field::Secret(_)))
    }
}

/// The part of a request that an attempt was in, to find its part of the response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// Of a batch, counted from 0.
    pub(super) element: u16,
    /// The hash of the name that a field of a GraphQL document has in the answer.
    pub(super) field: Option<u64>,
}

/// A positional value.
#[derive(Clone, Copy)]
pub(super) struct Position {
    pub(super) user: KeyedHash,
    pub(super) password: KeyedHash,
    /// It is probably a flag or a mode.
    pub(super) is_flag: bool,
}

/// An attempt found in a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) user: Option<KeyedHash>,
    pub(super) password: Option<KeyedHash>,
    pub(super) part: Part,
    /// It is the code of a second factor.
    pub(super) is_code: bool,
}

impl Unit {
    /// What it is within something larger.
    pub(super) fn within(self, outer: &Self) -> Self {
        let operation = match (self.operation, outer.operation) {
            (Some(Purpose::Account), _) | (_, Some(Purpose::Account)) => Some(Purpose::Account),
            (own, outer) => own.or(outer),
        };
        Self {
            user: self.user.or(outer.user),
            is_changed: self.is_changed || outer.is_changed,
            is_personal: self.is_personal || outer.is_personal,
            is_other_grant: self.is_other_grant || outer.is_other_grant,
            has_button: self.has_button || outer.has_button,
            operation,
            ..self
        }
    }

    /// Merges a part that was not a separate attempt.
    pub(super) fn absorb(&mut self, part: Self) {
        if part.user.is_some_and(|(rank, _)| self.user.is_none_or(|(known, _)| rank <= known)) {
            self.user = part.user;
        }
        self.is_changed |= part.is_changed;
        self.is_personal |= part.is_personal;
        self.is_other_grant |= part.is_other_grant;
        self.has_button |= part.has_button;
        self.operation = self.operation.or(part.operation);
    }

    /// Whether its secret is the code of a second factor.
    pub(super) fn is_code(&self) -> bool {
        self.secret.is_some_and(|((_, secret, _), _)| match secret {
            Secret::Code => true,
            Secret::Hint => self.is_digits && self.user.is_none(),
            Secret::Password | Secret::Short => false,
        })
    }

    pub(super) const fn has_secret(&self) -> bool {
        self.secret.is_some()
    }

    pub(super) const fn has_no_operation(&self) -> bool {
        self.operation.is_none()
    }

    pub(super) fn has_password_of(&self, password: KeyedHash) -> bool {
        self.secret.is_some_and(|(_, known)| known == password)
    }

    pub(super) const fn without_secret(self) -> Self {
        Self { secret: None, ..self }
    }

    pub(super) const fn user(&self) -> Option<KeyedHash> {
        match self.user {
            Some((_, user)) => Some(user),
            None => None,
        }
    }
}

/// Whether a value may be the code of a second factor: four to ten digits, perhaps in groups.
pub(super) fn is_code(value: &[u8]) -> bool {
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    (4..=10).contains(&digits)
        && value.len() <= 14
        && value.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b' ' | b'-'))
}
