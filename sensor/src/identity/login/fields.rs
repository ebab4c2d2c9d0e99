//! The fields of one request, collected into possible attempts.
//!
//! Values are hashed immediately; none is kept. A request may try many pairs of user and password: the elements of an
//! array, the fields of a GraphQL document, the calls of a multicall. Each is a [`Unit`] within an enclosing one.

use std::mem;

use super::config::LoginRule;
use super::field::{Field, Secret, WEAK_USER, field, innermost};
use super::place::{self, Place, Purpose, purpose};
use super::places::hash;
pub(super) use super::unit::{Found, Part, Position, Role, Unit};
use super::unit::{Rank, is_code};
use super::words::Words;
use crate::identity::hash::{Hasher, KeyedHash};

/// Maximum attempts of one request reported individually; further ones are only counted.
pub(super) const MAX_ATTEMPTS: usize = 128;

/// What a request tells of logins.
pub(super) struct Fields<'a> {
    hasher: &'a Hasher,
    rule: Option<&'a LoginRule>,
    place: Place,
    /// The account that the path names, where it does.
    of_path: Option<KeyedHash>,
    pub(super) unit: Unit,
    found: &'a mut Vec<Found>,
    uncounted: u32,
    has_rest: bool,
}

impl<'a> Fields<'a> {
    /// Attempts go to `found`, which is cleared.
    pub(super) fn new(hasher: &'a Hasher, rule: Option<&'a LoginRule>, found: &'a mut Vec<Found>) -> Self {
        found.clear();
        Self {
            hasher,
            rule,
            place: Place::default(),
            of_path: None,
            unit: Unit::default(),
            found,
            uncounted: 0,
            has_rest: false,
        }
    }

    /// Something was left unread.
    pub(super) const fn note_rest(&mut self) {
        self.has_rest = true;
    }

    /// Whether something was left unread.
    pub(super) const fn has_rest(&self) -> bool {
        self.has_rest
    }

    /// Sets the request's place, and the account in its path.
    pub(super) fn put_place(&mut self, place: Place, account: Option<&[u8]>) {
        self.place = place;
        self.of_path = account.map(|account| self.hasher.user(account));
    }

    /// Whether it matters that there is a button to log in with: where accounts are kept, too.
    pub(super) const fn wants_button(&self) -> bool {
        self.place.is_collection && !self.unit.has_button
    }

    /// A field of a form whose name or value may say that one logs in, as the names of buttons do.
    pub(super) fn note_button(&mut self, name: &[u8], value: &[u8]) {
        if !self.wants_button() {
            return;
        }
        let Some(words) = Words::of(innermost(name)) else { return };
        let names_it = words.any(place::is_login) && words.iter().nth(1).is_some() && field(name).is_none();
        let is_button = words
            .any(|word| matches!(word, b"login" | b"signin" | b"submit" | b"button" | b"btn" | b"commit"));
        let says_it = || Words::of(value).is_some_and(|words| words.any(place::is_login));
        self.unit.has_button = names_it || is_button && says_it();
    }

    /// Values by their position, as in `["alice", "secret"]`: those of a call that logs in. What stands behind a password
    /// is no text or a number of one digit or two; of more than two texts the last two are meant, before which the
    /// database stands.
    pub(super) fn put_positions(&mut self, positions: &[Position]) {
        let is_login = self.unit.operation.or(self.place.purpose) == Some(Purpose::Login);
        if !is_login || self.unit.secret.is_some() {
            return;
        }
        let texts = match positions.iter().rposition(|position| !position.is_flag) {
            Some(last) => positions.get(..=last).unwrap_or_default(),
            None => return,
        };
        let rank = (true, Secret::Password, 0);
        self.unit.is_positional = true;
        match texts {
            [.., user, password] => {
                self.put_position(user);
                self.unit.secret = Some((rank, password.password));
            }
            [password] => self.unit.secret = Some((rank, password.password)),
            [] => {}
        }
    }

    fn put_position(&mut self, user: &Position) {
        if self.unit.user.is_none_or(|((_, rank, _), _)| rank >= WEAK_USER) {
            self.unit.user = Some(((true, 0, 0), user.user));
        }
    }

