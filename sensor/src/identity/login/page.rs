//! HTML responses to logins: their inputs, and their text without scripts.

use super::speech::{self, Speech};

/// What a page contains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Page<'p> {
    /// A password form.
    pub(super) password_input: bool,
    /// A prompt for a code.
    pub(super) code_input: bool,
    /// A script that posts an identity assertion to another server.
    pub(super) assertion: bool,
    pub(super) speech: Speech,
    /// A way to log out.
    pub(super) has_logout: bool,
    /// The target of a redirect by script or `meta` element.
    pub(super) target: Option<&'p [u8]>,
}

/// Parts of logout URLs.
const LOGOUT: [&[u8]; 6] = [b"logout", b"log-out", b"log_out", b"logoff", b"signout", b"sign_out"];

/// Maximum elements examined.
const MAX_ELEMENTS: usize = 8_192;

/// Reads a page; text without markup is one statement.
pub(super) fn read(body: &[u8]) -> Page<'_> {
    let scanned = body.get(..speech::MAX_SCANNED).unwrap_or(body);
    let mut page = Page::default();
    let mut hidden: Option<&[u8]> = None;
    for (index, part) in scanned.split(|byte| *byte == b'<').enumerate().take(MAX_ELEMENTS) {
        let (tag, text) = match memchr::memchr(b'>', part) {
            Some(end) if index > 0 => part.split_at_checked(end).unwrap_or_default(),
            Some(_) | None if index == 0 => (&[] as &[u8], part),
            Some(_) | None => (part, &[] as &[u8]),
        };
        let text = text.strip_prefix(b">").unwrap_or(text).trim_ascii();
        let name = tag.split(|byte| byte.is_ascii_whitespace() || *byte == b'/').next().unwrap_or_default();
        let ends = tag.strip_prefix(b"/");
        if let Some(open) = hidden {
            if ends.is_some_and(|end| end.trim_ascii_end().eq_ignore_ascii_case(open)) {
                hidden = None;
            } else {
                continue;
            }
        } else if is(name, b"script") {
            hidden = Some(b"script");
            page.target = page.target.or_else(|| script_target(text));
            continue;
        } else if is(name, b"style") {
            hidden = Some(b"style");
            continue;
        } else if is(name, b"input") {
            page.input(tag);
        } else if is(name, b"meta") && contains(tag, b"refresh") {
            page.target = page.target.or_else(|| after(tag, b"url="));
        } else if (is(name, b"a") || is(name, b"form")) && LOGOUT.iter().any(|way| contains(tag, way)) {
            page.speech.welcome = true;
            page.has_logout = true;
        }
        if !text.is_empty() {
            page.speech = both(page.speech, speech::of(text));
        }
    }
    page
}

/// Whether markup is an HTML page, not an XML document.
pub(super) fn is_page(body: &[u8]) -> bool {
    let start = body.get(..256).unwrap_or(body).to_ascii_lowercase();
    let has = |part: &[u8]| memchr::memmem::find(&start, part).is_some();
    let markup: [&[u8]; 8] =
        [b"<!doctype html", b"<html", b"<head", b"<body", b"<form", b"<input", b"<script", b"<div"];
    let documents: [&[u8]; 4] = [b"<?xml", b"envelope", b"methodresponse", b"response>"];
    markup.into_iter().any(has) || !documents.into_iter().any(has) && !is_of_one_element(body)
}

/// Whether a text is a single element not known in HTML: an XML document.
fn is_of_one_element(body: &[u8]) -> bool {
    let Some(tag) = body.trim_ascii().strip_prefix(b"<") else { return false };
    let end = tag
        .iter()
        .position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':' | b'.')));
    let name = tag.get(..end.unwrap_or(tag.len())).unwrap_or_default();
    let rest = tag.strip_suffix(b">").unwrap_or_default();
    let ends = rest.strip_suffix(name).is_some_and(|rest| rest.ends_with(b"</"));
    let is_empty = rest.ends_with(b"/") && memchr::memchr(b'<', rest).is_none();
    // Those of HTML that are longer than six letters are no starts of an answer.
    let is_of_page = name.len() < 2
        || matches!(
            &*name.to_ascii_lowercase(),
            b"h1"
                | b"h2"
                | b"h3"
                | b"h4"
                | b"br"
                | b"hr"
                | b"ul"
                | b"ol"
                | b"li"
                | b"em"
                | b"pre"
                | b"span"
                | b"font"
                | b"table"
                | b"title"
                | b"meta"
                | b"link"
                | b"main"
                | b"center"
                | b"strong"
                | b"section"
                | b"style"
                | b"noscript"
                | b"iframe"
                | b"frameset"
                | b"article"
                | b"header"
                | b"label"
                | b"small"
                | b"img"
        );
    !is_of_page && (ends || is_empty)
}

