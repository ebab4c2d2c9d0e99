//! The header of a token (RFC 7515, section 4; RFC 7516, section 4).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// The parameters that matter, as they stand there. One that stands there twice makes it no header (section 4).
#[derive(Deserialize)]
pub(super) struct Header<'h> {
    #[serde(borrow)]
    alg: Option<&'h RawValue>,
    #[serde(borrow)]
    typ: Option<&'h RawValue>,
    #[serde(borrow)]
    kid: Option<&'h RawValue>,
    #[serde(borrow)]
    jwk: Option<&'h RawValue>,
    #[serde(borrow)]
    jku: Option<&'h RawValue>,
    #[serde(borrow)]
    x5u: Option<&'h RawValue>,
    #[serde(borrow)]
    x5c: Option<&'h RawValue>,
    #[serde(borrow)]
    b64: Option<&'h RawValue>,
}

/// How a token is signed: the registered names (RFC 7518, section 3.1; RFC 8037; RFC 8812; RFC 9864), by family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Algorithm {
    /// `none` in any case, or nothing.
    None,
    /// `HS256`, `HS384`, `HS512`: who can check can also sign.
    Hmac(u16),
    /// Signatures with a private key.
    Signature,
    /// Another one, such as those of encryption.
    Other,
}

impl<'h> Header<'h> {
    pub(super) fn read(text: &'h [u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        let Some(name) = text(self.alg) else { return Algorithm::None };
        let name = name.trim();
        match name {
            "" => Algorithm::None,
            _ if name.eq_ignore_ascii_case("none") => Algorithm::None,
            "HS256" => Algorithm::Hmac(256),
            "HS384" => Algorithm::Hmac(384),
            "HS512" => Algorithm::Hmac(512),
            "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512" | "ES256" | "ES384" | "ES512"
            | "ES256K" | "EdDSA" | "Ed25519" | "Ed448" | "ML-DSA-44" | "ML-DSA-65" | "ML-DSA-87" => {
                Algorithm::Signature
            }
            _ => Algorithm::Other,
        }
    }

    pub(super) fn key_id(&self) -> Option<Cow<'h, str>> {
        text(self.kid)
    }

    pub(super) fn kind(&self) -> Option<Cow<'h, str>> {
        text(self.typ)
    }

    pub(super) fn has_embedded_key(&self) -> bool {
        is_there(self.jwk)
    }

    pub(super) fn has_remote_key(&self) -> bool {
        is_there(self.jku) || is_there(self.x5u)
    }

    pub(super) fn has_certificates(&self) -> bool {
        is_there(self.x5c)
    }

    /// RFC 7797: `"b64":false`.
    pub(super) fn is_unencoded(&self) -> bool {
        self.b64.is_some_and(|value| value.get() == "false")
    }
}

fn is_there(value: Option<&RawValue>) -> bool {
    value.is_some_and(|value| value.get() != "null")
}

fn text(value: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let raw = value?.get();
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(raw).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}
