//! Credentials in headers.

/// The credentials of a scheme in an `Authorization` header (RFC 9110, section 11.4).
pub(super) fn credentials<'v>(value: &'v [u8], scheme: &[u8]) -> Option<&'v [u8]> {
    let (name, rest) = value.split_at_checked(scheme.len())?;
    let is_scheme =
        name.eq_ignore_ascii_case(scheme) && rest.first().is_some_and(|byte| matches!(byte, b' ' | b'\t'));
    let rest = rest.trim_ascii();
    (is_scheme && !rest.is_empty()).then_some(rest)
}

/// Values of cookies that begin like tokens, three at most.
pub(super) fn tokens_of_cookie(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    memchr::memmem::find_iter(value, b"=ey").take(3).filter_map(|at| {
        let rest = value.get(at.saturating_add(1)..)?;
        let end = memchr::memchr2(b';', b'"', rest).unwrap_or(rest.len());
        rest.get(..end)
    })
}

/// Path and query of a URL, if it has a query.
pub(super) fn split_address(address: &[u8]) -> Option<(&[u8], &[u8])> {
    let mark = memchr::memchr(b'?', address)?;
    let (place, query) = address.split_at_checked(mark)?;
    let authority = memchr::memmem::find(place, b"://").map_or(0, |at| at.saturating_add(3));
    let rest = place.get(authority..)?;
    let path = memchr::memchr(b'/', rest).and_then(|slash| rest.get(slash..)).unwrap_or_default();
    let query = query.get(1..)?;
    let end = memchr::memchr(b'#', query).unwrap_or(query.len());
    Some((path, query.get(..end)?))
}
