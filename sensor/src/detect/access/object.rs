//! The parts of a path that its template leaves open.

use super::plain;
use crate::event::Exchange;

/// The object of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value<'a> {
    /// The last open segment.
    pub(super) last: &'a [u8],
    /// The same as a number, if it is one.
    pub(super) number: Option<u64>,
    /// The path up to that segment: requests with the same value are for the same object.
    pub(super) object: &'a [u8],
}

/// Shows the object that an exchange is for, in its path as the server takes it.
pub(super) fn seen<T>(exchange: &Exchange<'_>, show: impl FnOnce(Option<Value<'_>>) -> T) -> T {
    let path = exchange.path.as_ref().map(|path| plain::path(path.whole()));
    show(path.as_deref().zip(exchange.route).and_then(|(path, route)| of(path, route)))
}

/// The object of `path` (see [`plain`]) under `route`; none if the template is closed, its open segments do not name
/// objects, or the path does not fit.
pub(super) fn of<'a>(path: &'a str, route: &str) -> Option<Value<'a>> {
    if memchr::memchr(b'{', route.as_bytes()).is_none() || route.ends_with("{other}") {
        return None;
    }
    let path = path.as_bytes();
    let mut at = 0_usize;
    let mut last = None;
    for wanted in route.as_bytes().split(|byte| *byte == b'/').filter(|wanted| !wanted.is_empty()) {
        let (start, end) = next_segment(path, at)?;
        at = end;
        if wanted == b"{...}" {
            break;
        }
        if is_open(wanted) {
            last = Some((start, end));
        } else if !wanted.contains(&b'{') && path.get(start..end) == Some(b"..") {
            return None;
        }
    }
    let (start, end) = last?;
    let last = path.get(start..end)?;
    // Path parameters such as `;jsessionid=` (RFC 3986, section 3.3) name no object.
    let last = last.split(|byte| *byte == b';').next()?;
    // The number before an extension.
    let stem = last.split(|byte| *byte == b'.').next().unwrap_or(last);
    Some(Value { last, number: number(stem), object: path.get(..start.saturating_add(last.len()))? })
}

/// Start of the next non-empty segment.
#[inline]
fn next_segment(path: &[u8], from: usize) -> Option<(usize, usize)> {
    let rest = path.get(from..)?;
    let start = from.saturating_add(rest.iter().position(|byte| *byte != b'/')?);
    let rest = path.get(start..)?;
    Some((start, start.saturating_add(memchr::memchr(b'/', rest).unwrap_or(rest.len()))))
}

/// Whether a segment of a template names objects. Dates do not, and parts of file names mostly belong to assets; a
/// document's number is neither.
fn is_open(segment: &[u8]) -> bool {
    crate::event::is_document(segment)
        || segment.first() == Some(&b'{') && segment.last() == Some(&b'}') && segment != b"{date}"
}

/// Minimum bits that nobody finds by trying, and minimum different characters of such a text, which a zero-padded
/// counter lacks.
const UNGUESSABLE: usize = 100;
const DIFFERENT: usize = 8;

impl<'a> Value<'a> {
    /// Of a parameter.
    pub(super) fn alone(text: &'a [u8]) -> Self {
        Self { last: text, number: number(text), object: text }
    }
}

impl Value<'_> {
    /// Whether it looks like a digest or a random number: a client that requests it was given it, or computed it. A
    /// file name's extension does not count.
    pub(super) fn is_unguessable(&self) -> bool {
        let stem = self.last.split(|byte| *byte == b'.').next().unwrap_or(self.last);
        let has = |class: fn(&u8) -> bool| stem.iter().any(class);
        let is_hex = stem.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-');
        let known = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let bits = match (is_hex, has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase)) {
            (true, _) => 4,
            (false, true) => 6,
            (false, false) => 5,
        };
        // Random text alternates digits and letters; words and numbers keep them apart.
        let turns = stem
            .windows(2)
            .filter(|pair| {
                pair.first().is_some_and(u8::is_ascii_digit) != pair.last().is_some_and(u8::is_ascii_digit)
            })
            .count();
        let long = stem.len().saturating_mul(bits) >= UNGUESSABLE;
        long && stem.iter().all(known)
            && turns.saturating_mul(5) >= stem.len()
            && different(stem) >= DIFFERENT
    }

    /// Its first bytes, which neighbours of one counter share.
    pub(super) fn head(&self) -> u64 {
        self.last.iter().take(8).fold(0, |head, byte| head << 8 | u64::from(*byte))
    }
}

