//! The first look at a value: most have nothing that any injection needs.

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use crate::values::{Place, Value};

/// What may stand in a value whatever it is.
const WORD: u8 = 1;
/// What stands in paths, times and assignments.
const MARK: u8 = 2;
/// What no plain value has.
const OTHER: u8 = 4;

/// The kind of each byte.
const KINDS: [u8; 256] = {
    let mut kinds = [OTHER; 256];
    let mut at = 0_usize;
    while at < 256 {
        let byte = at as u8;
        #[expect(clippy::indexing_slicing, reason = "the index is below 256")]
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b',' | b'~') {
            kinds[at] = WORD;
        } else if matches!(byte, b'.' | b'/' | b':' | b'=' | b'@' | b' ' | b'+') {
            kinds[at] = MARK;
        }
        at += 1;
    }
    kinds
};

/// Words without which nothing is made of letters and `. / : = @` alone.
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

/// Words that make a text with spaces worth a closer look.
const COMMANDS: [&str; 26] = [
    " or ",
    " and ",
    "order by",
    "group by",
    "having ",
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

/// Tells plain values.
pub(super) struct Plain {
    triggers: Option<AhoCorasick>,
}

impl Plain {
    pub(super) fn new() -> Self {
        let mut builder = AhoCorasick::builder();
        builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA));
        Self { triggers: builder.build(TRIGGERS.iter().chain(&COMMANDS)).ok() }
    }

    /// Whether there is nothing in a value that any injection needs.
    #[inline]
    pub(super) fn is_plain(&self, value: &Value<'_>) -> bool {
        let text = value.text;
        let kinds = kinds(text);
        if kinds & OTHER != 0 {
            return false;
        }
        if kinds & MARK == 0 {
            // The first letters of serialised objects look like any token; words need something around them.
            return !(text.len() > 12
                && (text.starts_with(b"rO0AB") || text.starts_with(b"AAEAAAD") || text.starts_with(b"gA")))
                && !has_lone_word(text);
        }
        // A path begins like a file's; its steps are told by the triggers.
        let is_rooted = text.first() == Some(&b'/') && !matches!(value.place, Place::Path | Place::Referer);
        !is_rooted && self.triggers.as_ref().is_some_and(|triggers| !triggers.is_match(text))
    }
}

/// Words that alone are something to tell: `__proto__`, `whoami`.
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

/// The kinds of all bytes of a text.
#[inline]
fn kinds(text: &[u8]) -> u8 {
    let of = |byte: &u8| KINDS.get(usize::from(*byte)).copied().unwrap_or(OTHER);
    let mut chunks = text.chunks_exact(16);
    for chunk in chunks.by_ref() {
        let kinds = chunk.iter().fold(0, |kinds, byte| kinds | of(byte));
        if kinds & OTHER != 0 {
            return kinds;
        }
    }
    chunks.remainder().iter().fold(0, |kinds, byte| kinds | of(byte))
        | text
            .chunks_exact(16)
            .fold(0, |kinds, chunk| kinds | chunk.iter().fold(0, |kinds, byte| kinds | of(byte)))
}
