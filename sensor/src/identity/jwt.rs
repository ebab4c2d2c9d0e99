//! The subject of a JSON Web Token. The signature is never verified: that needs keys which only the
//! application has. A subject is therefore a claim, which the server's answer may confirm or not.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Decoders that tolerate common encoder errors: padding or none, spare bits.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
pub(crate) const BASE64URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

/// The relevant claims, as they appear in the payload.
#[derive(Deserialize)]
struct Claims<'a> {
    #[serde(borrow)]
    iss: Option<&'a RawValue>,
    #[serde(borrow)]
    sub: Option<&'a RawValue>,
}

/// Issuer and subject of a token in compact serialisation (RFC 7515, section 7.1) as raw JSON, the issuer empty if
/// there is none; `None` if the token is not a JWT or has no subject. `decoded` is the buffer for the payload; a longer
/// one is not read.
///
/// A payload with a duplicate of either is refused (RFC 7519, section 4).
pub(super) fn subject<'d>(token: &[u8], decoded: &'d mut [u8]) -> Option<(&'d str, &'d str)> {
    // The encoding of `{"`.
    if !token.starts_with(b"ey") {
        return None;
    }
    let mut dots = memchr::memchr_iter(b'.', token);
    let (first, second) = (dots.next()?, dots.next()?);
    // The signature is not examined.
    if dots.next().is_some() {
        return None;
    }
    let payload = token.get(first.checked_add(1)?..second)?;
    let length = BASE64URL.decode_slice(payload, decoded).ok()?;
    let claims: Claims<'d> = serde_json::from_slice(decoded.get(..length)?).ok()?;
    let subject = claims.sub.map(RawValue::get).filter(|text| is_scalar(text))?;
    let issuer = claims.iss.map(RawValue::get).unwrap_or_default();
    Some((issuer, subject))
}

/// The user and the password of basic credentials (RFC 7617, section 2).
pub(super) fn basic<'d>(credentials: &[u8], decoded: &'d mut [u8]) -> Option<(&'d [u8], &'d [u8])> {
    let length = BASE64.decode_slice(credentials, decoded).ok()?;
    let decoded = decoded.get(..length)?;
    let colon = memchr::memchr(b':', decoded)?;
    let (user, password) = decoded.split_at_checked(colon)?;
    Some((user, password.get(1..)?))
}

/// A subject must be a string, but numbers occur. `""` names nobody.
fn is_scalar(text: &str) -> bool {
    text != "\"\"" && text.starts_with(|first: char| first == '"' || first == '-' || first.is_ascii_digit())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn token(payload: &str) -> String {
        let part = |text: &str| BASE64URL.encode(text).trim_end_matches('=').to_owned();
        format!("{}.{}.c2lnbmF0dXJl", part(r#"{"alg":"RS256"}"#), part(payload))
    }

    pub(in super::super) fn encode(credentials: &str) -> String {
        BASE64.encode(credentials)
    }

    fn read(token: &str) -> Option<(String, String)> {
        let mut room = [0; 256];
        let (issuer, subject) = subject(token.as_bytes(), &mut room)?;
        Some((issuer.to_owned(), subject.to_owned()))
    }

    #[test]
    fn subjects() {
        let cases = [
            (r#"{"iss":"a","sub":"b"}"#, Some(("\"a\"", "\"b\""))),
            (r#"{"sub":"b","exp":1,"x":{"sub":"c"}}"#, Some(("", "\"b\""))),
            (r#"{"sub":17}"#, Some(("", "17"))),
            (r#"{"iss":"a","sub":null}"#, None),
            (r#"{"iss":"a"}"#, None),
            (r#"{"sub":""}"#, None),
            (r#"{"sub":{"a":1}}"#, None),
            (r#"{"sub":["a"]}"#, None),
            (r#"{"sub":"a","sub":"b"}"#, None),
            (r#"["sub"]"#, None),
            (r#"{"sub":"b""#, None),
            ("", None),
        ];
        for (payload, expected) in cases {
            let expected = expected.map(|(issuer, subject)| (issuer.to_owned(), subject.to_owned()));
            assert_eq!(read(&token(payload)), expected, "{payload}");
        }
    }

    #[test]
    fn what_is_no_token() {
        let good = token(r#"{"sub":"b"}"#);
        assert!(read(&good).is_some());
        assert!(read(good.trim_end_matches(|last| last != '.')).is_some(), "an empty signature");
        for bad in [format!("x{good}"), format!("{good}.x"), format!(".{good}"), good.replace('.', "")] {
            assert_eq!(read(&bad), None, "{bad}");
        }
        assert_eq!(read(&token(&format!(r#"{{"sub":"{}"}}"#, "b".repeat(256)))), None, "too long");
    }

    #[test]
    fn basic_credentials() {
        let cases = [
            ("QWxhZGRpbjpvcGVuIHNlc2FtZQ==", Some(("Aladdin", "open sesame"))),
            ("QWxhZGRpbjpvcGVuIHNlc2FtZQ", Some(("Aladdin", "open sesame"))),
            ("YTpiOmM=", Some(("a", "b:c"))),
            ("YQ==", None),
            ("!!", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|(user, password)| (user.as_bytes(), password.as_bytes()));
            assert_eq!(basic(text.as_bytes(), &mut [0; 64]), expected, "{text}");
        }
    }
}
