//! Checks candidates found by their fixed part.

use super::{Class, Hit};
use crate::route::key_forms::{Bytes, Check, Form};

/// Maximum bytes examined of a URL with a password.
const MAX_URL: usize = 256;

/// Checks a format whose fixed part is at `start`.
pub(super) fn check(form: &Form, text: &[u8], start: usize) -> Option<Hit> {
    if let Check::Led(led) = form.check {
        return in_the_middle(form, led, text, start);
    }
    let before = start.checked_sub(1).and_then(|before| text.get(before)).copied();
    if before.is_some_and(is_joined) && !is_escape(text, start) {
        return None;
    }
    let rest = text.get(start.checked_add(form.prefix.len())?..)?;
    let mut hit = Hit { class: form.class, form: form.name, at: start, length: 0, is_checked: false };
    let length = match form.check {
        Check::Pem => pem(rest)?,
        Check::Url => url(rest)?,
        Check::None | Check::Crc32 | Check::Has(_) | Check::Led(_) | Check::Parts(_) => {
            let (least, most) = form.length;
            let run =
                rest.iter().take(most.saturating_add(1)).take_while(|byte| form.bytes.has(**byte)).count();
            if !(least..=most).contains(&run) {
                return None;
            }
            let secret = rest.get(..run)?;
            if !is_plausible(secret) {
                return None;
            }
            hit.is_checked = form.check == Check::Crc32 && has_crc32(secret);
            if !holds(form.check, secret) {
                return None;
            }
            run
        }
    };
    hit.length = form.prefix.len().saturating_add(length);
    Some(hit)
}

/// Checks a format whose fixed part is in its middle.
fn in_the_middle(form: &Form, led: &str, text: &[u8], at: usize) -> Option<Hit> {
    let (least, most) = form.length;
    let (before, rest) = text.split_at_checked(at)?;
    let rest = rest.get(form.prefix.len()..)?;
    let lead = before.iter().rev().take(most).take_while(|byte| form.bytes.has(**byte)).count();
    let tail = rest.iter().take(most).take_while(|byte| form.bytes.has(**byte)).count();
    let secret = before.get(at.checked_sub(lead)?..)?;
    let start = at.saturating_sub(lead);
    let length = lead.saturating_add(form.prefix.len()).saturating_add(tail);
    let is_one = lead >= least && tail >= least && secret.starts_with(led.as_bytes()) && is_plausible(secret);
    is_one.then_some(Hit { class: form.class, form: form.name, at: start, length, is_checked: false })
}

fn holds(check: Check, secret: &[u8]) -> bool {
    match check {
        Check::Has(part) => memchr::memmem::find(secret, part.as_bytes()).is_some(),
        Check::Parts(lengths) => {
            secret.split(|byte| *byte == b'.').map(<[u8]>::len).eq(lengths.iter().copied())
        }
        // A wrong checksum is accepted: issuers have changed their algorithms.
        Check::None | Check::Crc32 | Check::Led(_) | Check::Pem | Check::Url => true,
    }
}

/// Whether the byte before makes it part of a longer word.
const fn is_joined(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether `\n` in JSON, or `%3D`, precedes it.
fn is_escape(text: &[u8], start: usize) -> bool {
    let before = text.get(start.saturating_sub(3)..start).unwrap_or_default();
    matches!(before, [.., b'\\', b'n' | b't' | b'r'] | [b'%', _, _])
}

impl Bytes {
    pub(super) const fn has(self, byte: u8) -> bool {
        match self {
            Self::Base32 => matches!(byte, b'A'..=b'Z' | b'2'..=b'7'),
            Self::Hex => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            Self::Alphanumeric => byte.is_ascii_alphanumeric(),
            Self::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'),
            Self::Base64Url => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'='),
            Self::Base64 => byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'_'),
        }
    }
}

