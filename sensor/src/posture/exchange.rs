//! What one exchange says about its row.

use std::sync::Arc;

use super::fact::{Fact, Facts, Second};
use super::heads::{self, About};
use super::inventory::Seen;
use super::row::{MAX_SHAPES, Media, Row, Shapes};
use super::shape::Shape;
use super::{names, path};
use crate::event::{Exchange, MediaType, Source};
use crate::identity;

/// Longest body that is read.
const MAX_BODY: usize = 256 << 10;
/// What decompression costs, in bytes read.
const INFLATION: usize = 4;

/// Who asked, over what, and whether that was refused.
#[inline]
pub(super) fn access(row: &mut Row, event: &Exchange<'_>, status: u16, now: Second) -> About {
    if event.source == Source::Log {
        // A log tells neither credentials nor how they came.
        return About { now, is_tls: false, is_clear: false, has_credentials: false };
    }
    let facts = &mut row.facts;
    let (is_ok, is_refused) = (matches!(status, 200..=299), matches!(status, 401 | 403));
    let has_credentials = event.principal.is_some();
    let is_login = event.login.is_some();
    if let Some(principal) = event.principal {
        facts.note(fact_of(principal.kind()), now);
        if is_ok {
            facts.note(Fact::CredentialsOk, now);
        } else if is_refused {
            facts.note(Fact::CredentialsRefused, now);
        }
    } else if !is_login {
        facts.note(Fact::Anonymous, now);
        if is_ok {
            facts.note(Fact::AnonymousOk, now);
        } else if is_refused {
            facts.note(Fact::AnonymousRefused, now);
        }
    }
    if is_login {
        facts.note(Fact::Login, now);
    }
    if let Some(is_leaked) = event.login.and_then(|login| login.leaked) {
        looked_up(facts, is_leaked, now);
    }
    if status == 429 {
        facts.note(Fact::TooMany, now);
    }
    let is_tls = event.source == Source::Tls;
    let is_clear = !is_tls && event.peer.is_none() && !event.client.is_loopback();
    if is_tls {
        let is_13 = event.tls.as_ref().is_some_and(|tls| tls.version == "1.3");
        facts.note(if is_13 { Fact::Tls13 } else { Fact::Tls12 }, now);
    } else if is_clear {
        facts.note(Fact::Clear, now);
        if is_ok {
            facts.note(Fact::ClearOk, now);
        }
        if has_credentials || is_login {
            facts.note(Fact::ClearCredentials, now);
        }
    } else {
        facts.note(Fact::Inside, now);
    }
    About { now, is_tls, is_clear, has_credentials }
}

/// A password was looked up in the list of leaked ones.
pub(super) fn looked_up(facts: &mut Facts, is_leaked: bool, now: Second) {
    facts.note(Fact::LoginChecked, now);
    if is_leaked {
        facts.note(Fact::LoginLeaked, now);
    }
}

const fn fact_of(kind: identity::Kind) -> Fact {
    match kind {
        identity::Kind::Jwt => Fact::Jwt,
        identity::Kind::ApiKey => Fact::ApiKey,
        identity::Kind::Basic => Fact::Basic,
        identity::Kind::Bearer => Fact::Bearer,
        identity::Kind::Session | identity::Kind::User | identity::Kind::Password => Fact::Session,
    }
}

/// Hosts, media types, headers; parameters, where their shapes may be changed.
pub(super) fn message(row: &mut Row, seen: &Seen<'_>, status: u16, (about, has_shapes): (About, bool)) {
    let Seen { event, exchange, redactor, .. } = *seen;
    if status < 400
        && let Some(host) =
            event.host.as_ref().and_then(|host| host.shown().map(|text| text.to_ascii_lowercase()))
    {
        row.note_host(&host);
    }
    let has_body = |length: Option<u64>| length != Some(0);
    if let Some(media) =
        event.content_type.as_ref().and_then(MediaType::shown).filter(|_| has_body(event.request_bytes))
    {
        row.note_media(Media::Request, &media.to_ascii_lowercase());
    }
    let (Some(request), Some(response)) = (exchange.request, exchange.response) else { return };
    if let Some(media) = response.content_type().filter(|_| has_body(event.response_bytes)) {
        let media = MediaType::new(media, redactor);
        if let Some(shown) = media.shown() {
            let place = if status < 400 { Media::Answer } else { Media::Error };
            row.note_media(place, &shown.to_ascii_lowercase());
        }
    }
    if event.source != Source::Log {
        heads::note(row, request, response, about);
    }
    if status < 400 && has_shapes {
        let shapes = Arc::make_mut(&mut row.shapes);
        let mut room = shapes.room();
        if path::note(shapes, event.route.unwrap_or_default(), request, &mut room) {
            row.facts.note(Fact::Paged, about.now);
        }
        let shapes = Arc::make_mut(&mut row.shapes);
        shapes.size = MAX_SHAPES.saturating_sub(room);
    }
}

/// Reads an answer in JSON; the bytes of that, and of a long list whether its next part is named.
pub(super) fn answer(
    shapes: &mut Shapes,
    seen: &Seen<'_>,
    status: u16,
    (buffer, room): (&mut Vec<u8>, &mut usize),
) -> (usize, Option<bool>) {
    let Some(response) = seen.exchange.response else { return (0, None) };
    let is_json = response.content_type().is_some_and(names::is_json);
    let target: &mut Shape = match status {
        200..=299 => &mut shapes.answer,
        400..=599 => &mut shapes.error,
        _ => return (0, None),
    };
    if !is_json || response.message().body().is_empty() {
        return (0, None);
    }
    let is_coded = response.message().content_encoding().is_some();
    let text =
        if is_coded { seen.exchange.decode_spare_response(buffer).0 } else { response.message().body() };
    let text = text.get(..MAX_BODY).unwrap_or(text);
    let read = target.json(text, room);
    let list = (read.longest > LONG_LIST && status < 300).then(|| names::has_next(target));
    (text.len().saturating_mul(if is_coded { INFLATION } else { 1 }), list)
}

/// Entries of a list from which on a client should be able to ask for a part of it. APIs that have pages give 20 to 100
/// by default (GitHub 30, Stripe 10, Google 50 to 100), and 100 at most of each.
const LONG_LIST: u32 = 100;
