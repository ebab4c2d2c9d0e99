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
    /// It is about a second factor.
    pub(super) is_second_factor: bool,
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
            place.is_second_factor |= index < 2 && is_second_factor(&words);
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

/// The account that a path names, percent-encoded: what stands behind `login`, as in `/auth/userpass/login/alice`, or
/// before it and behind a collection of accounts, as in `/users/alice/login`.
pub(super) fn account(path: &[u8]) -> Option<&[u8]> {
    let segments = path.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty());
    let mut last_three: [&[u8]; 3] = [b""; 3];
    for segment in segments.take(MAX_SEGMENTS) {
        last_three = [last_three[1], last_three[2], segment];
    }
    let [first, second, third] = last_three;
    let words = |segment: &[u8], is: fn(&[u8]) -> bool| Words::of(segment).is_some_and(|words| words.any(is));
    let named = if words(third, is_login) || words(third, |word| word.starts_with(b"authenticat")) {
        words(first, is_collection).then_some(second)
    } else {
        // `login` and nothing else: flows have their steps behind it.
        Words::of(second).is_some_and(|words| words.text() == b"login").then_some(third)
    };
    named.filter(|name| !is_step(name))
}

/// Whether a segment is a step of logging in, or the number of a flow, rather than an account.
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

fn is_about_logins(word: &[u8]) -> bool {
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
            ("/login", None),
            ("/", None),
        ] {
            let found = account(path.as_bytes()).map(|name| std::str::from_utf8(name).unwrap());
            assert_eq!(found, name, "{path}");
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
