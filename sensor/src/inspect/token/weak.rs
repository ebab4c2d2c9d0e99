//! Tokens signed with a weak secret.

use ring::hmac;

use super::header::Algorithm;
use base64::Engine as _;

use super::BASE64URL;

/// Longest signature: that of HS512.
const LONGEST: usize = 64;

/// The index of the secret that a token is signed with. Costs one hash of the token per secret.
pub(crate) fn weak_secret<'s>(
    token: &[u8],
    algorithm: Algorithm,
    secrets: impl IntoIterator<Item = &'s [u8]>,
) -> Option<usize> {
    let hmac_algorithm = match algorithm {
        Algorithm::Hmac(256) => hmac::HMAC_SHA256,
        Algorithm::Hmac(384) => hmac::HMAC_SHA384,
        Algorithm::Hmac(512) => hmac::HMAC_SHA512,
        Algorithm::None | Algorithm::Hmac(_) | Algorithm::Signature | Algorithm::Other => return None,
    };
    let dot = memchr::memrchr(b'.', token)?;
    let (signed, signature) = token.split_at_checked(dot)?;
    let mut room = [0; LONGEST.saturating_add(2)];
    let length = BASE64URL.decode_slice(signature.get(1..)?, &mut room).ok()?;
    let signature = room.get(..length)?;
    secrets.into_iter().position(|secret| {
        let key = hmac::Key::new(hmac_algorithm, secret);
        hmac::verify(&key, signed, signature).is_ok()
    })
}
