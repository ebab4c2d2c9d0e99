//! The session or token that a login starts: what must be revoked if the login was an attacker's.

use serde_json::Value;

use super::cookies::given;
use crate::http::Response;
use crate::identity::hash::KeyedHash;
use crate::identity::principal::Principals;

/// Maximum cookies examined per response.
const MAX_COOKIES: usize = 32;
/// Longest document searched for a token, in bytes: longer responses contain more than tokens.
const MAX_DOCUMENT: usize = 64 << 10;
/// Names of access tokens, in lower case without separators, most likely first.
const TOKENS: [&str; 7] =
    ["accesstoken", "token", "jwt", "idtoken", "authtoken", "sessiontoken", "sessionid"];

/// The principal of later requests with it. A configured session cookie takes precedence.
pub(super) fn begun(response: Response<'_>, body: &[u8], principals: &mut Principals) -> Option<KeyedHash> {
    let fields = response.headers().filter(|(name, _)| name.eq_ignore_ascii_case(b"set-cookie"));
    let cookies = fields.take(MAX_COOKIES).filter_map(|(_, cookie)| given(cookie));
    let sessions = cookies.filter_map(|(name, value)| Some((principals.cookie_rank(name)?, value)));
    if let Some((_, value)) = sessions.min_by_key(|(rank, _)| *rank) {
        return Some(principals.session(value));
    }
    let body = body.trim_ascii_start();
    if !body.starts_with(b"{") || body.len() > MAX_DOCUMENT {
        return None;
    }
    let document: Value = serde_json::from_slice(body).ok()?;
    let token = token_in(&document)?;
    (!token.is_empty()).then(|| principals.bearer(token.as_bytes()))
}

/// A token of an object, or of an object in it.
fn token_in(document: &Value) -> Option<&str> {
    let members = document.as_object()?;
    let of = |name: &str| {
        members.iter().find_map(|(key, value)| (folded(key) == name).then_some(value)).and_then(Value::as_str)
    };
    TOKENS.iter().find_map(|name| of(name)).or_else(|| {
        let nested = members.values().filter(|value| value.is_object());
        nested.filter_map(token_at_once).next()
    })
}

fn token_at_once(document: &Value) -> Option<&str> {
    let members = document.as_object()?;
    TOKENS.iter().find_map(|name| {
        members
            .iter()
            .find_map(|(key, value)| (folded(key) == *name).then_some(value))
            .and_then(Value::as_str)
    })
}

fn folded(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_by_their_names() {
        for (document, token) in [
            (r#"{"access_token":"abc","token_type":"bearer"}"#, Some("abc")),
            (r#"{"user":{"id":7},"data":{"accessToken":"abc"}}"#, Some("abc")),
            (r#"{"refresh_token":"no","sessionId":"abc"}"#, Some("abc")),
            (r#"{"csrf_token":"no","ok":true}"#, None),
            (r#"{"token":7}"#, None),
            (r#"["token"]"#, None),
        ] {
            let document: Value = serde_json::from_str(document).unwrap();
            assert_eq!(token_in(&document), token, "{document}");
        }
    }
}