impl Page<'_> {
    fn input(&mut self, tag: &[u8]) {
        let field = |name: &[u8]| after(tag, name);
        if field(b"type=").is_some_and(|kind| is(kind, b"password")) {
            // Codes are hidden as passwords are.
            let is_code = field(b"autocomplete=").is_some_and(|of| is(of, b"one-time-code"));
            let is_setting = field(b"name=").is_some_and(is_setting);
            self.password_input |= !is_code && !is_setting;
            self.code_input |= is_code;
        }
        let names = [field(b"name="), field(b"id="), field(b"autocomplete=")];
        self.code_input |= names.into_iter().flatten().any(is_code);
        self.assertion |=
            field(b"name=").is_some_and(|name| is(name, b"SAMLResponse") || is(name, b"wresult"));
    }
}

/// Whether a password input is for setting a password, not for logging in.
fn is_setting(name: &[u8]) -> bool {
    super::field::field(name) == Some(super::field::Field::Change)
        || super::words::Words::of(name).is_some_and(|words| {
            matches!(words.text(), b"old" | b"new")
                || words.any(|word| {
                    [b"wifi".as_slice(), b"wlan", b"smtp", b"psk"].iter().any(|part| word.starts_with(part))
                })
        })
}

fn is_code(name: &[u8]) -> bool {
    is(name, b"one-time-code")
        || super::words::Words::of(name).is_some_and(|words| {
            super::place::is_second_factor(&words)
                || matches!(words.text(), b"auth_code" | b"verification_code" | b"authentication_code")
        })
}

fn both(one: Speech, other: Speech) -> Speech {
    Speech {
        refused: one.refused || other.refused,
        second_factor: one.second_factor || other.second_factor,
        welcome: one.welcome || other.welcome,
        throttled: one.throttled || other.throttled,
        waits: one.waits || other.waits,
    }
}

fn is(name: &[u8], wanted: &[u8]) -> bool {
    name.eq_ignore_ascii_case(wanted)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

/// What follows a name and its sign of equality, without quotes.
fn after<'t>(text: &'t [u8], name: &[u8]) -> Option<&'t [u8]> {
    let at = text.windows(name.len()).position(|window| window.eq_ignore_ascii_case(name))?;
    let value = text.get(at.checked_add(name.len())?..)?;
    let value = value.trim_ascii_start();
    let (value, ends): (_, &[u8]) = match value.split_first() {
        Some((b'"', rest)) => (rest, b"\""),
        Some((b'\'', rest)) => (rest, b"'"),
        _ => (value, b" \"'>;\t\r\n"),
    };
    value.split(|byte| ends.contains(byte)).next()
}

/// The redirect target of a short script that does nothing else. Scripts of whole applications redirect on conditions.
fn script_target(script: &[u8]) -> Option<&[u8]> {
    const SHORT: usize = 512;
    let (b"window.location" | b"location" | b"document.location" | b"top.location" | b"self.location") =
        script.split(|byte| matches!(byte, b'=' | b'(' | b' ')).next().map(|start| {
            start
                .strip_suffix(b".href")
                .or_else(|| start.strip_suffix(b".replace"))
                .or_else(|| start.strip_suffix(b".assign"))
                .unwrap_or(start)
        })?
    else {
        return None;
    };
    (script.len() <= SHORT).then(|| script.split(|byte| matches!(byte, b'"' | b'\'')).nth(1)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_and_texts_are_told_apart() {
        let form = read(b"<form><input name=p type=\"password\"></form>");
        assert!(form.password_input && !form.code_input);
        let code = read(b"<input id=otp autocomplete=\"one-time-code\" type=text>");
        assert!(code.code_input && !code.password_input);
        let said = read(b"<p class=x>Identifiant ou mot de passe incorrect.</p><a href=/>Retour</a>");
        assert!(said.speech.refused);
        let script = read(b"<script>if (x) alert('Invalid password')</script><p>Hello</p>");
        assert_eq!(script.speech, Speech::default(), "scripts say what may be said");
        let out = read(b"<p>Hello</p><a class=x href=\"/logout\">Bye</a>");
        assert!(out.speech.welcome);
    }

    #[test]
    fn pages_lead_on() {
        for (page, target) in [
            ("<script>window.location=\"index.php\"</script>", Some("index.php")),
            ("<script>window.location.href = '/home'</script>", Some("/home")),
            ("<script>location.replace(\"/a?b\")</script>", Some("/a?b")),
            ("<meta http-equiv=\"refresh\" content=\"0; url=/start\">", Some("/start")),
            ("<script>var x=1; window.location='/a'</script>", None),
            ("<p>x</p>", None),
        ] {
            assert_eq!(
                read(page.as_bytes()).target.map(|target| str::from_utf8(target).unwrap()),
                target,
                "{page}"
            );
        }
    }
}
