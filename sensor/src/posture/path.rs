//! Parameters of the path and of the query.

use std::borrow::Cow;

use super::row::Shapes;
use super::shape::{Shape, Types, is_name};
use crate::http::Request;
use crate::values::{decode, name_and_value};

/// Parameters of a query that are looked at.
const MAX_PARAMETERS: usize = 32;
/// Parameters of a path.
const MAX_PARTS: usize = 16;

/// Names that ask for a part of a list.
const PAGES: [&str; 22] = [
    "page",
    "limit",
    "offset",
    "cursor",
    "per_page",
    "perpage",
    "page_size",
    "pagesize",
    "size",
    "skip",
    "top",
    "$top",
    "$skip",
    "start",
    "count",
    "first",
    "after",
    "before",
    "pagetoken",
    "page_token",
    "starting_after",
    "marker",
];

/// Notes the parameters of a request; whether one asks for a part of a list.
pub(super) fn note(shapes: &mut Shapes, route: &str, request: Request<'_>, room: &mut usize) -> bool {
    shapes.requests = shapes.requests.saturating_add(1);
    for (place, text) in parameters(route, request.path()).take(MAX_PARTS).enumerate() {
        if shapes.path.len() <= place {
            let Some(left) = room.checked_sub(1) else { break };
            *room = left;
            shapes.path.push(Shape::default());
        }
        if let Some(shape) = shapes.path.get_mut(place) {
            shape.text(&text);
        }
    }
    request.query().is_some_and(|query| pairs(&mut shapes.query, query, room))
}

/// Notes names and types of a query or a form, as members of an object; whether one asks for a part of a list.
pub(super) fn pairs(shape: &mut Shape, text: &[u8], room: &mut usize) -> bool {
    shape.seen = shape.seen.saturating_add(1);
    shape.objects = shape.objects.saturating_add(1);
    shape.types.add(Types::OBJECT);
    let mut names: Vec<Cow<'_, str>> = Vec::new();
    let mut is_paged = false;
    let parts = text.split(|byte| *byte == b'&').filter(|part| part.contains(&b'='));
    for part in parts.take(MAX_PARAMETERS) {
        let (name, value) = name_and_value(part);
        let (name, value) = (decoded(name), decoded(value));
        // What is no name may be a value: it is told by nobody.
        if !is_name(&name) {
            continue;
        }
        is_paged |= PAGES.iter().any(|page| name.eq_ignore_ascii_case(page));
        let is_repeated = names.contains(&name);
        if let Some(member) = shape.member(&name, room) {
            if is_repeated {
                member.types.add(Types::ARRAY);
            } else {
                member.text(&value);
            }
        }
        names.push(name);
    }
    is_paged
}

fn decoded(text: &[u8]) -> Cow<'_, str> {
    if memchr::memchr2(b'%', b'+', text).is_none() {
        return String::from_utf8_lossy(text);
    }
    String::from_utf8_lossy(decode(text, &mut Vec::new())).into_owned().into()
}

/// The parts of a path that stand for parameters of its template.
fn parameters<'p>(route: &'p str, path: &'p [u8]) -> impl Iterator<Item = Cow<'p, str>> {
    let own = path.split(|byte| *byte == b'/');
    route.split('/').zip(own).filter_map(|(template, text)| {
        let text =
            if memchr::memchr(b'%', text).is_some() { decoded(text) } else { String::from_utf8_lossy(text) };
        let (before, rest) = template.split_once('{')?;
        let (_, after) = rest.split_once('}')?;
        let bare = text.strip_prefix(before)?.strip_suffix(after)?;
        Some(bare.to_owned().into())
    })
}