/// Whether it is not a placeholder, of which documentation is full.
pub(crate) fn is_plausible(secret: &[u8]) -> bool {
    const WORDS: [&[u8]; 8] =
        [b"EXAMPLE", b"example", b"XXXX", b"xxxx", b"your", b"YOUR", b"0123456789", b"placeholder"];
    let mut seen = [false; 256];
    for byte in secret {
        if let Some(known) = seen.get_mut(usize::from(*byte)) {
            *known = true;
        }
    }
    let distinct = seen.iter().filter(|known| **known).count();
    let least = (secret.len() / 3).clamp(3, 8);
    distinct >= least && !WORDS.iter().any(|word| memchr::memmem::find(secret, word).is_some())
}

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Whether the last six bytes are the checksum of the rest.
pub(super) fn has_crc32(secret: &[u8]) -> bool {
    let Some((random, tail)) = secret.len().checked_sub(6).and_then(|at| secret.split_at_checked(at)) else {
        return false;
    };
    let mut sum = u64::from(crc32fast::hash(random));
    tail.iter().rev().all(|byte| {
        let digit = sum.checked_rem(62).and_then(|digit| usize::try_from(digit).ok()).unwrap_or_default();
        sum = sum.checked_div(62).unwrap_or_default();
        BASE62.get(digit) == Some(byte)
    })
}

/// `RSA PRIVATE KEY-----` and the like, and base64 behind it; line ends may be those of JSON.
fn pem(rest: &[u8]) -> Option<usize> {
    let label_end = memchr::memmem::find(rest.get(..rest.len().min(48))?, b"PRIVATE KEY")?;
    let label = rest.get(..label_end)?;
    if !label.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b' ') {
        return None;
    }
    let after = rest.get(label_end.checked_add(11)?..)?;
    let after = after.strip_prefix(b" BLOCK").unwrap_or(after).strip_prefix(b"-----")?;
    let is_key = |byte: &u8| {
        Bytes::Base64.has(*byte) || matches!(byte, b'\r' | b'\n' | b'\\' | b' ' | b'-' | b':' | b',')
    };
    let run = after.iter().take(128).take_while(|byte| is_key(byte)).count();
    // The shortest, of an Ed25519 key, has 64 bytes of base64.
    let body = after.get(..run)?;
    (run >= 60 && is_plausible(body)).then_some(label_end.saturating_add(run))
}

/// `ql://user:password@host`, where the scheme has begun.
fn url(rest: &[u8]) -> Option<usize> {
    let scheme = rest.iter().take(12).take_while(|byte| byte.is_ascii_lowercase() || **byte == b'+').count();
    let rest = rest.get(scheme..)?.strip_prefix(b"://")?;
    let is_end =
        |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'\\' | b'/');
    let authority = rest.get(..rest.iter().take(MAX_URL).take_while(|byte| !is_end(byte)).count())?;
    let at = memchr::memrchr(b'@', authority)?;
    let (credentials, host) = authority.split_at_checked(at)?;
    let colon = memchr::memchr(b':', credentials)?;
    let password = credentials.get(colon.checked_add(1)?..)?;
    const PLACEHOLDERS: [&[u8]; 10] = [
        b"password",
        b"pass",
        b"user",
        b"secret",
        b"pwd",
        b"postgres",
        b"root",
        b"example",
        b"changeme",
        b"guest",
    ];
    let is_placeholder = PLACEHOLDERS.iter().any(|word| password.eq_ignore_ascii_case(word))
        || password.iter().all(|byte| matches!(byte, b'*' | b'x' | b'X' | b'.'))
        || password
            .iter()
            .any(|byte| matches!(byte, b'$' | b'{' | b'[' | b'%' if credentials.starts_with(b"$")));
    let is_masked = password.contains(&b'*');
    (password.len() >= 4 && host.len() > 2 && !is_placeholder && !is_masked)
        .then_some(scheme.saturating_add(authority.len()))
}

/// Whether a class is worth telling.
impl Class {
    pub(crate) const fn is_public(self) -> bool {
        matches!(self, Self::Public)
    }
}
