//! Accounts in paths.

use super::place::{
    MAX_SEGMENTS, is_about_accounts, is_about_logins, is_collection, is_login, is_password, is_second_factor,
};
use super::words::Words;

/// The account in a path, percent-encoded: after `login`, as in `/auth/userpass/login/alice`, or before it and after a
/// collection of accounts, as in `/users/alice/login`.
pub(super) fn account(path: &[u8]) -> Option<&[u8]> {
    let segments = path.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty());
    let mut last_three: [&[u8]; 3] = [b""; 3];
    for segment in segments.take(MAX_SEGMENTS) {
        last_three = [last_three[1], last_three[2], segment];
    }
    let [first, second, third] = last_three;
    let words = |segment: &[u8], is: fn(&[u8]) -> bool| Words::of(segment).is_some_and(|words| words.any(is));
    if let Some(name) = of_registry(third) {
        return Some(name);
    }
    let begins = words(third, |word| matches!(word, b"session" | b"sessions" | b"token" | b"tokens"));
    let named = if begins || words(third, is_login) || words(third, |word| word.starts_with(b"authenticat")) {
        words(first, is_collection).then_some(second)
    } else {
        // Exactly `login`: flows have their steps after it.
        Words::of(second).is_some_and(|words| words.text() == b"login").then_some(third)
    };
    named.filter(|name| !is_step(name))
}

/// The account of a segment as registries of packages and their databases have it.
pub(super) fn of_registry(segment: &[u8]) -> Option<&[u8]> {
    let rest = segment.strip_prefix(b"org.couchdb.user")?;
    rest.strip_prefix(b":").or_else(|| rest.strip_prefix(b"%3A")).or_else(|| rest.strip_prefix(b"%3a"))
}

/// Whether a segment is a step of a login or the id of a flow, not an account.
fn is_step(segment: &[u8]) -> bool {
    let hexadecimal = segment.iter().filter(|byte| byte.is_ascii_hexdigit()).count();
    let is_number = segment.len() >= 16 && hexadecimal.saturating_add(4) >= segment.len()
        || segment.iter().all(u8::is_ascii_digit) && segment.len() < 6;
    is_number
        || Words::of(segment).is_none_or(|words| {
            is_second_factor(&words)
                || words.any(|word| {
                    is_about_logins(word)
                        || is_about_accounts(word)
                        || is_password(word)
                        || is_step_word(word)
                })
        })
}

fn is_step_word(word: &[u8]) -> bool {
    matches!(
        word,
        b"submit"
            | b"check"
            | b"post"
            | b"do"
            | b"verify"
            | b"callback"
            | b"start"
            | b"init"
            | b"begin"
            | b"finish"
            | b"complete"
            | b"ajax"
            | b"json"
            | b"form"
            | b"local"
            | b"basic"
            | b"default"
            | b"process"
            | b"email"
            | b"user"
            | b"users"
            | b"username"
            | b"account"
            | b"admin"
            | b"web"
            | b"mobile"
            | b"api"
            | b"index"
            | b"html"
            | b"php"
            | b"jsp"
            | b"aspx"
            | b"action"
            | b"step"
            | b"next"
            | b"ldap"
            | b"identifier"
            | b"credentials"
            | b"v"
            | b"code"
            | b"sms"
            | b"phone"
            | b"me"
            | b"new"
            | b"now"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_stand_in_paths() {
        for (path, name) in [
            ("/v1/auth/userpass/login/alice", Some("alice")),
            ("/v1/users/alice%40a.b/login", Some("alice%40a.b")),
            ("/users/alice/authenticate", Some("alice")),
            ("/api/users/login", None),
            ("/login/otp", None),
            ("/login/8f7e42faab604bcab7ac43c44ca34d58", None),
            ("/login/index.php", None),
            ("/auth/login", None),
            ("/-/user/org.couchdb.user:alice", Some("alice")),
            ("/api/users/alice/sessions", Some("alice")),
            ("/v1/users/alice/tokens", Some("alice")),
            ("/users/me/tokens", None),
            ("/api/sessions", None),
            ("/login", None),
            ("/", None),
        ] {
            let found = account(path.as_bytes()).map(|name| std::str::from_utf8(name).unwrap());
            assert_eq!(found, name, "{path}");
        }
    }
}
