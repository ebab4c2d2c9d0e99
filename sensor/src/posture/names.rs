//! Bodies of requests, and what the names of fields tell.

use super::inventory::Seen;
use super::path;
use super::row::Shapes;
use super::shape::Shape;
use crate::values;

/// Longest body that is read.
const MAX_BODY: usize = 256 << 10;

/// Names of members that tell where the next part of a list is.
const NEXT: [&str; 16] = [
    "next",
    "next_page",
    "nextpage",
    "next_cursor",
    "nextcursor",
    "next_page_token",
    "nextpagetoken",
    "cursor",
    "has_more",
    "hasmore",
    "has_next",
    "hasnextpage",
    "pageinfo",
    "pagination",
    "paging",
    "links",
];

/// Kinds of data that the name of a field tells, each with words that are the name or a part of it between `_`, `-` and
/// capitals. Those that privacy law names (GDPR, articles 4 and 9), and credentials.
const KINDS: [(&str, &[&str]); 9] = [
    ("password", &["password", "passwd", "pwd", "passphrase"]),
    ("token", &["token", "secret", "apikey", "jwt", "otp", "totp"]),
    ("mail", &["email", "mail"]),
    ("phone", &["phone", "mobile", "msisdn"]),
    ("address", &["street", "postcode", "zip", "zipcode"]),
    ("birth", &["birthday", "birthdate", "dob"]),
    ("card", &["card", "cvv", "cvc", "pan"]),
    ("iban", &["iban", "bic", "swift"]),
    ("national-id", &["ssn", "passport", "taxid", "nino"]),
];

/// Whether a media type is JSON.
pub(super) fn is_json(media: &[u8]) -> bool {
    let essence = media.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let end = essence.get(essence.len().saturating_sub(4)..).unwrap_or_default();
    end.eq_ignore_ascii_case(b"json")
}

/// Reads the body of a request that was accepted; the bytes of that.
pub(super) fn request(shapes: &mut Shapes, seen: &Seen<'_>, status: u16, room: &mut usize) -> usize {
    let Some(request) = seen.exchange.request.filter(|_| status < 400) else { return 0 };
    let body = request.message().body();
    // Compressed requests are rare, and what decompression may cost is kept for attempts to log in.
    if body.is_empty() || request.content_encoding().is_some() {
        return 0;
    }
    let body = body.get(..MAX_BODY).unwrap_or(body);
    let media = request.content_type().unwrap_or_default();
    let is_form =
        media.get(..33).is_some_and(|start| start.eq_ignore_ascii_case(b"application/x-www-form-urlencoded"));
    if is_json(media) {
        let _whole = shapes.json.json(body, room);
    } else if is_form {
        let _paged = path::pairs(&mut shapes.form, body, room);
    } else if let Some(values::Shape::Multipart(boundary)) = values::Shape::of(Some(media), body) {
        multipart(&mut shapes.form, body, boundary, room);
    } else {
        return 0;
    }
    body.len()
}

fn multipart(shape: &mut Shape, body: &[u8], boundary: &[u8], room: &mut usize) {
    shape.seen = shape.seen.saturating_add(1);
    shape.objects = shape.objects.saturating_add(1);
    for part in values::parts(body, boundary) {
        let name = String::from_utf8_lossy(part.name().unwrap_or_default());
        if !super::shape::is_name(&name) {
            continue;
        }
        if let Some(member) = shape.member(&name, room) {
            match std::str::from_utf8(part.content) {
                Ok(text) if part.file_name().is_none() => member.text(text),
                _ => member.string("-"),
            }
        }
    }
}

/// Whether a list, or what is around it, tells where its next part is.
pub(super) fn has_next(shape: &Shape) -> bool {
    shape.members.iter().any(|(name, _)| {
        let name = name.trim_start_matches(['_', '@', '$']);
        NEXT.iter().any(|next| name.eq_ignore_ascii_case(next))
    })
}

/// The kinds of data that the names of a shape's members tell, in the order of [`KINDS`].
pub(super) fn kinds(shapes: &[&Shape]) -> Vec<&'static str> {
    let mut found = [false; KINDS.len()];
    for shape in shapes {
        shape.names(|name| note(&words(name), &mut found));
    }
    KINDS.iter().zip(found).filter(|(_, found)| *found).map(|((kind, _), _)| *kind).collect()
}

/// Notes the kinds that words tell.
fn note(words: &[String], found: &mut [bool; KINDS.len()]) {
    for ((_, known), found) in KINDS.iter().zip(found) {
        *found |= words.iter().any(|word| known.contains(&word.as_str()));
    }
}

/// The words of a name, in lower case, and all of it in one.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for character in name.chars() {
        let is_letter = character.is_alphanumeric();
        if (!is_letter || character.is_uppercase()) && words.last().is_some_and(|word| !word.is_empty()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| is_letter) {
            word.extend(character.to_lowercase());
        }
    }
    words.push(
        name.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect(),
    );
    words
}
