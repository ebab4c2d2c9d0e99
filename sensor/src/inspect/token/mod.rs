//! JSON Web Tokens as seen in traffic: how they are signed, how long they live, and what is wrong with them (RFC 7515,
//! RFC 7519, RFC 8725). Signatures are not verified: only the application has the keys.

mod claims;
mod header;
mod misuse;
#[cfg(test)]
mod tests;
mod weak;

pub(crate) use header::Algorithm;
pub(crate) use misuse::{Misuse, Misuses};
pub(crate) use weak::weak_secret;

use base64::Engine as _;
use zeroize::Zeroizing;

use crate::identity::BASE64URL;

/// Longest part decoded, in bytes of base64.
const MAX_PART: usize = 16 << 10;

/// The properties of a token. None of its values is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Skeleton {
    /// `alg`.
    pub(crate) algorithm: Algorithm,
    /// Whether its claims are encrypted (RFC 7516).
    pub(crate) is_encrypted: bool,
    /// `iat`, in seconds of Unix time.
    pub(crate) issued: Option<u64>,
    /// `exp`, in seconds of Unix time.
    pub(crate) expires: Option<u64>,
    /// What is wrong with it, independent of the time.
    pub(crate) misuses: Misuses,
}

/// A parsed token, with the names in it that callers hash.
#[derive(Debug)]
pub(crate) struct Read<'r> {
    /// Its properties.
    pub(crate) skeleton: Skeleton,
    /// `iss` as in the claims; empty if there is none.
    pub(crate) issuer: &'r [u8],
    /// The claims, decoded; empty if they are encrypted or detached. A secret.
    pub(crate) claims: &'r [u8],
}

/// Reads tokens, with room to decode them to.
pub(crate) struct Reader {
    header: Zeroizing<Vec<u8>>,
    claims: Zeroizing<Vec<u8>>,
}

impl Default for Reader {
    fn default() -> Self {
        Self { header: Zeroizing::new(Vec::new()), claims: Zeroizing::new(Vec::new()) }
    }
}

/// The five or three parts of a token.
struct Parts<'t> {
    header: &'t [u8],
    claims: &'t [u8],
    /// Of a signed token.
    signature: &'t [u8],
    is_encrypted: bool,
}

impl Reader {
    /// A token in compact serialisation (RFC 7515, section 7.1; RFC 7516, section 7.1); nothing where it is none.
    pub(crate) fn read(&mut self, token: &[u8]) -> Option<Read<'_>> {
        let parts = Parts::of(token)?;
        let header = decode(parts.header, &mut self.header)?;
        let header = header::Header::read(header)?;
        let mut misuses = misuse::of_header(&header);
        let algorithm = header.algorithm();
        let mut skeleton = Skeleton {
            algorithm,
            is_encrypted: parts.is_encrypted,
            issued: None,
            expires: None,
            misuses: Misuses::default(),
        };
        if parts.is_encrypted {
            skeleton.misuses = misuses;
            return Some(Read { skeleton, issuer: &[], claims: &[] });
        }
        if parts.signature.is_empty() && algorithm != Algorithm::None {
            misuses.insert(Misuse::EmptySignature);
        }
        // A payload may be detached (RFC 7515, appendix F) or stand unencoded (RFC 7797), and need not be claims.
        let decoded = if header.is_unencoded() { None } else { decode(parts.claims, &mut self.claims) };
        let decoded = decoded.unwrap_or_default();
        let claims = claims::Claims::read(decoded).unwrap_or_default();
        (skeleton.issued, skeleton.expires) = (claims.issued(), claims.expires());
        misuse::of_claims(&claims, &mut misuses);
        skeleton.misuses = misuses;
        Some(Read { skeleton, issuer: claims.issuer(), claims: decoded })
    }
}

impl<'t> Parts<'t> {
    fn of(token: &'t [u8]) -> Option<Self> {
        // What `{"` or `{ ` or a line end after the brace encode to begins so.
        if !(token.starts_with(b"ey") || token.starts_with(b"ew")) {
            return None;
        }
        let mut parts = token.split(|byte| *byte == b'.');
        let (header, second, third) = (parts.next()?, parts.next()?, parts.next()?);
        let (fourth, fifth, sixth) = (parts.next(), parts.next(), parts.next());
        match (fourth, fifth, sixth) {
            (None, None, None) => {
                Some(Self { header, claims: second, signature: third, is_encrypted: false })
            }
            (Some(_), Some(_), None) => {
                Some(Self { header, claims: &[], signature: &[], is_encrypted: true })
            }
            _ => None,
        }
    }
}

fn decode<'d>(part: &[u8], room: &'d mut Vec<u8>) -> Option<&'d [u8]> {
    if part.len() > MAX_PART {
        return None;
    }
    let needed = base64::decoded_len_estimate(part.len());
    if room.len() < needed {
        room.resize(needed, 0);
    }
    let length = BASE64URL.decode_slice(part, room).ok()?;
    room.get(..length)
}

impl Skeleton {
    /// Whether it has expired at a time, in seconds of Unix time, allowing for clock skew.
    pub(crate) fn is_expired(&self, now: u64) -> bool {
        self.expires.is_some_and(|expires| now > expires.saturating_add(misuse::LEEWAY))
    }

    /// Whether it has no expiry and is older than a token should become.
    pub(crate) fn is_endless(&self, now: u64) -> bool {
        let age = self.issued.map(|issued| now.saturating_sub(issued));
        self.expires.is_none() && age.is_some_and(|age| age > misuse::LONGEST.saturating_add(misuse::LEEWAY))
    }
}
