//! The name of the field that a value is in: the JSON key, the XML element, the form parameter, or the preceding words of a
//! text.

/// What the name of a field says about a number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Context {
    /// That it is a card number.
    Card,
    /// Nothing.
    Open,
    /// That it is something other than a card number.
    Otherwise,
}

/// How far back to look for a name.
const REACH: usize = 64;

const CARD: [&[u8]; 12] = [
    b"card",
    b"pan",
    b"ccn",
    b"cc_num",
    b"ccnum",
    b"creditcard",
    b"visa",
    b"mastercard",
    b"amex",
    b"debit",
    b"karte",
    b"tarjeta",
];

const OTHERWISE: [&[u8]; 58] = [
    b"order",
    b"invoice",
    b"track",
    b"ship",
    b"parcel",
    b"sku",
    b"ean",
    b"gtin",
    b"isbn",
    b"upc",
    b"phone",
    b"tel",
    b"mobile",
    b"fax",
    b"time",
    b"date",
    b"stamp",
    b"serial",
    b"imei",
    b"iccid",
    b"imsi",
    b"barcode",
    b"batch",
    b"lot",
    b"uuid",
    b"guid",
    b"hash",
    b"sum",
    b"cursor",
    b"seq",
    b"version",
    b"build",
    b"amount",
    b"price",
    b"total",
    b"lat",
    b"lon",
    b"lng",
    b"ticket",
    b"transaction",
    b"reference",
    b"offset",
    b"size",
    b"length",
    b"count",
    b"nonce",
    b"etag",
    b"product",
    b"item",
    b"customer",
    b"account",
    b"article",
    b"session",
    b"request",
    b"trace",
    b"span",
    b"random",
    b"revision",
];

/// What a name says about a number that looks like a card number.
pub(super) fn context(name: &[u8]) -> Context {
    let mut room = [0_u8; REACH];
    let lower = lower(name, &mut room);
    let has = |words: &[&[u8]]| words.iter().any(|word| lower.windows(word.len()).any(|part| part == *word));
    let is_id = lower == b"id" || lower.ends_with(b"_id") || lower.ends_with(b"-id") || name.ends_with(b"Id");
    // "card_id", "card_ref" are names of something else; "company" has "pan".
    let is_card = has(&CARD)
        && !(lower.len() > 3
            && has(&[b"pan"])
            && !has(CARD.get(..1).unwrap_or_default())
            && !lower.ends_with(b"pan")
            && !lower.starts_with(b"pan_"));
    match (is_id || lower == b"ref" || lower == b"ts" || has(&OTHERWISE), is_card) {
        (false, true) => Context::Card,
        (true, true) if !is_id && !has(&[b"token", b"hash", b"reference", b"account"]) => Context::Card,
        (true, _) => Context::Otherwise,
        (false, false) => Context::Open,
    }
}

/// The name in lower case.
pub(super) fn lower<'r>(name: &[u8], room: &'r mut [u8; REACH]) -> &'r [u8] {
    let length = name.len().min(REACH);
    for (place, byte) in room.iter_mut().zip(name) {
        *place = byte.to_ascii_lowercase();
    }
    room.get(..length).unwrap_or_default()
}

/// FNV-1a; it only distinguishes fields of one text.
pub(crate) fn hash(name: &[u8]) -> u64 {
    name.iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The name of the field that the value at `at` is in; empty if there is none.
pub(crate) fn field_before(text: &[u8], at: usize) -> &[u8] {
    let before = text.get(at.saturating_sub(REACH)..at).unwrap_or_default();
    let opened = before.strip_suffix(b"\"").or_else(|| before.strip_suffix(b"'")).unwrap_or(before);
    let opened = opened.strip_suffix(b"\\").unwrap_or(opened).trim_ascii_end();
    match opened.split_last() {
        Some((b':', rest)) => quoted_name(rest),
        Some((b'>', rest)) => {
            let start =
                memchr::memrchr(b'<', rest).and_then(|start| start.checked_add(1)).unwrap_or(rest.len());
            let name = rest.get(start..).unwrap_or_default();
            name.split(|byte| *byte == b' ').next().unwrap_or_default()
        }
        Some((b'=', rest)) => last_name(rest),
        // `["4111...", "4012..."]`: the name before the bracket, where it is near enough.
        Some((b'[', rest)) => match rest.trim_ascii_end().split_last() {
            Some((b':', rest)) => quoted_name(rest),
            _ => &[],
        },
        _ => last_words(opened),
    }
}

/// Whether the value at `at` is an element of a list, and not the first.
pub(super) fn is_next_element(text: &[u8], at: usize) -> bool {
    let before = text.get(at.saturating_sub(8)..at).unwrap_or_default();
    before.strip_suffix(b"\"").unwrap_or(before).trim_ascii_end().ends_with(b",")
}

fn quoted_name(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii_end();
    let closed = text.strip_suffix(b"\"").or_else(|| text.strip_suffix(b"'"));
    match closed {
        Some(closed) => {
            let closed = closed.strip_suffix(b"\\").unwrap_or(closed);
            let start = memchr::memrchr2(b'"', b'\'', closed).and_then(|start| start.checked_add(1));
            closed.get(start.unwrap_or_default()..).unwrap_or_default()
        }
        None => last_words(text),
    }
}

fn last_name(text: &[u8]) -> &[u8] {
    let is_name =
        |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'[' | b']');
    let length = text.iter().rev().take_while(is_name).count();
    text.get(text.len().saturating_sub(length)..).unwrap_or_default()
}

/// The words before a number in a text.
fn last_words(text: &[u8]) -> &[u8] {
    let text = text.strip_suffix(b":").or_else(|| text.strip_suffix(b"#")).unwrap_or(text).trim_ascii_end();
    let is_word =
        |byte: &&u8| byte.is_ascii_alphabetic() || matches!(byte, b' ' | b'_' | b'-' | b'.' | b'\'');
    let length = text.iter().rev().take(32).take_while(is_word).count();
    let (before, words) = text.split_at_checked(text.len().saturating_sub(length)).unwrap_or_default();
    // The letter of `\n` is none of a word.
    let words = if before.ends_with(b"\\") { words.get(1..).unwrap_or_default() } else { words };
    words.trim_ascii_start()
}
