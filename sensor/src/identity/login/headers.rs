//! The headers of a response to a login.

use super::words::Words;
use crate::http::Response;

/// The target of a redirect for scripts (htmx's HX-Redirect and the like).
pub(super) fn led_by_header<'r>(response: Response<'r>) -> Option<&'r [u8]> {
    let mut fields = response.message().headers();
    fields.find_map(|(name, value)| {
        let is_redirect = name.len() >= 8
            && name
                .get(name.len().saturating_sub(8)..)
                .is_some_and(|end| end.eq_ignore_ascii_case(b"redirect"));
        (is_redirect && value.len() > 3).then_some(value)
    })
}

/// Whether a header contains a new token, such as `X-Auth-Token`, `X-Subject-Token`, `X-JWT` or `Authorization`.
pub(super) fn has_token_header(response: Response<'_>) -> bool {
    response.headers().any(|(name, value)| {
        let value = value.trim_ascii();
        let token = if value.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer ")) {
            value.get(7..).unwrap_or_default()
        } else {
            value
        };
        let is_token = token.len() >= 8 && !token.iter().any(u8::is_ascii_whitespace);
        is_token && Words::of(name).is_some_and(|words| names_token(&words))
    })
}

fn names_token(words: &Words) -> bool {
    let is_other = |word: &[u8]| matches!(word, b"csrf" | b"xsrf" | b"request" | b"konnect" | b"allow");
    let is_whole = matches!(
        words.text(),
        b"authorization"
            | b"x_auth"
            | b"x_authorization"
            | b"x_session_id"
            | b"session_id"
            | b"x_session"
            | b"x_sessionid"
    );
    is_whole
        || matches!(words.last(), b"token" | b"jwt" | b"accesstoken" | b"authtoken") && !words.any(is_other)
}

/// Whether the server says when to retry (RFC 9110, section 10.2.3).
pub(super) fn says_when(response: Response<'_>) -> bool {
    response.header("retry-after").is_some()
}

/// Whether digest credentials are refused only because their nonce is stale (RFC 7616, section 3.3).
pub(super) fn is_stale(response: Response<'_>) -> bool {
    let fields = response.headers().filter(|(name, _)| name.eq_ignore_ascii_case(b"www-authenticate"));
    fields.map(|(_, value)| value.to_ascii_lowercase()).any(|value| {
        let value: Vec<u8> = value.into_iter().filter(|byte| !matches!(byte, b' ' | b'"')).collect();
        memchr::memmem::find(&value, b"stale=true").is_some()
    })
}
