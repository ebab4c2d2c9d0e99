//! A first look at a value: most have nothing that an injection needs.

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use crate::values::{Place, Value};

/// A byte of any plain value.
const WORD: u8 = 1;
/// A byte of paths, times and assignments.
const MARK: u8 = 2;
/// A byte that no plain value has.
const OTHER: u8 = 4;

/// The kind of a byte.
const fn kind(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b',' | b'~' => WORD,
        b'.' | b'/' | b':' | b'=' | b'@' | b' ' | b'+' => MARK,
        _ => OTHER,
    }
}

/// An injection of only letters and `. / : = @` contains one of these.
const TRIGGERS: [&str; 54] = [
    "..",
    "//",
    "etc",
    "proc",
    "windows",
    "winnt",
    "system32",
    ".ini",
    ".conf",
    "/.",
    ".env",
    "c:",
    "d:",
    "localhost",
    "127.",
    "169.254",
    "0x",
    "passwd",
    "php",
    "file:",
    "data:",
    "javascript",
    "script:",
    "jndi",
    "gopher",
    "dict:",
    "ldap",
    "jar:",
    "java.",
    "javax",
    "rO0AB",
    "aced0005",
    "AAEAAAD",
    "ysoserial",
    "union",
    "select",
    "sleep",
    "waitfor",
    "metadata",
    ".log",
    "_log",
    "web-inf",
    "meta-inf",
    "class.",
    "os.",
    "__",
    "constructor",
    "child_process",
    "process.",
    "oast",
    "burp",
    "/bin",
    "set-cookie",
    ".git",
];

/// Words that make a text with spaces worth analysing.
const COMMANDS: [&str; 27] = [
    " or ",
    " and ",
    "order by",
    "group by",
    "having ",
    "where ",
    "drop ",
    "insert ",
    "delete ",
    "update ",
    "exec ",
    "declare ",
    "truncate ",
    "alter ",
    "create ",
    "ping ",
    "cat ",
    "wget ",
    "curl ",
    "whoami",
    "uname",
    "ifconfig",
    "ipconfig",
    "nslookup",
    "powershell",
    "net user",
    "chmod ",
];

/// Recognises plain values.
pub(super) struct Plain {
    kinds: [u8; 256],
    triggers: Option<AhoCorasick>,
}

impl Plain {
    pub(super) fn new() -> Self {
        let mut builder = AhoCorasick::builder();
        builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA));
        let kinds = std::array::from_fn(|at| kind(u8::try_from(at).unwrap_or_default()));
        Self { kinds, triggers: builder.build(TRIGGERS.iter().chain(&COMMANDS)).ok() }
    }

    /// Whether a value is plain, judged by its bytes alone; none if words must be searched for.
    #[inline]
    pub(super) fn by_bytes(&self, value: &Value<'_>) -> Option<bool> {
        let text = value.text;
        let kinds = kinds(&self.kinds, text);
        if kinds & OTHER != 0 {
            return Some(false);
        }
        if kinds & MARK == 0 {
            // The first letters of serialised objects look like any token; words need something around them.
            let starts = [&b"rO0AB"[..], b"AAEAAAD", b"gA"];
            let is_serialised = text.len() > 12 && starts.iter().any(|start| text.starts_with(start));
            return Some(!is_serialised && !has_lone_word(text));
        }
        None
    }

    /// Whether a value is plain, judged by its words.
    pub(super) fn by_words(&self, value: &Value<'_>) -> bool {
        // A request's path begins with a slash anyway; triggers find suspicious steps.
        let is_rooted =
            value.text.first() == Some(&b'/') && !matches!(value.place, Place::Path | Place::Referer);
        !is_rooted
            && !begins_condition(value.text)
            && self.triggers.as_ref().is_some_and(|triggers| !triggers.is_match(value.text))
    }

    /// Whether a value has nothing that an injection needs.
    pub(super) fn is_plain(&self, value: &Value<'_>) -> bool {
        self.by_bytes(value).unwrap_or_else(|| self.by_words(value))
    }
}

/// Whether a text continues another condition: `or 1 = 1`.
fn begins_condition(text: &[u8]) -> bool {
    let starts: [&[u8]; 2] = [b"or ", b"and "];
    starts.iter().any(|start| text.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start)))
}

/// Words that are suspicious on their own: `__proto__`, `whoami`.
fn has_lone_word(text: &[u8]) -> bool {
    memchr::memmem::find(text, b"__").is_some()
        || [
            &b"whoami"[..],
            b"ifconfig",
            b"ipconfig",
            b"child_process",
            b"auto_prepend_file",
            b"allow_url_include",
            b"information_schema",
            b"id_rsa",
        ]
        .iter()
        .any(|word| text.len() < 40 && text.eq_ignore_ascii_case(word))
}

/// The kinds of all bytes of a text, up to the first one that is not plain.
#[inline]
fn kinds(table: &[u8; 256], text: &[u8]) -> u8 {
    let mut kinds = 0;
    // Without a branch for each byte.
    for chunk in text.chunks(32) {
        kinds |= chunk
            .iter()
            .fold(0, |kinds, byte| kinds | table.get(usize::from(*byte)).copied().unwrap_or(OTHER));
        if kinds & OTHER != 0 {
            return kinds;
        }
    }
    kinds
}
