//! Names and formats of tokens.

use super::place::is_second_factor;
use super::words::Words;

/// The name of an access token, not one for the next step of the same login.
pub(super) fn is_token(words: &Words) -> bool {
    let is_other = |word: &[u8]| {
        matches!(
            word,
            b"csrf"
                | b"xsrf"
                | b"prevention"
                | b"challenge"
                | b"continuation"
                | b"request"
                | b"reset"
                | b"pending"
                | b"verification"
                | b"temp"
                | b"temporary"
                | b"tmp"
                | b"pre"
                | b"preauth"
                | b"partial"
                | b"state"
                | b"next"
                | b"nonce"
                | b"form"
                | b"step"
                | b"flow"
                | b"push"
                | b"device"
                | b"type"
        )
    };
    let is_named = match words.last() {
        b"token" | b"jwt" | b"ticket" | b"accesstoken" | b"sessionid" | b"sid" | b"sessid"
        | b"sessionkey" | b"authkey" | b"bearer" | b"cookie" => true,
        b"id" | b"key" => words.any(|word| matches!(word, b"session" | b"token")),
        _ => false,
    };
    is_named && !words.any(is_other) && !is_second_factor(words)
}

/// The name of an access key, if its value looks like one.
pub(super) fn is_key(words: &Words) -> bool {
    matches!(words.text(), b"key" | b"api_key" | b"apikey" | b"auth_key" | b"secret_key")
}

/// Whether a text may be a token: one word, not short, not all zeros.
pub(super) fn is_secret(text: &str) -> bool {
    text.len() >= 8 && !text.bytes().all(|byte| byte == b'0') && !text.contains(char::is_whitespace)
}

/// Whether a text is a number or a token, not words: hexadecimal tokens contain `2fa` by chance.
pub(super) fn is_identifier(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    text.len() >= 16 && digits >= 4 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
