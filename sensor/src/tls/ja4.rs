//! JA4: a short fingerprint of what a TLS client offers, the same for the same software.
//!
//! Only the TLS client fingerprint, whose method its authors publish under the BSD license. `t13d1516h2` means: over
//! TCP, TLS 1.3, with a server name (`d`, else `i`), 15 cipher suites, 16 extensions, HTTP/2 first. Two hashes follow:
//! of the sorted suites, and of the sorted extensions with the signature algorithms in their original order.

use std::fmt::{self, Write as _};

use ring::digest;
use serde::{Serialize, Serializer};

use super::hello::{ALPN, ClientHello, SERVER_NAME, is_grease};

/// Length of the text.
const LENGTH: usize = 36;

/// A fingerprint.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ja4([u8; LENGTH]);

impl Ja4 {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    pub(super) fn of(hello: &ClientHello<'_>) -> Self {
        let mut suites: Vec<u16> = hello.suites().filter(|suite| !is_grease(*suite)).collect();
        let mut kinds: Vec<u16> =
            hello.extensions().map(|(kind, _)| kind).filter(|kind| !is_grease(*kind)).collect();
        let (suite_count, kind_count) = (suites.len().min(99), kinds.len().min(99));
        suites.sort_unstable();
        kinds.retain(|kind| !matches!(*kind, SERVER_NAME | ALPN));
        kinds.sort_unstable();
        let mut listed = list(kinds.iter().copied());
        let algorithms = list(hello.signature_algorithms().filter(|algorithm| !is_grease(*algorithm)));
        if !algorithms.is_empty() {
            listed.push('_');
            listed.push_str(&algorithms);
        }
        let named = if hello.names_server() { 'd' } else { 'i' };
        let [first, last] = protocol(hello);
        let text = format!(
            "t{}{named}{suite_count:02}{kind_count:02}{first}{last}_{}_{}",
            version(hello),
            hash(&list(suites.iter().copied())),
            hash(&listed)
        );
        let mut bytes = [b'0'; LENGTH];
        bytes.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
        Self(bytes)
    }
}

/// The highest version offered.
fn version(hello: &ClientHello<'_>) -> &'static str {
    let highest = hello.versions().filter(|version| !is_grease(*version)).max();
    match highest.unwrap_or(hello.version) {
        0x0304 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        _ => "00",
    }
}

/// First and last character of the first protocol offered; if they are not alphanumeric, of its hexadecimal form.
fn protocol(hello: &ClientHello<'_>) -> [char; 2] {
    let name = hello.protocols().next().unwrap_or_default();
    let (Some(first), Some(last)) = (name.first(), name.last()) else { return ['0', '0'] };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [char::from(*first), char::from(*last)];
    }
    let nibble = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    [nibble(first >> 4), nibble(last & 0x0f)]
}

fn list(numbers: impl Iterator<Item = u16>) -> String {
    let mut text = String::new();
    for number in numbers {
        if !text.is_empty() {
            text.push(',');
        }
        // Writing to a string does not fail.
        let _written = write!(text, "{number:04x}");
    }
    text
}

/// The first 12 digits of SHA-256; zeros for an empty input.
fn hash(text: &str) -> String {
    if text.is_empty() {
        return "0".repeat(12);
    }
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    digest.as_ref().iter().take(6).fold(String::new(), |mut text, byte| {
        let _written = write!(text, "{byte:02x}");
        text
    })
}

impl fmt::Debug for Ja4 {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl Serialize for Ja4 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
