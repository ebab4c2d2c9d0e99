//! Password hashes, in the formats that programs store.

use super::{Item, Kind};

/// Prefix, scheme, and the minimum length of the rest.
const MODULAR: [(&[u8], &str, usize); 16] = [
    (b"$2a$", "bcrypt", 56),
    (b"$2b$", "bcrypt", 56),
    (b"$2y$", "bcrypt", 56),
    (b"$2x$", "bcrypt", 56),
    (b"$argon2id$", "argon2", 40),
    (b"$argon2i$", "argon2", 40),
    (b"$argon2d$", "argon2", 40),
    (b"$6$", "sha512-crypt", 86),
    (b"$5$", "sha256-crypt", 43),
    (b"$1$", "md5-crypt", 24),
    (b"$apr1$", "md5-crypt", 24),
    (b"$y$", "yescrypt", 50),
    (b"$scrypt$", "scrypt", 40),
    (b"$pbkdf2-", "pbkdf2", 40),
    (b"$P$", "phpass", 31),
    (b"$S$", "drupal", 52),
];

/// Text before the first `$` of formats that do not begin with one.
const LED: [(&[u8], &str); 6] = [
    (b"pbkdf2_sha256", "pbkdf2"),
    (b"pbkdf2_sha1", "pbkdf2"),
    (b"argon2", "argon2"),
    (b"bcrypt_sha256", "bcrypt"),
    (b"scrypt:32768:8:1", "scrypt"),
    (b"pbkdf2:sha256:", "pbkdf2"),
];

/// Maximum length examined.
const MAX: usize = 256;

const fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'$' | b'.' | b'/' | b'+' | b'=' | b',' | b'-' | b'_')
}

/// The length of a possible hash. JSON may escape slashes with a backslash.
fn run(text: &[u8]) -> usize {
    let mut length = 0_usize;
    while let Some(rest) = text.get(length..)
        && length < MAX
    {
        match rest {
            [b'\\', b'/', ..] => length = length.saturating_add(2),
            [byte, ..] if is_part(*byte) => length = length.saturating_add(1),
            _ => break,
        }
    }
    length
}

pub(super) fn scan(text: &[u8], tell: &mut impl FnMut(Item)) {
    let mut from = 0_usize;
    for at in memchr::memchr_iter(b'$', text) {
        if at < from {
            continue;
        }
        let Some(rest) = text.get(at..) else { continue };
        let run = run(rest);
        let rest = rest.get(..run).unwrap_or_default();
        let found = modular(rest).or_else(|| led(text.get(..at).unwrap_or_default(), rest));
        if let Some((rule, lead)) = found {
            tell(Item {
                kind: Kind::PasswordHash,
                rule,
                at: at.saturating_sub(lead),
                length: run.saturating_add(lead),
            });
            from = at.saturating_add(run);
        }
    }
}

fn modular(rest: &[u8]) -> Option<(&'static str, usize)> {
    let (start, rule, least) = MODULAR.iter().find(|(start, ..)| rest.starts_with(start))?;
    let body = rest.get(start.len()..)?;
    // Of bcrypt the cost comes first, of others a salt or parameters; JSON escapes slashes in some.
    let length = body.iter().filter(|byte| **byte != b'\\').count();
    let is_bcrypt = *rule != "bcrypt"
        || matches!(body, [a, b, b'$', ..] if a.is_ascii_digit() && b.is_ascii_digit()) && length == 56;
    (length >= *least && is_bcrypt && super::super::secret::is_secret_value_bytes(body)).then_some((rule, 0))
}

fn led(before: &[u8], rest: &[u8]) -> Option<(&'static str, usize)> {
    LED.iter().find_map(|(lead, rule)| {
        let tail = before.get(before.len().saturating_sub(24)..)?;
        let place = if lead.ends_with(b":") {
            memchr::memmem::find(tail, lead)?
        } else {
            tail.ends_with(lead).then_some(tail.len().saturating_sub(lead.len()))?
        };
        let lead_length = tail.len().saturating_sub(place);
        let parts = rest.iter().filter(|byte| **byte == b'$').count();
        (rest.len() >= 44 && parts >= 2).then_some((*rule, lead_length))
    })
}

/// Whether a value alone may be a password digest: 32, 40, 64 or 128 hexadecimal digits. Digests of files look the same, so
/// use this only for fields named like passwords.
pub(crate) fn is_bare_digest(value: &[u8]) -> bool {
    matches!(value.len(), 32 | 40 | 64 | 128) && value.iter().all(u8::is_ascii_hexdigit)
}
