//! The claims of a token (RFC 7519, section 4).

use serde::Deserialize;
use serde_json::value::RawValue;

/// Those that matter, as they stand there.
#[derive(Default, Deserialize)]
pub(super) struct Claims<'c> {
    #[serde(borrow)]
    iss: Option<&'c RawValue>,
    #[serde(borrow)]
    exp: Option<&'c RawValue>,
    #[serde(borrow)]
    iat: Option<&'c RawValue>,
    #[serde(borrow)]
    nbf: Option<&'c RawValue>,
    #[serde(borrow)]
    password: Option<&'c RawValue>,
    #[serde(borrow, alias = "pwd", alias = "pass")]
    passwd: Option<&'c RawValue>,
    #[serde(borrow)]
    secret: Option<&'c RawValue>,
    #[serde(borrow, alias = "clientSecret")]
    client_secret: Option<&'c RawValue>,
    #[serde(borrow, alias = "privateKey")]
    private_key: Option<&'c RawValue>,
}

impl<'c> Claims<'c> {
    pub(super) fn read(text: &'c [u8]) -> Option<Self> {
        // A list would be read as claims without names.
        text.trim_ascii_start().starts_with(b"{").then(|| serde_json::from_slice(text).ok())?
    }

    pub(super) fn issuer(&self) -> &'c [u8] {
        self.iss.map(|issuer| issuer.get().as_bytes()).unwrap_or_default()
    }

    /// When it was issued, or from when it may be used.
    pub(super) fn issued(&self) -> Option<u64> {
        seconds(self.iat).or_else(|| seconds(self.nbf))
    }

    pub(super) fn expires(&self) -> Option<u64> {
        seconds(self.exp)
    }

    /// Whether a claim is by its name a secret, and has a value. Anybody who holds a token can read it.
    pub(super) fn has_secret(&self) -> bool {
        [self.password, self.passwd, self.secret, self.client_secret, self.private_key]
            .into_iter()
            .flatten()
            .any(|value| value.get().starts_with('"') && value.get().len() > 5)
    }
}

/// A `NumericDate` may have a fraction (RFC 7519, section 2). Some write it as text.
fn seconds(value: Option<&RawValue>) -> Option<u64> {
    let text = value?.get().trim_matches('"');
    let (whole, _) = text.split_once('.').unwrap_or((text, ""));
    whole.parse().ok()
}
