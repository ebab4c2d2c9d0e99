//! What a path, or the name of an operation, says about what is done there.

use super::words::Words;

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Logs in, or asks for a token or a session.
    Login,
    /// Makes an account or sets a password: credentials are set there, not tried.
    Account,
}

/// What a path says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) purpose: Option<Purpose>,
    /// It names a collection of accounts, or settings: a password sent there is more likely set than tried.
    pub(super) is_collection: bool,
}

/// Segments that are read, from the last.
const MAX_SEGMENTS: usize = 16;

impl Place {
    /// The last segment that tells anything decides.
    pub(super) fn of(path: &[u8]) -> Self {
        let segments = path.rsplit(|byte| *byte == b'/').filter(|segment| !segment.is_empty());
        let names = segments.take(MAX_SEGMENTS).filter_map(Words::of);
        let mut place = Self::default();
        for (index, words) in names.enumerate() {
            place.is_collection |= index < 2 && words.any(is_collection);
            place.purpose = place.purpose.or_else(|| segment(&words));
        }
        place
    }
}

fn segment(words: &Words) -> Option<Purpose> {
    match words.text() {
        b"password" | b"passwords" | b"passwd" => Some(Purpose::Account),
        _ => purpose(words),
    }
}

/// What words say, of an operation or of a segment of a path.
pub(super) fn purpose(words: &Words) -> Option<Purpose> {
    let makes = words.any(|word| matches!(word, b"create" | b"add" | b"new" | b"update" | b"edit" | b"set"));
    if words.any(is_about_accounts) || makes && words.any(|word| is_collection(word) || is_password(word)) {
        Some(Purpose::Account)
    } else if words.any(is_about_logins) {
        Some(Purpose::Login)
    } else {
        None
    }
}

/// Whether a path is that of a page to log in at: the place that a failed login leads back to. Endpoints for
/// tokens and sessions are none.
pub(super) fn is_login_page(path: &[u8]) -> bool {
    let last = path.rsplit(|byte| *byte == b'/').filter_map(Words::of).next();
    last.is_some_and(|words| {
        !words.any(is_about_accounts) && words.any(|word| is_login(word) || word == b"securitycheck")
    })
}

/// Whether a path or a name is about a second factor.
pub(super) fn is_second_factor(words: &Words) -> bool {
    words.any(|word| matches!(word, b"2fa" | b"mfa" | b"otp" | b"totp" | b"twofactor" | b"challenge"))
}

fn is_login(word: &[u8]) -> bool {
    matches!(word, b"signin" | b"logon" | b"signon")
        || word.ends_with(b"login")
        || word.starts_with(b"login") && !word.starts_with(b"loginout")
}

fn is_about_logins(word: &[u8]) -> bool {
    is_login(word)
        || matches!(
            word,
            b"auth"
                | b"authn"
                | b"authenticate"
                | b"authentication"
                | b"oauth"
                | b"token"
                | b"tokens"
                | b"session"
                | b"sessions"
                | b"sso"
                | b"securitycheck"
                | b"xmlrpc"
                | b"2fa"
                | b"mfa"
                | b"otp"
                | b"totp"
        )
}

fn is_about_accounts(word: &[u8]) -> bool {
    matches!(
        word,
        b"signup"
            | b"enroll"
            | b"enrol"
            | b"enrollment"
            | b"reset"
            | b"resetpassword"
            | b"forgot"
            | b"forgotten"
            | b"forgotpassword"
            | b"lost"
            | b"lostpassword"
            | b"recover"
            | b"recovery"
            | b"change"
            | b"changepassword"
            | b"invite"
            | b"invitation"
            | b"invitations"
            | b"activate"
            | b"activation"
    ) || word.starts_with(b"regist")
}

fn is_collection(word: &[u8]) -> bool {
    matches!(
        word,
        b"user"
            | b"users"
            | b"account"
            | b"accounts"
            | b"customer"
            | b"customers"
            | b"member"
            | b"members"
            | b"profile"
            | b"profiles"
            | b"people"
            | b"me"
            | b"settings"
            | b"config"
            | b"configuration"
    )
}

fn is_password(word: &[u8]) -> bool {
    matches!(word, b"password" | b"passwd")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_tell_their_purpose() {
        let login = Some(Purpose::Login);
        let account = Some(Purpose::Account);
        let cases = [
            ("/login", login),
            ("/wp-login.php", login),
            ("/xmlrpc.php", login),
            ("/users/sign_in", login),
            ("/j_spring_security_check", login),
            ("/realms/x/protocol/openid-connect/token", login),
            ("/v1/accounts:signInWithPassword", login),
            ("/api/v2/sessions/", login),
            ("/Account/LogOn", login),
            ("/auth/jwt/create/", login),
            ("/oauth2/v1/authorize", login),
            ("/cgi-bin/luci/admin/dologin", login),
            ("/auth/register", account),
            ("/users/password", account),
            ("/auth/reset-password/confirm", account),
            ("/wp-signup.php", account),
            ("/api/registrations", account),
            ("/login/forgot", account),
            ("/users/new", None),
            ("/blogging/in", None),
            ("/authors/17", None),
            ("/tokenizer", None),
            ("/logout", None),
            ("/sessionstorage", None),
            ("/", None),
            ("", None),
        ];
        for (path, purpose) in cases {
            assert_eq!(Place::of(path.as_bytes()).purpose, purpose, "{path}");
        }
    }

    #[test]
    fn collections_are_the_last_two_segments() {
        for (path, is_collection) in
            [("/api/users", true), ("/users/17", true), ("/users/17/unlock/now", false), ("/x", false)]
        {
            assert_eq!(Place::of(path.as_bytes()).is_collection, is_collection, "{path}");
        }
    }

    #[test]
    fn only_pages_are_led_back_to() {
        for (path, is_page) in [
            ("/login", true),
            ("/users/sign_in", true),
            ("/Account/Login/", true),
            ("/oauth/authorize", false),
            ("/session", false),
            ("/login/home", false),
            ("/", false),
        ] {
            assert_eq!(is_login_page(path.as_bytes()), is_page, "{path}");
        }
    }
}