    /// The possible role of a positional value.
    pub(super) fn position(&self, text: &str) -> Position {
        let is_flag = text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let (user, password) = self.hashes(text.as_bytes());
        Position { user, password, is_flag }
    }

    /// The role of a field with this name; none if its value does not matter.
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

    /// Adds a field with its value at a depth.
    pub(super) fn put(&mut self, role: Role, name: &[u8], value: &[u8], depth: u8) {
        match role {
            Role::User => self.put_user(value, (false, 0, depth)),
            Role::Password => self.put_secret(value, (false, Secret::Password, depth)),
            Role::Guessed(Field::User(rank)) => self.put_user(value, (true, rank, depth)),
            Role::Guessed(Field::Secret(Secret::Code)) if !is_code(value) => {}
            Role::Guessed(Field::Secret(secret)) => {
                self.put_secret(value, (true, secret, depth));
                if secret == Secret::Password && !value.is_empty() {
                    self.note_name(name);
                }
            }
            // Forms for both purposes leave the other's fields empty.
            Role::Guessed(Field::Change) => self.unit.is_changed |= !value.is_empty(),
            Role::Guessed(Field::Personal) => self.unit.is_personal |= !value.is_empty(),
            // Auth0 has its own grants, such as `http://auth0.com/oauth/grant-type/password-realm`.
            Role::Guessed(Field::Grant) => {
                self.unit.is_other_grant =
                    !value.windows(8).any(|part| part.eq_ignore_ascii_case(b"password"));
            }
            Role::Guessed(Field::Operation) => {
                let purpose = Words::of(value).and_then(|words| purpose(&words));
                self.unit.operation = self.unit.operation.or(purpose);
            }
        }
    }

    /// Adds a field whose value is already hashed.
    pub(super) fn put_hashed(&mut self, role: Role, user: KeyedHash, password: KeyedHash) {
        match role {
            Role::User => self.unit.user = Some(((false, 0, 0), user)),
            Role::Guessed(Field::User(rank)) => self.unit.user = Some(((true, rank, 0), user)),
            Role::Password => self.unit.secret = Some(((false, Secret::Password, 0), password)),
            Role::Guessed(Field::Secret(secret)) => self.unit.secret = Some(((true, secret, 0), password)),
            Role::Guessed(_) => {}
        }
    }

    /// The declared purpose of a document, whatever else it mentions.
    pub(super) const fn put_operation(&mut self, purpose: Purpose) {
        self.unit.operation = Some(purpose);
    }

    /// What a part that waits does, for what stands around it.
    pub(super) fn put_purpose_of(&mut self, part: Unit) {
        self.unit.operation = self.unit.operation.or(part.operation);
    }

    /// The hashes of a value as a user and as a password, for values whose part is not known yet.
    pub(super) fn hashes(&self, value: &[u8]) -> (KeyedHash, KeyedHash) {
        (self.hasher.user(value), self.hasher.password(value))
    }

    /// Whether the route is configured.
    pub(super) const fn is_configured(&self) -> bool {
        self.rule.is_some()
    }

    /// Whether there is a field named like a password, which a query should not have.
    pub(super) fn has_password(&self) -> bool {
        self.unit.secret.is_some_and(|((_, secret, _), _)| secret <= Secret::Short)
    }

    fn put_user(&mut self, value: &[u8], rank: Rank<u8>) {
        if !value.trim_ascii().is_empty() && self.unit.user.is_none_or(|(known, _)| rank <= known) {
            self.unit.user = Some((rank, self.hasher.user(value)));
        }
    }

    /// Any other password replaces an empty one: scripts send the hash in a separate field.
    fn put_secret(&mut self, value: &[u8], rank: Rank<Secret>) {
        let is_empty = value.is_empty();
        let is_digits = is_code(value);
        let (was_empty, known) = (self.unit.is_empty, self.unit.secret);
        let is_better = known.is_none_or(|(known, _)| rank <= known);
        let is_read = match (known.is_some(), was_empty, is_empty) {
            (false, _, _) | (true, true, false) => true,
            (true, false, true) => false,
            (true, _, _) => is_better,
        };
        if is_read {
            self.unit.secret = Some((rank, self.hasher.password(value)));
            (self.unit.is_empty, self.unit.is_digits) = (is_empty, is_digits);
        }
    }

