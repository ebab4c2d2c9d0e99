//! Elements of forwarding headers, read from the right.
//!
//! The client's part is on the left, what proxies appended on the right. Reading from the right, nothing that the
//! client wrote, such as an unbalanced quote, can change the meaning of what a proxy appended.

use super::node::{self, Node};

/// The comma-separated elements of one field line, the last first. Commas within quoted strings do not
/// separate where `quotes` are known (RFC 9110, section 5.6.4).
#[derive(Clone, Debug)]
pub(super) struct FromRight<'a> {
    rest: Option<&'a [u8]>,
    quotes: bool,
}

impl<'a> FromRight<'a> {
    pub(super) const fn new(line: &'a [u8], quotes: bool) -> Self {
        Self { rest: Some(line), quotes }
    }

    fn last_comma(&self, line: &[u8]) -> Option<usize> {
        if !self.quotes {
            return memchr::memrchr(b',', line);
        }
        let mut quoted = false;
        let mut before = line;
        loop {
            let found = memchr::memrchr2(b',', b'"', before)?;
            let is_comma = before.get(found) == Some(&b',');
            before = before.get(..found).unwrap_or_default();
            if is_comma {
                if !quoted {
                    return Some(found);
                }
            } else if !(quoted && is_escaped(before)) {
                quoted = !quoted;
            }
        }
    }
}

/// Whether a quote after `before` is escaped (RFC 9110, section 5.6.4).
fn is_escaped(before: &[u8]) -> bool {
    let backslashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
    backslashes & 1 == 1
}

impl<'a> Iterator for FromRight<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let line = self.rest?;
        let Some(comma) = self.last_comma(line) else {
            self.rest = None;
            return Some(line.trim_ascii());
        };
        let (rest, element) = line.split_at_checked(comma)?;
        self.rest = Some(rest);
        Some(element.strip_prefix(b",").unwrap_or_default().trim_ascii())
    }
}

/// The node of an element's `for` parameter (RFC 7239, section 4); hidden if there is none.
pub(super) fn parse_element(element: &[u8]) -> Node {
    let mut found = None;
    let mut rest = element;
    while !rest.is_empty() {
        let Some((pair, after)) = split_pair(rest) else { return Node::Malformed };
        rest = after;
        if pair.trim_ascii().is_empty() {
            continue;
        }
        let Some(equals) = memchr::memchr(b'=', pair) else { return Node::Malformed };
        let (name, value) = pair.split_at_checked(equals).unwrap_or_default();
        if !name.trim_ascii().eq_ignore_ascii_case(b"for") {
            continue;
        }
        let value = value.get(1..).unwrap_or_default();
        if found.replace(parse_value(value.trim_ascii())).is_some() {
            return Node::Malformed;
        }
    }
    found.unwrap_or(Node::Hidden)
}

/// Up to the next semicolon outside quotes; none if a quote stays open.
fn split_pair(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut quoted = false;
    let mut escaped = false;
    for (index, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' if !quoted => {
                let (pair, after) = text.split_at_checked(index)?;
                return Some((pair, after.get(1..).unwrap_or_default()));
            }
            _ => {}
        }
    }
    (!quoted).then_some((text, &[]))
}

/// Longest node that may contain escapes: none needs any.
const MAX_ESCAPED: usize = 64;

