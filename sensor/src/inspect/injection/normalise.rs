//! The normal form of a value, in which decoders and parsers no longer disagree.
//!
//! Up to three rounds of decoding (percent, `%u`, entities, `\u`, `\x`), then one pass that folds look-alikes of
//! ASCII, overlong UTF-8 and case and drops what is invisible, then one that folds comments and white space. Line breaks
//! that begin a header are marked first.

use super::decode;
use super::fold;

/// Rounds of decoding. Servers behind proxies decode twice; three layers are meant to hide something.
const ROUNDS: usize = 3;

/// Maximum bytes examined of a value: what is kept of a body by default.
pub const MAX_TEXT: usize = 16 << 10;

/// Marks a line break that begins a header such as `set-cookie:`.
pub(super) const LINE_BREAK: u8 = 0x1e;

/// What normalisation found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Something was encoded more than once.
    pub is_layered: bool,
    /// There was a NUL.
    pub has_nul: bool,
    /// There was a comment of SQL or C.
    pub has_comment: bool,
    /// A letter or a digit inside a word was encoded, which no encoder does.
    pub is_needless: bool,
    /// One was in overlong UTF-8.
    pub is_overlong: bool,
}

impl Flags {
    /// Whether its encoding is one that no text of people has.
    pub(super) const fn is_hidden(self) -> bool {
        self.is_layered || self.has_nul || self.is_needless || self.is_overlong
    }
}

/// Normalises values, in two buffers.
#[derive(Default)]
pub struct Normaliser {
    text: zeroize::Zeroizing<Vec<u8>>,
    other: zeroize::Zeroizing<Vec<u8>>,
}

impl Normaliser {
    /// The normal form of a text.
    pub fn normalise(&mut self, text: &[u8]) -> (&[u8], Flags) {
        let Self { text: current, other } = self;
        let mut flags = Flags::default();
        current.clear();
        // Of a longer value the beginning and the end: padding would be in between.
        let half = MAX_TEXT / 2;
        match text.len().checked_sub(MAX_TEXT) {
            None | Some(0) => current.extend_from_slice(text),
            Some(_) => {
                current.extend_from_slice(text.get(..half).unwrap_or_default());
                current.extend_from_slice(text.get(text.len().saturating_sub(half)..).unwrap_or_default());
            }
        }
        for round in 0..ROUNDS {
            if !decode::has_escapes(current) {
                break;
            }
            other.clear();
            let done = decode::round(current, other);
            if !done.is_changed {
                break;
            }
            std::mem::swap(current, other);
            flags.is_layered |= round > 0;
            flags.is_needless |= done.is_needless;
        }
        other.clear();
        let folded = fold::characters(current, other);
        (flags.has_nul, flags.is_overlong) = (folded.has_nul, folded.has_overlong);
        current.clear();
        flags.has_comment = spaces(other, current);
        (current, flags)
    }

    /// The normal form of the last text.
    #[must_use]
    pub fn last(&self) -> &[u8] {
        &self.text
    }
}

/// Folds comments and whitespace into one space, and marks line breaks that begin a header. Returns whether there was a
/// comment.
fn spaces(text: &[u8], out: &mut Vec<u8>) -> bool {
    let mut has_comment = false;
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = match (first, after) {
            (b'/', [b'*', inner @ ..]) => {
                has_comment = true;
                comment(inner, out)
            }
            (b'\n' | b'\r', _) => {
                let after = rest.trim_ascii_start();
                if begins_header(after) {
                    push_space(out);
                    out.push(LINE_BREAK);
                }
                push_space(out);
                after
            }
            (b' ' | b'\t' | 0x0b | 0x0c | 0x00..=0x08 | 0x0e..=0x1f, _) => {
                push_space(out);
                after
            }
            _ => {
                out.push(*first);
                after
            }
        };
    }
    has_comment
}

fn push_space(out: &mut Vec<u8>) {
    if out.last() != Some(&b' ') {
        out.push(b' ');
    }
}

/// Replaces a comment with a space and returns the text after it. The content of a conditional comment of `MySQL`
/// (`/*!50000 ... */`) is executed, so it is kept.
fn comment<'t>(inner: &'t [u8], out: &mut Vec<u8>) -> &'t [u8] {
    push_space(out);
    if let Some(conditional) = inner.strip_prefix(b"!") {
        let digits = conditional.iter().take_while(|byte| byte.is_ascii_digit()).count();
        return conditional.get(digits..).unwrap_or_default();
    }
    let end = memchr::memmem::find(inner, b"*/").map_or(inner.len(), |end| end.saturating_add(2));
    inner.get(end..).unwrap_or_default()
}

/// Headers, and commands of text protocols, at the start of injected lines.
const HEADERS: [&[u8]; 22] = [
    b"set-cookie",
    b"location",
    b"content-type",
    b"content-length",
    b"content-encoding",
    b"content-disposition",
    b"transfer-encoding",
    b"access-control-",
    b"bcc",
    b"cc",
    b"to",
    b"subject",
    b"refresh",
    b"host",
    b"link",
    b"x-",
    b"http/",
    b"rcpt to",
    b"mail from",
    b"data",
    b"quit",
    b"v100 ",
];

fn begins_header(text: &[u8]) -> bool {
    let Some(name) = HEADERS.iter().find(|name| text.starts_with(name)) else {
        return is_imap(text);
    };
    let rest = text.get(name.len()..).unwrap_or_default();
    if name.starts_with(b"http") {
        return matches!(rest, [b'0'..=b'9', b'.', ..]);
    }
    if WHOLE_LINES.contains(name) {
        return rest.trim_ascii().is_empty();
    }
    if WORDS.contains(name) {
        return rest.starts_with(b":") && (rest.contains(&b'@') || rest.contains(&b'.'));
    }
    let is_name = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let length = rest.iter().take_while(is_name).count();
    matches!(rest.get(length..), Some([b':', ..] | [b' ', b':', ..]))
}

/// Commands without arguments.
const WHOLE_LINES: [&[u8]; 2] = [b"quit", b"data"];

/// Headers whose names also begin lines of prose, so an address must follow.
const WORDS: [&[u8]; 6] = [b"to", b"cc", b"bcc", b"subject", b"host", b"link"];

/// A tagged command of IMAP: `V100 CAPABILITY`.
fn is_imap(text: &[u8]) -> bool {
    let [b'a'..=b'z', rest @ ..] = text else { return false };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let command = rest.get(digits..).and_then(|rest| rest.strip_prefix(b" ")).unwrap_or_default();
    let commands: [&[u8]; 5] = [b"capability", b"fetch ", b"login ", b"list ", b"select "];
    (2..=4).contains(&digits) && commands.iter().any(|known| command.starts_with(known))
}