fn different(text: &[u8]) -> usize {
    let bit = |byte: &u8| 1_u128.checked_shl(u32::from(*byte)).unwrap_or(0);
    let seen = text.iter().fold(0, |seen, byte| seen | bit(byte));
    usize::try_from(seen.count_ones()).unwrap_or(0)
}

fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, byte| {
        let digit = char::from(*byte).to_digit(10)?;
        sum.checked_mul(10)?.checked_add(digit.into())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_open_segment_is_found() {
        for (path, route, last, number) in [
            ("/users/17", "/users/{id}", "17", Some(17)),
            ("//users///17/", "/users/{id}", "17", Some(17)),
            ("/users/17/orders/4;x=1", "/users/{id}/orders/{id}", "4", Some(4)),
            ("/users/17/orders", "/users/{id}/orders", "17", Some(17)),
            ("/u/alice", "/u/{param}", "alice", None),
            ("/f/17/a/b/c", "/f/{id}/{...}", "17", Some(17)),
            ("/invoices/17.pdf", "/invoices/{id}.pdf", "17.pdf", Some(17)),
            ("/n/9999999999999999999", "/n/{id}", "9999999999999999999", None),
        ] {
            let value = of(path, route).unwrap();
            assert_eq!((value.last, value.number), (last.as_bytes(), number), "{path}");
        }
        for (path, route) in [
            ("/users", "/users"),
            ("/nothing", "/{other}"),
            ("/log/2024-01-02", "/log/{date}"),
            ("/app.3f2a.js", "/app.{hex}.js"),
            ("/img/17.png", "/img/{id}.png"),
            ("/users", "/users/{id}"),
            ("/users/../x/1", "/users/x/{id}"),
        ] {
            assert_eq!(of(path, route), None, "{path}");
        }
    }

    #[test]
    fn digests_are_not_guessed() {
        for (last, expected) in [
            ("676b8bb84ce7267dd520deca4811c8f1", true),
            ("676b8bb84ce7267dd520deca4811c8f1.narinfo", true),
            ("da39a3ee5e6b4b0d3255bfef95601890afd80709", true),
            ("3f2504e0-4f89-41d3-9a0c-0305e82c3301", true),
            ("1b9p07z77phvv2hf6gm9f28syp39f1ag", true),
            ("Zm9v4YmFy2XVxd8Xh7N3b2R6", true),
            ("00000000000000000000000000000017", false),
            ("507f1f77bcf86cd799439011", false),
            ("123456789012345678901234567890", false),
            ("a-very-long-title-of-some-article-2026", false),
            ("alice", false),
            ("17", false),
            ("", false),
        ] {
            let value = Value { last: last.as_bytes(), number: None, object: last.as_bytes() };
            assert_eq!(value.is_unguessable(), expected, "{last}");
        }
    }

    #[test]
    fn different_parents_are_different_objects() {
        let object = |path| of(path, "/users/{id}/orders/{id}").map(|value| value.object);
        assert_ne!(object("/users/1/orders/4"), object("/users/2/orders/4"));
        assert_eq!(object("/users/1/orders/4;a=b"), object("/users/1/orders/4;a=c"));
    }

    proptest! {
        #[test]
        fn nothing_panics(path in ".{0,80}", route in "(/(\\{[a-z]*\\}|[a-z]{0,3}|\\{|\\}|\\PC)){0,6}") {
            if let Some(value) = of(&path, &route) {
                prop_assert!(value.object.ends_with(value.last));
            }
        }
    }
}
