//! Credentials in the query of each request: a user and a password, or its hash with a fresh salt, as in the Subsonic protocol
//! of music players.

use super::fields::Found;
use crate::http::{Method, Request};
use crate::identity::hash::Hasher;

/// Longest query examined.
const MAX_QUERY: usize = 4_096;

/// The attempt, if a request is one.
pub(super) fn of(request: Request<'_>, hasher: &Hasher) -> Option<Found> {
    let query = request.query().filter(|query| query.len() <= MAX_QUERY)?;
    if request.method() != Method::Get && request.method() != Method::Post {
        return None;
    }
    let (mut user, mut password, mut token, mut salt) = (None, None, None, None);
    let (mut version, mut client) = (false, false);
    for pair in query.split(|byte| *byte == b'&').take(32) {
        let (name, value) = pair.split_at_checked(memchr::memchr(b'=', pair)?)?;
        let value = value.get(1..).filter(|value| !value.is_empty());
        match name {
            b"u" => user = value,
            b"p" => password = value,
            b"t" => {
                token = value.filter(|token| token.len() == 32 && token.iter().all(u8::is_ascii_hexdigit))
            }
            b"s" => salt = value,
            b"v" => version = value.is_some(),
            b"c" => client = value.is_some(),
            _ => {}
        }
    }
    // The version of the protocol and the name of the program are in each of its requests.
    let user = user.filter(|_| version && client)?;
    let password = match (password, token.zip(salt)) {
        (Some(password), _) => Some(hasher.password(&plain(password))),
        // No two are equal, so passwords cannot be compared.
        (None, Some(_)) => None,
        (None, None) => return None,
    };
    let mut decoded = zeroize::Zeroizing::new(Vec::new());
    let user = hasher.user(super::body::decode(user, &mut decoded));
    Some(Found { user: Some(user), password, ..Found::default() })
}

/// The password as it is; it may be in hexadecimal behind `enc:`.
fn plain(password: &[u8]) -> zeroize::Zeroizing<Vec<u8>> {
    let mut room = zeroize::Zeroizing::new(Vec::new());
    let decoded = super::body::decode(password, &mut room);
    let Some(digits) = decoded.strip_prefix(b"enc:") else {
        return zeroize::Zeroizing::new(decoded.to_vec());
    };
    let (pairs, _) = digits.as_chunks::<2>();
    let bytes = pairs.iter().filter_map(|[high, low]| crate::values::hex_pair(*high, *low));
    zeroize::Zeroizing::new(bytes.collect())
}
