//! Texts that people write: documents, code, statements of SQL.
//!
//! An injection leaves the context that its value is put into, by a quote, a bracket or a separator, and then goes on in the
//! language of that context. Documentation, tickets and editors of SQL hold the same words without leaving anything, so in
//! them only those constructs count that texts hardly ever have (`Construct::in_texts`), and breaks.

use regex::bytes::{Regex, RegexBuilder};

use crate::values::{Place, Value};

/// Where people write texts. Paths, cookies and headers hold none.
const fn holds_texts(place: Place) -> bool {
    matches!(place, Place::Query | Place::Form | Place::Json | Place::Xml | Place::Graphql | Place::Body)
}

/// Shortest prose, in words of letters only: attacks rarely have as many.
const LEAST_WORDS: usize = 8;
/// Shortest document of several lines, in parts between white space.
const LEAST_PARTS: usize = 5;
/// From this many lines on, a text is a document or code; attacks have one line, a header break two.
const LEAST_LINES: usize = 3;
/// At least one in so many words of prose is among [`COMMON`]; in English it is one in three to four.
const COMMON_SHARE: usize = 9;

/// Recognises texts.
pub(super) struct Writing {
    /// What leaves a string or a command at the end of a text.
    tail: Option<Regex>,
    /// What does so anywhere, with words around it that are there to hide it.
    anywhere: Option<Regex>,
}

impl Writing {
    pub(super) fn new() -> Self {
        let compiled = |pattern| {
            let mut builder = RegexBuilder::new(pattern);
            builder.unicode(false).ignore_whitespace(true).dot_matches_new_line(true).build().ok()
        };
        Self { tail: compiled(TAIL), anywhere: compiled(ANYWHERE) }
    }

    /// Whether a value is a text that breaks out of nothing. `normal` is its normal form.
    pub(super) fn is_text(&self, value: &Value<'_>, normal: &[u8]) -> bool {
        if !holds_texts(value.place) || value.is_name {
            return false;
        }
        let text = value.text.trim_ascii();
        let is_statement = is_statement(text, normal);
        (is_statement || is_document(text) && !self.breaks_out_anywhere(normal)) && !self.breaks_out(normal)
    }

    /// Whether a text leaves what it was put into and does something there, whatever is around it. Documents that show
    /// how are rare.
    fn breaks_out_anywhere(&self, normal: &[u8]) -> bool {
        self.anywhere.as_ref().is_none_or(|pattern| pattern.is_match(normal))
    }

    /// Whether the end of a text leaves what the text was put into.
    fn breaks_out(&self, normal: &[u8]) -> bool {
        let end = normal.len().saturating_sub(TAIL_LENGTH);
        let tail = normal.get(end..).unwrap_or_default();
        self.tail.as_ref().is_none_or(|pattern| pattern.is_match(tail))
    }
}

/// Bytes at the end that are searched for a break.
const TAIL_LENGTH: usize = 160;

