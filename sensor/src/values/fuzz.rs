//! The fuzz entry of the room.

use super::{Buffers, Carrier, Limits, Value, Walk};

/// Walks over a message made of the input: its first line is the target, the second a `Content-Type`, the third a cookie, the
/// rest a body.
///
/// # Panics
/// If a bound is exceeded.
pub fn walk(data: &[u8]) {
    let mut parts = data.splitn(4, |byte| *byte == b'\n');
    let mut next = || parts.next().unwrap_or_default();
    let (target, kind, cookie, body) = (next(), next(), next(), next());
    let query = memchr::memchr(b'?', target).unwrap_or(target.len());
    let (path, query) = target.split_at_checked(query).unwrap_or_default();
    let headers: [(&[u8], &[u8]); 3] = [(b"Cookie", cookie), (b"Referer", target), (b"X-Other", cookie)];
    let limits = Limits { values: 64, depth: 4, bytes: 64 << 10 };
    let (mut count, mut bytes) = (0_usize, 0_usize);
    let mut visit = |value: &Value<'_>| {
        count = count.saturating_add(1);
        bytes = bytes.saturating_add(value.text.len());
        assert!(!value.text.is_empty(), "an empty value was told");
    };
    let carrier = Carrier {
        path,
        query: query.get(1..).unwrap_or_default(),
        headers: headers.into_iter(),
        content_type: Some(kind),
        body,
    };
    let told = Walk::new(&mut Buffers::default(), limits, &mut visit).all(carrier);
    assert_eq!(told.values, count, "values told");
    assert!(count <= limits.values, "{count} values");
    assert!(bytes <= limits.bytes.saturating_add(data.len()).saturating_add(8 << 10), "{bytes} bytes");
}
