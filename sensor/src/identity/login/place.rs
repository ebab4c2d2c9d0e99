//! The purpose of a path or an operation, by its name.

use super::named;
use super::words::Words;

/// The purpose of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Logging in, or requesting a token or a session.
    Login,
    /// Registration or setting a password: credentials are set, not tried.
    Account,
}

/// What a path shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) purpose: Option<Purpose>,
    /// It is a collection of accounts, or settings: a password sent there is probably being set.
    pub(super) is_collection: bool,
    /// It is about a second factor.
    pub(super) is_second_factor: bool,
    /// A verification code is sent there.
    pub(super) is_check: bool,
}

/// Maximum segments read, from the last.
pub(super) const MAX_SEGMENTS: usize = 16;

impl Place {
    /// The last meaningful segment decides.
    pub(super) fn of(path: &[u8]) -> Self {
        let segments = path.rsplit(|byte| *byte == b'/').filter(|segment| !segment.is_empty());
        let names = segments.take(MAX_SEGMENTS).filter_map(Words::of);
        let mut place = Self::default();
        for (index, words) in names.enumerate() {
            place.is_collection |= index < 2 && words.any(is_collection);
            place.is_second_factor |= index < 2 && is_second_factor(&words);
            place.is_check |=
                index == 0 && words.any(|word| matches!(word, b"verify" | b"verification" | b"passcode"));
            place.purpose = place.purpose.or_else(|| segment(&words));
        }
        if path.rsplit(|byte| *byte == b'/').next().and_then(named::of_registry).is_some() {
            place.purpose = Some(Purpose::Login);
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

/// The purpose given by the words of an operation or a path segment.
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

/// Whether a path is a login page, where a failed login leads back to. Endpoints for tokens and sessions are not.
pub(super) fn is_login_page(path: &[u8]) -> bool {
    let last = path.rsplit(|byte| *byte == b'/').filter_map(Words::of).next();
    last.is_some_and(|words| {
        !words.any(is_about_accounts) && words.any(|word| is_login(word) || word == b"securitycheck")
    })
}

/// Whether a path is for logging in: a page, or an endpoint for tokens or sessions.
pub(super) fn is_for_logins(path: &[u8]) -> bool {
    Place::of(path).purpose == Some(Purpose::Login)
}

/// Whether a path takes various calls, including logins.
pub(super) fn takes_calls(path: &[u8]) -> bool {
    let last = path.rsplit(|byte| *byte == b'/').filter_map(Words::of).next();
    last.is_some_and(|words| {
        words.any(|word| {
            matches!(
                word,
                b"graphql" | b"graphiql" | b"gql" | b"rpc" | b"xmlrpc" | b"jsonrpc" | b"soap" | b"ubus"
            )
        })
    })
}

/// Whether a path or a name is about a second factor.
pub(super) fn is_second_factor(words: &Words) -> bool {
    words.any(|word| {
        matches!(
            word,
            b"2fa"
                | b"mfa"
                | b"tfa"
                | b"otp"
                | b"totp"
                | b"hotp"
                | b"twofactor"
                | b"secondfactor"
                | b"multifactor"
                | b"challenge"
                | b"webauthn"
                | b"fido"
                | b"aal"
                | b"twostep"
        ) || word.ends_with(b"challenge")
            || word.ends_with(b"totp")
            || word.ends_with(b"2fa")
    }) || words.text() == b"u_2_f"
}

/// Whether a word is one for logging in.
pub(super) fn is_login(word: &[u8]) -> bool {
    matches!(
        word,
        b"signin" | b"logon" | b"signon" | b"logincheck"
            // As paths are named in other languages.
            | b"connexion" | b"anmelden" | b"anmeldung" | b"einloggen" | b"inloggen" | b"aanmelden" | b"entrar"
            | b"acceder" | b"ingresar" | b"iniciarsesion" | b"accedi" | b"accesso" | b"logowanie" | b"zaloguj"
            | b"prihlaseni" | b"prihlasenie" | b"prihlasit" | b"bejelentkezes" | b"kirjaudu" | b"giris"
            | b"acceso" | b"vhod" | b"dangnhap"
    ) || word.ends_with(b"login")
        || word.starts_with(b"login") && !word.starts_with(b"loginout")
}

pub(super) fn is_about_logins(word: &[u8]) -> bool {
    is_login(word)
        || word.starts_with(b"authenticateby")
        || matches!(
            word,
            b"auth"
                | b"authn"
                | b"authenticate"
                | b"authentication"
                | b"authentification"
                | b"autenticacion"
                | b"autenticazione"
                | b"authorization"
                | b"oauth"
                | b"token"
                | b"tokens"
                | b"session"
                | b"sessions"
                | b"sso"
                | b"securitycheck"
                | b"unlock"
                | b"twofactor"
                | b"twostep"
                | b"multifactor"
                | b"xmlrpc"
                | b"2fa"
                | b"mfa"
                | b"otp"
                | b"totp"
        )
}

pub(super) fn is_about_accounts(word: &[u8]) -> bool {
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

pub(super) fn is_collection(word: &[u8]) -> bool {
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

pub(super) fn is_password(word: &[u8]) -> bool {
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