/// A quote, then a condition or a statement, then a comment or an open string at the end; a separator with a command at the end.
const TAIL: &str = r#"['"`)] \s* \)* \s* (?: (?: or | and | union | having | order | group | xor ) \b | ; | \|\| | && ) .{0,120}
        (?: -- \s* [-+]? \s* \w{0,6} | \# \s* \w{0,6} | /\* ) \s* $
    | ['"] \s* \)* \s* (?: or | and | xor | \|\| | && ) \s+ \(* \s* ['"]? \w{0,12} ['"]? \s* (?: = | like ) \s* \(* ['"]? \w{0,12} $
    | ; \s* (?: -- | \# ) \s* $
    | ['"] \s* (?: or | and ) \s+ ['"] \w{0,12} ['"] \s* = \s* ['"] \w{0,12} ['"]? $
    | (?: ; | \|\| | && | \| | \$\( | ` ) \s* (?: cat \s+ /etc | id | whoami | uname | wget \s | curl \s | nslookup \s | ping \s+ -
        | nc \s+ - | sleep \s+ \d ) [^;|&\n]{0,80} [;|&)`]? \s* $"#;

/// A string or a number that ends, and then: a union, a condition that is always true, a statement, a delay. A path that climbs to
/// files of the system, a command after a separator that reads them or connects somewhere. Arithmetic in the delimiters of
/// templates.
const ANYWHERE: &str = r#"(?: ['"`)] | \b \d+ ) \s* \)* \s* union \s+ (?: all \s+ | distinct \s+ )? \(? \s* select \b
    | (?: ['"`)] | \b \d+ ) \s* \)* \s* (?: or | and | \|\| | && | xor ) \s* \(* \s* (?: \d+ \s* (?: = | like ) \s* \d+
        | '\w{0,12}' \s* (?: = | like ) \s* '\w{0,12} | "\w{0,12}" \s* = \s* "\w{0,12} )
    | (?: ['"`)] | \b \d+ ) \s* \)* \s* ; \s* (?: drop \s+ (?: table | database ) | delete \s+ from | insert \s+ into | update \s+ \w+ \s+ set
        | exec | shutdown | waitfor | declare \s+ @ )
    | ['"`)] .{0,60} (?: \b sleep \s* \( \s* \d | benchmark \s* \( \s* \d | waitfor \s+ delay | pg_sleep \s* \( | dbms_\w+ \s* \.
        | extractvalue \s* \( | updatexml \s* \( | information_schema )
    | (?: \.\. [/\\]+ ){3} | [/\\] etc [/\\]+ (?: passwd | shadow )
    | (?: ; | \| | && | \$\( | ` ) \s* (?: nc \s+ - | (?: ba )? sh \s+ -i | wget \s+ http | whoami \b | uname \s+ - | /bin/ )
    | /dev/tcp/ | \{\{ \s* \d+ \s* \* \s* \d | [\#$] \{ \s* \d+ \s* \* \s* \d"#;

/// Whether a text consists of words of a language, or of several lines.
fn is_document(text: &[u8]) -> bool {
    // XML is for programs.
    if text.starts_with(b"<?") || text.starts_with(b"<!") {
        return false;
    }
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
    let (mut parts, mut words, mut common) = (0_usize, 0_usize, 0_usize);
    for part in text.split(u8::is_ascii_whitespace).filter(|part| !part.is_empty()) {
        parts = parts.saturating_add(1);
        let word = bare(part);
        if is_word(word) {
            words = words.saturating_add(1);
            common = common.saturating_add(usize::from(is_common(word)));
        }
    }
    if lines >= LEAST_LINES {
        return parts >= LEAST_PARTS;
    }
    if lines > 1 && text.starts_with(b"```") {
        return true;
    }
    let is_prose = common >= 2 && common.saturating_mul(COMMON_SHARE) >= words;
    words >= LEAST_WORDS && is_prose && words.saturating_mul(2) >= parts
}

/// A part of a text without the punctuation around it.
fn bare(part: &[u8]) -> &[u8] {
    let is_mark = |byte: &u8| byte.is_ascii_punctuation();
    let start = part.iter().position(|byte| !is_mark(byte)).unwrap_or(part.len());
    let end = part.iter().rposition(|byte| !is_mark(byte)).map_or(0, |at| at.saturating_add(1));
    part.get(start..end).unwrap_or_default()
}

fn is_word(word: &[u8]) -> bool {
    let is_of_word = |byte: &u8| byte.is_ascii_alphabetic() || *byte >= 0x80 || matches!(byte, b'-' | b'\'');
    !word.is_empty() && word.iter().all(is_of_word)
}

/// Frequent words of English, German, French, Spanish, Portuguese, Italian and Dutch that no language of programs has.
const COMMON: [&str; 96] = [
    "the", "of", "to", "a", "an", "that", "it", "this", "with", "be", "you", "are", "was", "will", "can",
    "have", "has", "your", "which", "at", "but", "we", "they", "should", "would", "there", "their", "its",
    "these", "when", "what", "how", "may", "must", "been", "than", "into", "only", "also", "other", "more",
    "any", "some", "such", "our", "der", "die", "das", "und", "ist", "nicht", "ein", "eine", "mit", "von",
    "zu", "den", "auf", "dem", "sich", "le", "la", "les", "des", "et", "est", "un", "une", "dans", "pour",
    "que", "qui", "sur", "el", "los", "las", "por", "con", "para", "os", "uma", "no", "em", "il", "di",
    "che", "per", "het", "een", "van", "dat", "op", "te", "zijn", "voor", "niet",
];

fn is_common(word: &[u8]) -> bool {
    COMMON.iter().any(|common| word.eq_ignore_ascii_case(common.as_bytes()))
}

/// Words that begin statements of SQL.
const VERBS: [&[u8]; 16] = [
    b"select",
    b"insert",
    b"update",
    b"delete",
    b"create",
    b"alter",
    b"drop",
    b"with",
    b"explain",
    b"merge",
    b"replace",
    b"truncate",
    b"grant",
    b"revoke",
    b"begin",
    b"values",
];

/// What a statement has that looks for the database behind an application, or stalls it, rather than for data.
const PROBING: [&[u8]; 50] = [
    b"sysibm",
    b"syscat",
    b"current_setting",
    b"current_user",
    b"current user",
    b"table_schema",
    b"sleep(",
    b"sleep (",
    b"benchmark",
    b"pg_sleep",
    b"waitfor",
    b"load_file",
    b"outfile",
    b"dumpfile",
    b"xp_",
    b"sp_oa",
    b"sp_exec",
    b"utl_",
    b"dbms_",
    b"extractvalue",
    b"updatexml",
    b"information_schema",
    b"sysobjects",
    b"syscolumns",
    b"sysdatabases",
    b"sysusers",
    b"sysprocesses",
    b"@@",
    b"pg_shadow",
    b"pg_user",
    b"pg_read_file",
    b"mysql.user",
    b"all_tables",
    b"all_users",
    b"msysaccess",
    b"v$",
    b"load_extension",
    b"randomblob",
    b"receive_message",
    b"ctxsys",
    b"from program",
    b"0x",
    b"null,null",
    b"null, null",
    b"1=1",
    b"'1'='1",
    b"'a'='a",
    b"version()",
    b"user()",
    b"database()",
];

/// Whether a text is whole statements of SQL, with what they open closed. An injected one ends another first.
fn is_statement(text: &[u8], normal: &[u8]) -> bool {
    let Some(text) = after_comments(text) else { return false };
    let length = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let verb = text.get(..length).unwrap_or_default();
    let begins = VERBS.iter().any(|known| verb.eq_ignore_ascii_case(known))
        && text.get(length).is_some_and(u8::is_ascii_whitespace);
    begins && is_closed(text) && !PROBING.iter().any(|probe| memchr::memmem::find(normal, probe).is_some())
}

/// A text without the comments of whole lines that it begins with.
fn after_comments(mut text: &[u8]) -> Option<&[u8]> {
    while text.starts_with(b"--") {
        let end = memchr::memchr(b'\n', text)?;
        text = text.get(end..)?.trim_ascii_start();
    }
    Some(text)
}

/// Whether quotes and brackets are in pairs, and no comment cuts off the end.
fn is_closed(text: &[u8]) -> bool {
    let mut depth = 0_i32;
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            b'\'' | b'"' | b'`' => match closing(after, *first) {
                Some(after) => after,
                None => return false,
            },
            b'(' => {
                depth = depth.saturating_add(1);
                after
            }
            b')' if depth == 0 => return false,
            b')' => {
                depth = depth.saturating_sub(1);
                after
            }
            b'#' if after.trim_ascii().is_empty() => return false,
            b'-' if after.first() == Some(&b'-') => match memchr::memchr(b'\n', after) {
                Some(end) => after.get(end..).unwrap_or_default(),
                None => return false,
            },
            b'/' if after.first() == Some(&b'*') => match memchr::memmem::find(after, b"*/") {
                Some(end) => after.get(end.saturating_add(2)..).unwrap_or_default(),
                None => return false,
            },
            _ => after,
        };
    }
    depth == 0
}

/// The text after a closing quote; a doubled one, or one after a backslash, closes nothing.
fn closing(mut text: &[u8], quote: u8) -> Option<&[u8]> {
    loop {
        let at = memchr::memchr2(quote, b'\\', text)?;
        let after = text.get(at.saturating_add(1)..)?;
        if text.get(at) == Some(&b'\\') || after.first() == Some(&quote) {
            text = after.get(1..)?;
        } else {
            return Some(after);
        }
    }
}

/// A text without code as Markdown marks it: fences, spans, indented lines after an empty one. What a browser would run there,
/// it shows.
pub(super) fn without_code(text: &[u8], out: &mut Vec<u8>) {
    let (mut is_fenced, mut may_begin) = (false, true);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let start = line.trim_ascii_start();
        if start.starts_with(b"```") || start.starts_with(b"~~~") {
            is_fenced = !is_fenced;
            continue;
        }
        let is_indented = may_begin && (line.starts_with(b"    ") || line.starts_with(b"\t"));
        may_begin = start.is_empty() || is_indented;
        if is_fenced || is_indented {
            continue;
        }
        without_spans(line, out);
    }
}

/// A line without what is between backticks.
fn without_spans(line: &[u8], out: &mut Vec<u8>) {
    let mut rest = line;
    while let Some(open) = memchr::memchr(b'`', rest) {
        out.extend_from_slice(rest.get(..open).unwrap_or_default());
        let after = rest.get(open.saturating_add(1)..).unwrap_or_default();
        let close = memchr::memchr(b'`', after);
        rest = close.and_then(|close| after.get(close.saturating_add(1)..)).unwrap_or(after);
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::Wraps;

    fn is_text(place: Place, text: &str) -> bool {
        let normal = text.to_lowercase().replace('\n', " ");
        let value = Value {
            place,
            name: b"q",
            text: text.as_bytes(),
            is_name: false,
            is_scalar: false,
            wraps: Wraps::default(),
        };
        Writing::new().is_text(&value, normal.as_bytes())
    }

    #[test]
    fn documents_and_statements_are_texts() {
        for text in [
            "Select the rows that you want to keep from the list, then press the button.",
            "SELECT name, price FROM products WHERE id = ?1 ORDER BY price",
            "INSERT INTO notes (text) VALUES ('it''s here')",
            "-- people by name\nSELECT * FROM people;",
            "fn main() {\n    let x = read(name);\n    println!(\"{x}\");\n}\n// the name is read here, and so is the value",
            "Der Server ist nicht da, und das Protokoll zeigt eine Zeile mit sleep 5; die anderen sind gut",
        ] {
            assert!(is_text(Place::Json, text), "{text}");
            assert!(!is_text(Place::Cookie, text), "no place for texts: {text}");
        }
    }

    #[test]
    fn what_breaks_out_is_none() {
        for text in [
            "1' UNION SELECT name, password FROM users--",
            "SELECT name FROM users WHERE id = 1 -- ",
            "SELECT name FROM users WHERE name = 'a",
            "SELECT name FROM users) UNION SELECT 1",
            "SELECT table_name FROM information_schema.tables",
            "SELECT pg_sleep(5) FROM users",
            "drop'--",
            "The best of all the chairs that you can have for the garden' OR 1=1--",
            "The best of all the chairs that you can have for the garden' or 'a'='a",
            "The best of all the chairs that you can have for the garden; cat /etc/passwd",
            "The best of all the chairs' UNION SELECT password FROM users -- that you can have for the garden, which it is",
            "The best of all the chairs' or 1=1 -- that you can have for the garden, and nothing else will be in it",
            "The best\nof all\nthe chairs'; DROP TABLE users; --\nthat you can have",
            "The best of all the chairs that you can have in ../../../../etc/hosts for the garden, and more",
            "It is one of {{7*7}} chairs that you can have for the garden, and nothing else will be in it",
        ] {
            assert!(!is_text(Place::Json, text), "{text}");
        }
    }

    #[test]
    fn code_is_left_out_as_markdown_marks_it() {
        let mut out = Vec::new();
        without_code(b"a `b` c\n```\nd\n```\n\n    e\nf\n    g", &mut out);
        assert_eq!(out, b"a  c\n\nf\n    g");
    }
}