    fn note_name(&mut self, name: &[u8]) {
        let Some(words) = Words::of(innermost(name)) else { return };
        let name = hash(words.text());
        match self.unit.first {
            None => self.unit.first = Some(name),
            Some(first) => self.unit.is_several |= first != name,
        }
    }

    /// Starts a part that may be a separate attempt; returns the enclosing unit.
    pub(super) fn open(&mut self) -> Unit {
        mem::take(&mut self.unit)
    }

    /// Ends a part.
    pub(super) fn close(&mut self, outer: Unit, part: Part) {
        let inner = mem::replace(&mut self.unit, outer);
        if inner.has_secret() {
            self.tell(inner.within(&outer), part);
        } else {
            self.unit.absorb(inner);
        }
    }

    fn tell(&mut self, unit: Unit, part: Part) {
        let Some(found) = self.attempt(unit, part) else { return };
        if self.found.len() < MAX_ATTEMPTS {
            self.found.push(found);
        } else {
            self.uncounted = self.uncounted.saturating_add(1);
        }
    }

    /// Ends the request: what is told by it as a whole. How many attempts there were besides those that are in `found`.
    pub(super) fn finish(mut self) -> u32 {
        let whole = self.unit;
        if whole.is_changed || whole.is_personal {
            self.found.clear();
            self.uncounted = 0;
        }
        // A user that comes after the passwords.
        self.found.iter_mut().for_each(|found| found.user = found.user.or(whole.user()));
        let secret = whole.secret.map(|(_, secret)| secret);
        let is_known = self.found.iter().any(|found| found.password == secret);
        let is_news = secret.is_some() && !is_known;
        if is_news || (self.rule.is_some() && self.found.is_empty()) {
            self.tell(whole, Part::default());
        }
        self.uncounted
    }

    fn attempt(&self, unit: Unit, part: Part) -> Option<Found> {
        if !self.is_attempt(unit) {
            return None;
        }
        // A configured name excludes all others.
        let only = |wanted: Option<&String>, is_guessed: bool| wanted.is_none() || !is_guessed;
        let user_field = self.rule.and_then(|rule| rule.user_field.as_ref());
        let password_field = self.rule.and_then(|rule| rule.password_field.as_ref());
        // The number of a call is no account.
        let is_number = |rank: u8| unit.is_positional && rank >= WEAK_USER;
        let user =
            unit.user.filter(|((is_guessed, rank, _), _)| only(user_field, *is_guessed) && !is_number(*rank));
        let secret = unit.secret.filter(|((is_guessed, _, _), _)| only(password_field, *is_guessed));
        let is_code = unit.is_code();
        let of_path = self.of_path.filter(|_| !is_code);
        let user = user.map(|(_, hash)| hash).or(of_path);
        Some(Found { user, password: secret.map(|(_, hash)| hash), part, is_code })
    }

    fn is_attempt(&self, unit: Unit) -> bool {
        if self.rule.is_some() {
            return unit.user.is_some() || unit.secret.is_some();
        }
        if unit.is_changed || unit.is_personal || unit.is_other_grant {
            return false;
        }
        let Some(((_, secret, _), _)) = unit.secret else { return false };
        match unit.operation.or(self.place.purpose) {
            Some(Purpose::Account) => false,
            Some(Purpose::Login) => {
                let is_code = self.place.is_second_factor && unit.is_digits;
                secret != Secret::Hint || unit.user.is_some() || is_code
            }
            None if self.place.is_check && secret == Secret::Code => true,
            None if unit.is_several => false,
            None if self.place.is_collection => unit.has_button && secret == Secret::Password,
            None => match secret {
                Secret::Password => true,
                Secret::Short => unit.user.is_some_and(|((_, rank, _), _)| rank < WEAK_USER),
                Secret::Hint | Secret::Code => false,
            },
        }
    }
}
