//! What a request asks for, as the knowledge of objects takes it.

use std::hash::BuildHasher as _;

use super::known::{Ask, Outcome, Who};
use super::object::Value;
use super::{Access, plain};
use crate::event::{Exchange, Host};
use crate::identity::Kind;

/// Longest part of a path that names an object.
const MAX_OBJECT: usize = 512;

/// Whether a page of another site may have had a browser ask for it in its user's name. Browsers add cookies and the user of
/// basic authentication by themselves; keys and tokens in headers they do not (Fetch, section 2.2.2, "CORS-safelisted"), and
/// in addresses the page would have to know them. So whoever sends these claims it in vain.
pub(super) fn may_be_of_another_site(exchange: &Exchange<'_>) -> bool {
    let kind = exchange.principal.map(|principal| principal.kind());
    exchange.cross_site && !matches!(kind, Some(Kind::ApiKey | Kind::Bearer))
}

impl Access {
    /// The request as the knowledge takes it. Hosts are told apart: tenants have the same numbers.
    pub(super) fn ask(
        &self,
        exchange: &Exchange<'_>,
        value: Option<Value<'_>>,
        (who, outcome): (Option<Who>, Outcome),
    ) -> Option<Ask> {
        let route = exchange.route?;
        let template = self.hasher.hash_one(route);
        let function = self.hasher.hash_one((exchange.method, template));
        let mut ask = Ask {
            who,
            template,
            function: u32::try_from(function >> 32).unwrap_or_default().max(1),
            object: None,
            number: None,
            is_guessable: false,
            is_polluted: false,
            outcome,
            now: exchange.seen,
        };
        if let Some(value) = value.filter(|value| value.object.len() <= MAX_OBJECT) {
            let host = exchange.host.as_ref().map_or("", Host::whole);
            ask.object = Some(self.hasher.hash_one((host, template, value.object)));
            ask.number = value.number;
            ask.is_guessable = is_guessable(outcome, &value);
        } else if !route.contains('{')
            && let Some(parameter) = exchange.query_keys.identifier()
        {
            ask.is_polluted = exchange.query_keys.identifier_again().is_some();
            ask = self.of_parameter(exchange, ask, parameter);
        }
        Some(ask)
    }

    /// The same for the other value of a parameter that came twice: which of them the server takes is not seen, and one may
    /// be the principal's own.
    pub(super) fn again(&self, exchange: &Exchange<'_>, ask: &Ask) -> Option<Ask> {
        let other = exchange.query_keys.identifier_again().filter(|_| ask.is_polluted)?;
        Some(self.of_parameter(exchange, *ask, other))
    }

    fn of_parameter(&self, exchange: &Exchange<'_>, ask: Ask, (name, value): (&[u8], &[u8])) -> Ask {
        let host = exchange.host.as_ref().map_or("", Host::whole);
        let (name, value) = (plain::value(name), plain::value(value));
        let object = self.hasher.hash_one((host, ask.template, name, &value));
        let value = Value::alone(&value);
        let (number, is_guessable) = (value.number, is_guessable(ask.outcome, &value));
        Ask { object: Some(object), number, is_guessable, ..ask }
    }
}

/// Whether an object may be found by trying: asked only of those that are missing.
fn is_guessable(outcome: Outcome, value: &Value<'_>) -> bool {
    outcome == Outcome::Missing && !value.is_unguessable()
}
