//! Escapes sender-controlled text for any display. All output of the program goes through this file: text for people as
//! [`printable`] or [`printable_lines`], JSON as [`to_json`] or [`write_json`]. `cargo xtask tidy` checks that nothing
//! else writes JSON or to standard output.

use std::io;

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// The text with every character escaped that could steer a terminal, or make a reader see another order or other
/// letters than are there: control characters including line ends, and invisible characters that control direction
/// (Unicode Standard Annex 9; "Trojan Source", CVE-2021-42574).
#[must_use]
pub fn printable(text: &str) -> String {
    escaped(text, |_| false)
}

/// As [`printable`], for our own text that may have several lines: line ends and tabs stay.
#[must_use]
pub fn printable_lines(text: &str) -> String {
    escaped(text, |c| matches!(c, '\n' | '\t'))
}

fn escaped(text: &str, stays: impl Fn(char) -> bool) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hostile(c) && !stays(c) { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    safe
}

/// Control characters, including C1, and invisible ones.
fn is_hostile(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

/// Direction marks, joiners, fillers, line and paragraph separators, byte-order marks, variation selectors, tags.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// The value as JSON on one line, with the same characters escaped: its meaning stays the same, and it cannot affect a
/// terminal.
///
/// # Errors
/// If the value has no JSON form.
pub fn to_json<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<String> {
    let mut out = Vec::with_capacity(128);
    write_json(&mut out, value)?;
    // The output consists of the input text and ASCII.
    String::from_utf8(out).map_err(serde::ser::Error::custom)
}

/// Writes [`to_json`] without an intermediate string.
///
/// # Errors
/// As [`to_json`], and if writing fails.
pub fn write_json<T: Serialize + ?Sized>(out: impl io::Write, value: &T) -> serde_json::Result<()> {
    value.serialize(&mut Serializer::with_formatter(out, Safe))
}

/// [`to_json`] on several lines.
///
/// # Errors
/// As [`to_json`].
pub fn to_pretty_json<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<String> {
    let text = serde_json::to_string_pretty(value)?;
    Ok(json_lines(&text))
}

/// Somebody else's JSON, made safe in the same way. Outside strings, JSON contains none of these characters except line
/// ends, which stay.
#[must_use]
pub fn json_lines(json: &str) -> String {
    let mut safe = Vec::with_capacity(json.len());
    for (number, line) in json.split('\n').enumerate() {
        if number > 0 {
            safe.push(b'\n');
        }
        // Writing to memory does not fail.
        let _written = write_fragment(&mut safe, line);
    }
    String::from_utf8_lossy(&safe).into_owned()
}

/// Compact, as the default methods are.
struct Safe;

impl Formatter for Safe {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // The usual case, without examining characters; all bytes at once, which is faster than stopping at the first.
        let is_odd = |byte: u8| !matches!(byte, 0x20..=0x7e);
        if !fragment.bytes().fold(false, |odd, byte| odd | is_odd(byte)) {
            return out.write_all(fragment.as_bytes());
        }
        write_fragment(out, fragment)
    }
}

fn write_fragment<W: ?Sized + io::Write>(out: &mut W, fragment: &str) -> io::Result<()> {
    let mut rest = fragment;
    while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_hostile(*c)) {
        let (before, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.write_all(before.as_bytes())?;
        for unit in c.encode_utf16(&mut [0; 2]) {
            write!(out, "\\u{unit:04x}")?;
        }
        rest = after.get(c.len_utf8()..).unwrap_or_default();
    }
    out.write_all(rest.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_steers_is_shown_and_not_obeyed() {
        for (text, shown) in [
            ("/caf\u{e9}/\u{65e5}\u{672c}", "/caf\u{e9}/\u{65e5}\u{672c}"),
            ("\u{1b}[2J\u{7}", r"\u{1b}[2J\u{7}"),
            ("a\r\nb\tc", r"a\r\nb\tc"),
            ("\u{9b}31m", r"\u{9b}31m"),
            ("/admin\u{202e}gpj.", r"/admin\u{202e}gpj."),
            ("pay\u{200b}pal\u{feff}", r"pay\u{200b}pal\u{feff}"),
        ] {
            assert_eq!(printable(text), shown);
        }
        assert_eq!(printable_lines("a\nb\u{1b}\r\n"), "a\nb\\u{1b}\\r\n");
    }

    #[test]
    fn json_has_them_escaped() {
        let text = "\u{1b}\u{9b}2J\u{202e}\u{7f}\u{2028}\u{e0041}\u{e9}\"\\";
        let json = to_json(&text).unwrap();
        assert_eq!(json, r#""\u001b\u009b2J\u202e\u007f\u2028\udb40\udc41é\"\\""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        /// Whatever the text: JSON means the same, has nothing hostile, and is one line; so is text for people.
        #[test]
        fn nothing_hostile_gets_through(
            texts in prop::collection::btree_map(".{0,20}", "[\\x00-\\u{a0}\u{2000}-\u{2070}\u{e0000}-\u{e0fff}a]{0,20}", 0..4),
        ) {
            let json = to_json(&texts).unwrap();
            prop_assert!(!json.contains(is_hostile), "{}", json);
            let plain: std::collections::BTreeMap<String, String> = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(&plain, &texts);
            let by_others = serde_json::to_value(&texts).unwrap().to_string();
            prop_assert_eq!(&json_lines(&by_others), &json);
            for text in texts.values() {
                prop_assert!(!printable(text).contains(is_hostile));
            }
        }
    }
}
