//! What simulated exchanges give away: of legitimate ones a user's own record and ordinary documents, of attacks what they
//! are named after.

use sensor::event::{Exposed, Finding};
use sensor::inspect::{Answer, Confidence, Document, FieldName, Kind, Side};
use sensor::values::Place;

use super::record::{Origin, SimExchange};
use super::routes::Route;

/// An ordinary document.
const ORDINARY: Document = Document {
    batch: 1,
    tokens: 150,
    depth: 5,
    fields: 30,
    aliases: 3,
    directives: 1,
    cost: 600,
    has_cycle: false,
    introspects: false,
    is_beyond: false,
};

/// One that asks for the same under many names.
const EXPENSIVE: Document =
    Document { aliases: 800, fields: 2_400, tokens: 9_000, cost: 2_000_000, ..ORDINARY };

/// What inspection says of a token without a signature.
pub(super) fn forged() -> [Finding; 1] {
    [Finding {
        kind: Kind::TokenMisuse,
        class: "forged",
        side: Side::Request,
        place: Place::Header,
        name: FieldName::of(b""),
        rule: "unsigned",
        confidence: Confidence::percent(95),
        field: 0,
    }]
}

/// What an exchange gives away.
pub(super) fn of<'f>(exchange: &SimExchange, forged: &'f [Finding]) -> (&'f [Finding], Exposed<'static>) {
    let is_attack = exchange.origin == Origin::Attack;
    let mut exposed = Exposed::default();
    let records = |ibans, mails| Some(Answer { records: [0, ibans, 0, 0, mails], fields: &[] });
    let (route, is_answered) = (exchange.route, exchange.status == 200);
    if matches!(route, Route::Profile) && is_attack {
        return (forged, exposed);
    }
    if matches!(route, Route::Customers) && is_answered {
        exposed.answer = records(8, 8);
    } else if matches!(route, Route::Orders | Route::UserOrders) && is_answered {
        exposed.answer = records(1, 1);
    } else if matches!(route, Route::Graphql) {
        exposed.document = Some(if is_attack { EXPENSIVE } else { ORDINARY });
    }
    (&[], exposed)
}
