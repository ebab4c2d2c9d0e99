//! The forms of a request target (RFC 9112, section 3.2).

use memchr::{memchr, memchr2, memchr3};

use super::method::{Method, byte_table};

/// A target taken apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub authority: Option<&'a [u8]>,
    pub path: &'a [u8],
    pub query: Option<&'a [u8]>,
}

/// Takes a target apart, whatever it is.
pub(super) fn parts(method: Method, target: &[u8]) -> Parts<'_> {
    if target.first() == Some(&b'/') || target == b"*" {
        return origin(None, target);
    }
    if method == Method::Connect {
        return Parts { authority: Some(target), ..Parts::default() };
    }
    let Some(rest) = after_scheme(target) else { return origin(None, target) };
    let end = memchr3(b'/', b'?', b'#', rest).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end).unwrap_or((rest, &[]));
    // RFC 9110, section 4.2.4: user information is no part of where the request goes.
    let host = memchr::memrchr(b'@', authority)
        .and_then(|at| authority.get(at.saturating_add(1)..))
        .unwrap_or(authority);
    origin(Some(host), rest)
}

fn origin<'a>(authority: Option<&'a [u8]>, rest: &'a [u8]) -> Parts<'a> {
    let (path, query) = match memchr(b'?', rest).and_then(|at| rest.split_at_checked(at)) {
        Some((path, query)) => (path, query.get(1..)),
        None => (rest, None),
    };
    let path = if authority.is_some() && path.is_empty() { b"/" } else { path };
    Parts { authority, path, query }
}

fn after_scheme(target: &[u8]) -> Option<&[u8]> {
    let colon = memchr2(b':', b'/', target)?;
    let (scheme, rest) = target.split_at_checked(colon)?;
    let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    rest.strip_prefix(b"://").filter(|_| is_scheme)
}

/// Whether a target has a form that its method allows, and only bytes of a URI. The bytes that browsers send
/// although RFC 3986 wants them encoded, such as `|` and `"`, are let pass.
pub(super) fn is_valid(method: Method, target: &[u8]) -> bool {
    // Without an early exit, so that the compiler takes many bytes at a time.
    let printable =
        target.iter().fold(true, |valid, byte| valid & matches!(byte, 0x21..=0x7e) & (*byte != b'#'));
    let form = match target.first() {
        None => false,
        Some(b'/') => method != Method::Connect,
        Some(b'*') => method == Method::Options && target.len() == 1,
        Some(_) if method == Method::Connect => is_host(target) && memchr(b':', target).is_some(),
        Some(_) => after_scheme(target).is_some_and(|rest| !matches!(rest.first(), None | Some(b'/'))),
    };
    printable && form
}

/// Whether a target has one of the four forms, whatever is wrong with it besides: what has none may be no target.
pub(super) fn has_form(method: Method, target: &[u8]) -> bool {
    match target.first() {
        Some(b'/') => true,
        Some(b'*') => target.len() == 1,
        _ if method == Method::Connect => is_valid(method, target),
        _ => after_scheme(target).is_some(),
    }
}

/// A target without its fragment, which is the client's own business (RFC 9110, section 4.2.5).
pub(super) fn without_fragment(target: &[u8]) -> &[u8] {
    let end = memchr(b'#', target).unwrap_or(target.len());
    target.get(..end).unwrap_or_default()
}

/// Bytes of a registered name but the comma (RFC 3986, section 3.2.2).
const REG_NAME: [bool; 256] =
    byte_table(b"-._~%!$&'()*+;=0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

/// Whether these may be a host and port (RFC 3986, sections 3.2.2 and 3.2.3); an empty one may (RFC 9112,
/// section 3.2). A comma, legal in names though it is, tells of several hosts joined.
pub(super) fn is_host(host: &[u8]) -> bool {
    if let Some(bracketed) = host.strip_prefix(b"[") {
        let Some((address, port)) = memchr(b']', bracketed).and_then(|at| bracketed.split_at_checked(at))
        else {
            return false;
        };
        let is_address = address.iter().all(|byte| *byte == b':' || is_name_byte(*byte));
        return is_address && is_port(port.get(1..).unwrap_or_default());
    }
    let length = host.iter().position(|byte| !is_name_byte(*byte)).unwrap_or(host.len());
    is_port(host.get(length..).unwrap_or_default())
}

fn is_name_byte(byte: u8) -> bool {
    REG_NAME.get(usize::from(byte)).copied().unwrap_or_default()
}

/// Whether this is nothing, or a colon and a port, which may be empty.
fn is_port(text: &[u8]) -> bool {
    match text.split_first() {
        None => true,
        Some((b':', digits)) => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_every_form_apart() {
        type Case = (&'static str, Method, Option<&'static str>, &'static str, Option<&'static str>);
        let table: [Case; 14] = [
            ("/", Method::Get, None, "/", None),
            ("/a/b?c=d?e", Method::Get, None, "/a/b", Some("c=d?e")),
            ("/a?", Method::Get, None, "/a", Some("")),
            ("//evil/a", Method::Get, None, "//evil/a", None),
            ("*", Method::Options, None, "*", None),
            ("http://Example.com/a?b", Method::Get, Some("Example.com"), "/a", Some("b")),
            ("http://example.com:80", Method::Get, Some("example.com:80"), "/", None),
            ("http://example.com?b", Method::Get, Some("example.com"), "/", Some("b")),
            ("https://user:pw@example.com/", Method::Get, Some("example.com"), "/", None),
            ("http://[::1]:8080/x", Method::Get, Some("[::1]:8080"), "/x", None),
            ("example.com:443", Method::Connect, Some("example.com:443"), "", None),
            ("example.com:443", Method::Get, None, "example.com:443", None),
            ("/redirect?to=http://x/", Method::Get, None, "/redirect", Some("to=http://x/")),
            ("", Method::Get, None, "", None),
        ];
        for (target, method, authority, path, query) in table {
            let expected = Parts {
                authority: authority.map(str::as_bytes),
                path: path.as_bytes(),
                query: query.map(str::as_bytes),
            };
            assert_eq!(parts(method, target.as_bytes()), expected, "{target}");
        }
    }

    #[test]
    fn tells_valid_targets() {
        let table: [(&str, Method, bool); 14] = [
            ("/", Method::Get, true),
            ("/a|b\"c", Method::Get, true),
            ("/a#b", Method::Get, false),
            ("/caf\u{e9}", Method::Get, false),
            ("*", Method::Options, true),
            ("*", Method::Get, false),
            ("a", Method::Get, false),
            ("", Method::Get, false),
            ("http://a/", Method::Get, true),
            ("http:///", Method::Get, false),
            ("a:443", Method::Connect, true),
            ("a", Method::Connect, false),
            ("/", Method::Connect, false),
            ("ftp+x://a/", Method::Other, true),
        ];
        for (target, method, expected) in table {
            assert_eq!(is_valid(method, target.as_bytes()), expected, "{target}");
        }
    }

    #[test]
    fn tells_hosts() {
        for host in ["", "a", "A.b-c_d", "a:80", "a:", "[::1]", "[::1]:80", "127.0.0.1:65535", "a%20b"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in [
            "a b", "a,b", "a/b", "a@b", "a:8 0", "a:80:80", "::1", "[::1", "[::1]x", "a:123456", "a\\b",
            "\u{e9}",
        ] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }
}
