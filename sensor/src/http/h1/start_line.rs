//! Whether bytes may be the start of a message.

/// Whether some bytes begin a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Start {
    Yes,
    No,
    /// Too few to decide.
    Maybe,
}

/// Maximum length of a method.
const METHOD_BYTES: usize = 32;

/// Bytes that suffice to decide.
pub(in crate::http) const PROBE_BYTES: usize = METHOD_BYTES + 1;

/// Whether a request may begin with these: something printable, and whitespace soon after. Methods need not be
/// valid: that is a finding, while `\x16\x03` (TLS) or `SSH-2.0-` are other protocols.
pub(in crate::http) fn begins_request(bytes: &[u8]) -> Start {
    for (at, byte) in bytes.iter().take(PROBE_BYTES).enumerate() {
        match byte {
            b' ' | b'\t' if at > 0 => return Start::Yes,
            0x21..=0x7e if at < METHOD_BYTES => {}
            _ => return Start::No,
        }
    }
    Start::Maybe
}

/// Whether a response may begin with these.
pub(in crate::http) fn begins_response(bytes: &[u8]) -> Start {
    let name = b"HTTP/";
    let common =
        bytes.iter().zip(name).take_while(|(byte, wanted)| byte.eq_ignore_ascii_case(wanted)).count();
    match common {
        5 => Start::Yes,
        _ if common == bytes.len() => Start::Maybe,
        _ => Start::No,
    }
}

/// Whether these are surely the request line of HTTP/1.x, up to its end or that of the bytes: what is asked of
/// bytes where no message need begin.
pub(in crate::http) fn looks_like_request(bytes: &[u8]) -> Start {
    let line = memchr::memchr(b'\n', bytes).and_then(|end| bytes.get(..end));
    if let Some(line) = line {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut words = line.split(|byte| *byte == b' ');
        let shape = (words.next(), words.next(), words.next(), words.next());
        let (Some(method), Some(target), Some(version), None) = shape else { return Start::No };
        let is_request =
            is_method(method) && is_target(target) && matches!(version, b"HTTP/1.1" | b"HTTP/1.0");
        return if is_request { Start::Yes } else { Start::No };
    }
    match memchr::memchr(b' ', bytes).and_then(|at| bytes.split_at_checked(at)) {
        Some((method, target)) => {
            let target = target.get(1..).unwrap_or_default();
            if is_method(method) && (target.is_empty() || is_target(target)) {
                Start::Maybe
            } else {
                Start::No
            }
        }
        None if bytes.iter().all(u8::is_ascii_uppercase) && bytes.len() < METHOD_BYTES => Start::Maybe,
        None => Start::No,
    }
}

/// A method as clients write them; others are not worth the risk of taking a body's text for a request.
fn is_method(bytes: &[u8]) -> bool {
    (3..METHOD_BYTES).contains(&bytes.len())
        && bytes.iter().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_'))
}

fn is_target(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(b'/' | b'*' | b'[' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9'))
}

/// Whether these are surely a status line of HTTP/1.x, as far as they go.
pub(in crate::http) fn looks_like_response(bytes: &[u8]) -> Start {
    let shape = b"HTTP/1.d ddd";
    let fits = bytes.iter().zip(shape).all(|(byte, wanted)| match wanted {
        b'd' => byte.is_ascii_digit(),
        _ => byte == wanted,
    });
    match bytes.get(shape.len()) {
        _ if !fits => Start::No,
        Some(b' ' | b'\r' | b'\n') => Start::Yes,
        Some(_) => Start::No,
        None => Start::Maybe,
    }
}
