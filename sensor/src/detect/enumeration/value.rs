//! The parts of a path that its template leaves open.

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value<'a> {
    /// The last open segment.
    pub(super) last: &'a [u8],
    /// It as a number, where it is one.
    pub(super) number: Option<u64>,
    /// The path as far as that segment reaches: two requests with the same are for the same object.
    pub(super) object: &'a [u8],
}

/// What `path` asks for under `route`; nothing where the template is closed, or where its open segments do not
/// name objects, or where the path was not read as it is written (dot segments, say), so that it does not fit.
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
    Some(Value { last, number: number(last), object: path.get(..start.saturating_add(last.len()))? })
}

/// Where the next segment that is not empty lies.
#[inline]
fn next_segment(path: &[u8], from: usize) -> Option<(usize, usize)> {
    let rest = path.get(from..)?;
    let start = from.saturating_add(rest.iter().position(|byte| *byte != b'/')?);
    let rest = path.get(start..)?;
    Some((start, start.saturating_add(memchr::memchr(b'/', rest).unwrap_or(rest.len()))))
}

/// Whether a segment of a template names objects. Dates do not, and parts of file names are those of assets.
fn is_open(segment: &[u8]) -> bool {
    segment.first() == Some(&b'{') && segment.last() == Some(&b'}') && segment != b"{date}"
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
            ("/users", "/users/{id}"),
            ("/users/../x/1", "/users/x/{id}"),
        ] {
            assert_eq!(of(path, route), None, "{path}");
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
