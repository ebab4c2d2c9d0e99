//! The fields of one request, gathered into what may be an attempt.
//!
//! Values are hashed as they come: nothing here holds one.

use super::config::LoginRule;
use super::field::{Field, Secret, WEAK_USER, field, innermost};
use super::place::{Place, Purpose, purpose};
use super::words::Words;
use crate::identity::hash::{Hasher, KeyedHash};

/// What a request tells of a login.
pub(super) struct Fields<'a> {
    hasher: &'a Hasher,
    rule: Option<&'a LoginRule>,
    user: Option<(Rank<u8>, KeyedHash)>,
    secret: Option<(Rank<Secret>, KeyedHash)>,
    /// The name of the first password.
    first: Option<Words>,
    /// There are passwords of different names.
    is_several: bool,
    is_changed: bool,
    is_personal: bool,
    is_other_grant: bool,
    operation: Option<Purpose>,
}

/// How far a field is from the one that is looked for: whether it is guessed, by its name, by its depth. The lower
/// counts; of equals the last, as most servers have it.
type Rank<T> = (bool, T, u8);

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

/// What was found in a request that is an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) user: Option<KeyedHash>,
    pub(super) password: Option<KeyedHash>,
}

impl<'a> Fields<'a> {
    pub(super) const fn new(hasher: &'a Hasher, rule: Option<&'a LoginRule>) -> Self {
        Self {
            hasher,
            rule,
            user: None,
            secret: None,
            first: None,
            is_several: false,
            is_changed: false,
            is_personal: false,
            is_other_grant: false,
            operation: None,
        }
    }

    /// What a field of this name is for; nothing where its value does not matter.
    pub(super) fn role(&self, name: &[u8]) -> Option<Role> {
        let is = |wanted: &Option<String>| {
            let wanted = wanted.as_ref().map(String::as_bytes);
            wanted.is_some_and(|wanted| {
                wanted.eq_ignore_ascii_case(name) || wanted.eq_ignore_ascii_case(innermost(name))
            })
        };
        match self.rule {
            Some(rule) if is(&rule.user_field) => Some(Role::User),
            Some(rule) if is(&rule.password_field) => Some(Role::Password),
            Some(_) | None => field(name).map(Role::Guessed),
        }
    }

    /// A field with its value, so many levels deep.
    pub(super) fn put(&mut self, role: Role, name: &[u8], value: &[u8], depth: u8) {
        match role {
            Role::User => self.put_user(value, (false, 0, depth)),
            Role::Password => self.put_secret(value, (false, Secret::Password, depth)),
            Role::Guessed(Field::User(rank)) => self.put_user(value, (true, rank, depth)),
            Role::Guessed(Field::Secret(secret)) => {
                self.put_secret(value, (true, secret, depth));
                if secret == Secret::Password && !value.is_empty() {
                    self.note_name(name);
                }
            }
            Role::Guessed(Field::Change) => self.is_changed = true,
            Role::Guessed(Field::Personal) => self.is_personal = true,
            // Auth0 has its own grants, such as `http://auth0.com/oauth/grant-type/password-realm`.
            Role::Guessed(Field::Grant) => {
                self.is_other_grant = !value.windows(8).any(|part| part.eq_ignore_ascii_case(b"password"));
            }
            Role::Guessed(Field::Operation) => {
                let purpose = Words::of(value).and_then(|words| purpose(&words));
                self.operation = self.operation.or(purpose);
            }
        }
    }

    /// What a document says that it does, whatever else it names.
    pub(super) const fn put_operation(&mut self, purpose: Purpose) {
        self.operation = Some(purpose);
    }

    /// Whether the route is configured.
    pub(super) const fn is_configured(&self) -> bool {
        self.rule.is_some()
    }

    /// Whether there is a password by its name, which a query may have by mistake only.
    pub(super) fn has_password(&self) -> bool {
        self.secret.is_some_and(|((_, secret, _), _)| secret <= Secret::Short)
    }

    fn put_user(&mut self, value: &[u8], rank: Rank<u8>) {
        if !value.trim_ascii().is_empty() && self.user.is_none_or(|(known, _)| rank <= known) {
            self.user = Some((rank, self.hasher.user(value)));
        }
    }

    fn put_secret(&mut self, value: &[u8], rank: Rank<Secret>) {
        if self.secret.is_none_or(|(known, _)| rank <= known) {
            self.secret = Some((rank, self.hasher.password(value)));
        }
    }

    fn note_name(&mut self, name: &[u8]) {
        let words = Words::of(innermost(name));
        match (&self.first, words) {
            (None, words) => self.first = words,
            (Some(first), Some(words)) => self.is_several |= first.text() != words.text(),
            (Some(_), None) => {}
        }
    }

    /// The attempt that a request to this place is, if it is one.
    pub(super) fn attempt(&self, place: Place) -> Option<Found> {
        if !self.is_attempt(place) {
            return None;
        }
        // Where a name is configured, no other field is meant.
        let only = |wanted: Option<&String>, is_guessed: bool| wanted.is_none() || !is_guessed;
        let user_field = self.rule.and_then(|rule| rule.user_field.as_ref());
        let password_field = self.rule.and_then(|rule| rule.password_field.as_ref());
        let user = self.user.filter(|((is_guessed, _, _), _)| only(user_field, *is_guessed));
        let secret = self.secret.filter(|((is_guessed, _, _), _)| only(password_field, *is_guessed));
        Some(Found { user: user.map(|(_, hash)| hash), password: secret.map(|(_, hash)| hash) })
    }

    fn is_attempt(&self, place: Place) -> bool {
        if self.rule.is_some() {
            return self.user.is_some() || self.secret.is_some();
        }
        if self.is_changed || self.is_personal || self.is_other_grant {
            return false;
        }
        let Some(((_, secret, _), _)) = self.secret else { return false };
        match self.purpose(place) {
            Some(Purpose::Account) => false,
            Some(Purpose::Login) => secret != Secret::Hint || self.user.is_some(),
            None if self.is_several || place.is_collection => false,
            None => match secret {
                Secret::Password => true,
                Secret::Short => self.user.is_some_and(|((_, rank, _), _)| rank < WEAK_USER),
                Secret::Hint | Secret::Code => false,
            },
        }
    }

    fn purpose(&self, place: Place) -> Option<Purpose> {
        self.operation.or(place.purpose)
    }
}
