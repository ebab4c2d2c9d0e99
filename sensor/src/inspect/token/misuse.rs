//! What is wrong with a token.

use super::claims::Claims;
use super::header::{Algorithm, Header};

/// Maximum reasonable lifetime of a token, in seconds. Access tokens live for minutes or hours; a stolen one that lives
/// longer cannot be revoked in time (RFC 9700, section 2.2; RFC 6819, section 5.1.5.3).
pub(super) const LONGEST: u64 = 24 * 3_600;
/// Tolerated clock skew (RFC 7519, section 4.1.4: "no more than a few minutes").
pub(super) const LEEWAY: u64 = 300;

/// A misuse visible in the token itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Misuse {
    /// `alg` is `none` (RFC 8725, section 3.2).
    Unsigned,
    /// It names an algorithm but has no signature.
    EmptySignature,
    /// `kid` is a path that leaves a key directory (RFC 8725, section 3.10).
    KeyIdPath,
    /// `kid` has characters that are not in names of keys but mean something to SQL or a shell (RFC 8725, section 3.10).
    KeyIdQuery,
    /// It brings its own key: `jwk` (RFC 8725, section 3.10).
    EmbeddedKey,
    /// It gives the address of its key: `jku`, `x5u` (RFC 8725, section 3.10).
    RemoteKey,
    /// It brings its own certificates: `x5c`.
    Certificates,
    /// It lives for longer than a day.
    LongLived,
    /// A claim contains a secret.
    SecretInside,
}

impl Misuse {
    /// All of them.
    pub(crate) const ALL: [Self; 9] = [
        Self::Unsigned,
        Self::EmptySignature,
        Self::KeyIdPath,
        Self::KeyIdQuery,
        Self::EmbeddedKey,
        Self::RemoteKey,
        Self::Certificates,
        Self::LongLived,
        Self::SecretInside,
    ];
}

/// Several of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Misuses(u16);

impl Misuses {
    /// Adds one.
    pub(crate) const fn insert(&mut self, misuse: Misuse) {
        self.0 |= 1 << misuse as u8;
    }

    /// Whether one is among them.
    pub(crate) const fn contains(self, misuse: Misuse) -> bool {
        self.0 & (1 << misuse as u8) != 0
    }

    /// All of them.
    pub(crate) fn iter(self) -> impl Iterator<Item = Misuse> {
        Misuse::ALL.into_iter().filter(move |misuse| self.contains(*misuse))
    }
}

pub(super) fn of_header(header: &Header<'_>) -> Misuses {
    let mut misuses = Misuses::default();
    if header.algorithm() == Algorithm::None {
        misuses.insert(Misuse::Unsigned);
    }
    if let Some(id) = header.key_id() {
        if is_path(&id) {
            misuses.insert(Misuse::KeyIdPath);
        } else if is_query(&id) {
            misuses.insert(Misuse::KeyIdQuery);
        }
    }
    // Proofs that a key is held bring that key, as their documents say: RFC 9449, section 4.2; OpenID4VCI, section 8.2.1.
    let is_proof = header.kind().is_some_and(|kind| {
        ["dpop+jwt", "openid4vci-proof+jwt"].iter().any(|proof| kind.eq_ignore_ascii_case(proof))
    });
    if header.has_embedded_key() && !is_proof {
        misuses.insert(Misuse::EmbeddedKey);
    }
    if header.has_remote_key() {
        misuses.insert(Misuse::RemoteKey);
    }
    if header.has_certificates() && !is_proof {
        misuses.insert(Misuse::Certificates);
    }
    misuses
}

pub(super) fn of_claims(claims: &Claims<'_>, misuses: &mut Misuses) {
    if let (Some(issued), Some(expires)) = (claims.issued(), claims.expires())
        && expires.saturating_sub(issued) > LONGEST.saturating_add(LEEWAY)
    {
        misuses.insert(Misuse::LongLived);
    }
    if claims.has_secret() {
        misuses.insert(Misuse::SecretInside);
    }
}

/// Keys are also named by URLs, by DIDs, by `projects/a/keys/1`, and by base64 with slashes: none of these climbs or
/// begins at the root.
fn is_path(id: &str) -> bool {
    let lower = id.to_ascii_lowercase();
    let climbs =
        ["../", "..\\", "%2e%2e", "..%2f", "..%5c", "....//"].iter().any(|part| lower.contains(part));
    let roots = ["/dev/", "/etc/", "/proc/", "/var/", "/tmp/", "/sys/", "/home/", "/root/", "/usr/", "/opt/"];
    let starts = ["file:", "php:", "c:\\", "c:/", "\\\\"];
    climbs
        || lower.contains('\0')
        || roots.iter().any(|root| lower.starts_with(root))
        || starts.iter().any(|start| lower.starts_with(start))
}

fn is_query(id: &str) -> bool {
    id.contains(['\'', '"', '`', ';', '|', '<', '\n', '\r'])
        || ["$(", "${", "&&", "--", "/*"].iter().any(|part| id.contains(part))
            && id.contains([' ', '(', '{', '*'])
}
