//! A path as the server takes it, whatever the client writes: the same object under another name would be another one,
//! and belong to whoever came first.

use std::borrow::Cow;

use crate::values::hex_pair;

/// Hexadecimal digits from which a segment is a digest or a UUID, which are the same in either case (RFC 9562, section 4).
const DIGEST: usize = 32;

/// The path with empty segments, dot segments (RFC 3986, section 5.2.4) and path parameters (section 3.3) removed, and the
/// others as [`value`] has them. Most paths are so already.
pub(super) fn path(raw: &str) -> Cow<'_, str> {
    if is_plain(raw.as_bytes()) {
        return Cow::Borrowed(raw);
    }
    let mut segments: Vec<Cow<'_, [u8]>> = Vec::new();
    for segment in raw.as_bytes().split(|byte| *byte == b'/') {
        let bare = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        match value(bare) {
            bare if bare.is_empty() || *bare == *b"." => {}
            bare if *bare == *b".." => drop(segments.pop()),
            bare => segments.push(bare),
        }
    }
    let mut plain = Vec::with_capacity(raw.len());
    for segment in segments {
        plain.push(b'/');
        // An escaped slash separates nothing.
        plain.extend(segment.iter().map(|byte| if *byte == b'/' { b'\\' } else { *byte }));
    }
    Cow::Owned(String::from_utf8_lossy(&plain).into_owned())
}

/// Whether nothing has to be changed, as far as that shows at once.
fn is_plain(raw: &[u8]) -> bool {
    let Some((mut before, rest)) = raw.split_first().filter(|(_, rest)| !rest.is_empty()) else {
        return true;
    };
    if matches!(before, b'%' | b';') {
        return false;
    }
    for byte in rest {
        let is_odd = match byte {
            b'%' | b';' => true,
            b'/' | b'.' | b'0' | b'+' => *before == b'/',
            _ => false,
        };
        if is_odd {
            return false;
        }
        before = byte;
    }
    raw.len() <= DIGEST || !raw.iter().any(u8::is_ascii_uppercase)
}

/// A segment or the value of a parameter: decoded once, numbers without sign and leading zeros, digests in lower case.
pub(super) fn value(raw: &[u8]) -> Cow<'_, [u8]> {
    let value = match decoded(raw) {
        Cow::Borrowed(value) => Cow::Borrowed(bare(value)),
        Cow::Owned(value) => Cow::Owned(bare(&value).to_vec()),
    };
    let is_digest =
        value.len() >= DIGEST && value.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
    if is_digest && value.iter().any(u8::is_ascii_uppercase) {
        return Cow::Owned(value.to_ascii_lowercase());
    }
    value
}

/// A number, which may be that of a document, without what programs skip as they read one.
fn bare(value: &[u8]) -> &[u8] {
    let number = value.trim_ascii();
    let number = number.strip_prefix(b"+").unwrap_or(number);
    let stem = number.split(|byte| *byte == b'.').next().unwrap_or_default();
    if stem.is_empty() || !stem.iter().all(u8::is_ascii_digit) {
        return value;
    }
    let zeros = stem.iter().take_while(|digit| **digit == b'0').count();
    number.get(zeros.min(stem.len().saturating_sub(1))..).unwrap_or_default()
}

/// Without percent-encoding (RFC 3986, section 2.1).
fn decoded(raw: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((byte, after)) = rest.split_first() {
        let pair = after.first_chunk::<2>().and_then(|[high, low]| hex_pair(*high, *low));
        (rest, _) = match pair.filter(|_| *byte == b'%') {
            Some(decoded) => (after.get(2..).unwrap_or_default(), out.push(decoded)),
            None => (after, out.push(*byte)),
        };
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_object_has_one_name() {
        for (raw, plain) in [
            ("/orders/12", "/orders/12"),
            ("/", "/"),
            ("/orders/%31%32", "/orders/12"),
            ("//orders///12/", "/orders/12"),
            ("/x/../orders/./12", "/orders/12"),
            ("/x/%2e%2E/orders/12", "/orders/12"),
            ("/orders;v=1/12;jsessionid=3", "/orders/12"),
            ("/orders/0012", "/orders/12"),
            ("/orders/+12", "/orders/12"),
            ("/orders/%2012", "/orders/12"),
            ("/orders/0012.pdf", "/orders/12.pdf"),
            ("/orders/0", "/orders/0"),
            ("/orders/000", "/orders/0"),
            ("/o/3F2504E0-4F89-41D3-9A0C-0305E82C3301", "/o/3f2504e0-4f89-41d3-9a0c-0305e82c3301"),
            ("/o/a%2Fb", "/o/a\\b"),
            ("/o/%zz%4", "/o/%zz%4"),
            ("/u/AliceInACountryThatIsFarAwayFromHome", "/u/AliceInACountryThatIsFarAwayFromHome"),
        ] {
            assert_eq!(path(raw), plain, "{raw}");
        }
    }

    /// As the rules are written, pair by pair.
    fn is_plain_by_pairs(raw: &[u8]) -> bool {
        let is_odd = |pair: &[u8]| match pair {
            [b'%' | b';', _] | [_, b'%' | b';'] => true,
            [b'/', next] => matches!(next, b'/' | b'.' | b'0' | b'+'),
            _ => false,
        };
        let is_long = raw.len() > DIGEST && raw.iter().any(u8::is_ascii_uppercase);
        !is_long && !raw.windows(2).any(is_odd)
    }

    proptest! {
        #[test]
        fn what_is_plain_is_found_at_once(raw in "[/%;.0+aA]{0,8}([aA]{0,40})?") {
            prop_assert_eq!(is_plain(raw.as_bytes()), is_plain_by_pairs(raw.as_bytes()));
        }

        #[test]
        fn what_is_plain_stays_so(raw in "(/([a-z0-9.;%+]{0,4}|%3[0-9]|[A-F0-9]{32})){0,6}") {
            let once = path(&raw).into_owned();
            // Decoded once, as servers do.
            prop_assume!(!once.contains('%') && !once.contains(';'));
            let twice = path(&once).into_owned();
            prop_assert_eq!(once, twice);
        }
    }
}