/// A token or a quoted string. An unquoted colon is not a token character (RFC 9110, section 5.6.2), but occurs.
fn parse_value(value: &[u8]) -> Node {
    let Some(inside) = value.strip_prefix(b"\"") else {
        return if value.contains(&b'"') { Node::Malformed } else { node::parse(value) };
    };
    let Some(inside) = inside.strip_suffix(b"\"") else { return Node::Malformed };
    if memchr::memchr2(b'\\', b'"', inside).is_none() {
        return node::parse(inside);
    }
    let mut plain = [0; MAX_ESCAPED];
    if inside.len() > plain.len() {
        return Node::Malformed;
    }
    let mut length = 0_usize;
    let mut escaped = false;
    for byte in inside {
        match byte {
            b'\\' if !escaped => escaped = true,
            b'"' if !escaped => return Node::Malformed,
            _ => {
                escaped = false;
                if let Some(slot) = plain.get_mut(length) {
                    *slot = *byte;
                }
                length = length.saturating_add(1);
            }
        }
    }
    if escaped { Node::Malformed } else { node::parse(plain.get(..length).unwrap_or_default()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn elements(line: &str, quotes: bool) -> Vec<String> {
        let text = |element: &[u8]| String::from_utf8_lossy(element).into_owned();
        FromRight::new(line.as_bytes(), quotes).map(text).collect()
    }

    #[test]
    fn lists_are_read_from_the_right() {
        let cases: [(&str, bool, &[&str]); 9] = [
            ("a, b ,c", false, &["c", "b", "a"]),
            ("a", true, &["a"]),
            ("", true, &[""]),
            (",a,,", false, &["", "", "a", ""]),
            (r#"for="a,b";x=1, for=c"#, true, &["for=c", r#"for="a,b";x=1"#]),
            (r#"for="a\",b", c"#, true, &["c", r#"for="a\",b""#]),
            (r#"for="a,b""#, false, &["b\"", "for=\"a"]),
            // What the client left open does not swallow what the proxy appended.
            (r#"for="a, for=c"#, true, &["for=c", r#"for="a"#]),
            (r#"for="a, for="c:1""#, true, &[r#"for="c:1""#, r#"for="a"#]),
        ];
        for (line, quotes, expected) in cases {
            assert_eq!(elements(line, quotes), expected, "{line}");
        }
    }

    #[test]
    fn elements_of_rfc_7239() {
        let cases = [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", Some("192.0.2.60")),
            ("For=\"[2001:db8:cafe::17]:4711\"", Some("2001:db8:cafe::17")),
            ("proto=https ; FOR = 192.0.2.60", Some("192.0.2.60")),
            (r#"by="a;for=1.1.1.1";for=192.0.2.60"#, Some("192.0.2.60")),
            (r#"for="192.0.2.\60""#, Some("192.0.2.60")),
            ("for=192.0.2.60:80", Some("192.0.2.60")),
            (";;for=192.0.2.60;", Some("192.0.2.60")),
            ("for=192.0.2.60;for=192.0.2.61", None),
            ("for=\"192.0.2.60", None),
            ("for=192.0.2.60\"", None),
            (r#"for="192.0.2.60\""#, None),
            ("192.0.2.60", None),
            ("for=", None),
        ];
        for (text, address) in cases {
            let expected = address.map_or(Node::Malformed, |address| Node::Address(address.parse().unwrap()));
            assert_eq!(parse_element(text.as_bytes()), expected, "{text}");
        }
        for text in ["for=unknown", "for=\"_gazonk\"", "proto=https", "", "For=\"_mdn\";by=x"] {
            assert_eq!(parse_element(text.as_bytes()), Node::Hidden, "{text}");
        }
    }

    proptest! {
        /// Whatever stands left of an appended element, the element is read.
        #[test]
        fn an_appended_element_is_never_lost(
            before in prop::collection::vec(prop::sample::select(b"\",\\;=for 1.".to_vec()), 0..24),
            appended in prop::sample::select(vec!["for=192.0.2.1", "for=\"[2001:db8::1]:80\";proto=https"]),
        ) {
            let mut line = before;
            line.extend_from_slice(b", ");
            line.extend_from_slice(appended.as_bytes());
            prop_assert_eq!(FromRight::new(&line, true).next(), Some(appended.as_bytes()));
        }

        /// The elements and their commas are the line: nothing is skipped or read twice.
        #[test]
        fn elements_make_up_the_line(line in "[a\", \\\\]{0,24}", quotes in any::<bool>()) {
            let mut found: Vec<_> = elements(&line, quotes);
            found.reverse();
            let squeeze = |text: &str| text.replace(' ', "");
            prop_assert_eq!(squeeze(&found.join(",")), squeeze(&line));
        }
    }
}
