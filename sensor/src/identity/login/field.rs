//! The role of a field of a form or document, by its name.

use super::users::user_rank;
use super::words::Words;

/// The role of a field in a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// The account; of several fields, the one with the lowest rank.
    User(u8),
    /// A credential.
    Secret(Secret),
    /// A new, repeated or old password: logins have none of these.
    Change,
    /// A field of registration forms.
    Personal,
    /// `grant_type` (RFC 6749).
    Grant,
    /// The name of an operation.
    Operation,
}

/// How certain a name is, most certain first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Secret {
    /// Certainly a password.
    Password,
    /// A password next to a user or on a login route; elsewhere it may be a counter of passed tests.
    Short,
    /// A password next to a user on a login route.
    Hint,
    /// A second factor.
    Code,
}

/// The rank of a field that is a user only on login routes.
pub(super) const WEAK_USER: u8 = 5;

/// None for a field that has no role in a login.
pub(super) fn field(name: &[u8]) -> Option<Field> {
    let words = Words::of(innermost(name))?;
    password(&words).unwrap_or_else(|| other(&words))
}

/// `user[password]`, `Input.Password`, `form:password` and `ctl00$Login1$Password` are passwords.
pub(super) fn innermost(name: &[u8]) -> &[u8] {
    let mut parts = name.rsplit(|byte| matches!(byte, b'[' | b']' | b'.' | b'$' | b':'));
    parts.find(|part| !part.is_empty()).unwrap_or_default()
}

/// Outer none: the name is not about passwords. Inner none: it is about one that does not matter.
#[expect(clippy::option_option, reason = "the two mean different things, as told above")]
fn password(words: &Words) -> Option<Option<Field>> {
    // The one name of three words.
    if matches!(words.text(), b"mot_de_passe" | b"mots_de_passe") || words.text().ends_with(b"_mot_de_passe")
    {
        return Some(Some(Field::Secret(Secret::Password)));
    }
    let kinds = words.iter().map(kind).enumerate();
    let (place, kind) = kinds.filter_map(|(place, kind)| Some((place, kind?))).last()?;
    if kind == Kind::Set || words.any(is_about_setting) {
        return Some(Some(Field::Change));
    }
    // Not a user's password, or a property of one: its hint, its age, whether to show it.
    if words.any(is_of_another_system)
        || words.iter().skip(place.saturating_add(1)).any(|word| !is_form(word))
    {
        return Some(None);
    }
    Some(match kind {
        Kind::Password => Some(Field::Secret(Secret::Password)),
        Kind::Short => Some(Field::Secret(Secret::Short)),
        Kind::Other | Kind::Set => None,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Password,
    Short,
    /// A password that is being set.
    Set,
    /// About passwords, but not one.
    Other,
}

fn kind(word: &[u8]) -> Option<Kind> {
    if is_password(word) {
        return Some(Kind::Password);
    }
    if is_short(word) {
        return Some(Kind::Short);
    }
    STEMS.iter().find_map(|stem| {
        let around = word.strip_suffix(*stem).map(|before| (before, Kind::Password));
        let (rest, otherwise) = around.or_else(|| {
            let rest = word.strip_prefix(*stem)?;
            Some((rest, if is_form(rest) { Kind::Password } else { Kind::Other }))
        })?;
        Some(if is_about_setting(rest) {
            Kind::Set
        } else if is_of_another_system(rest) {
            Kind::Other
        } else {
            otherwise
        })
    })
}

/// Abbreviations that words for passwords begin or end with.
const STEMS: [&[u8]; 8] =
    [b"password", b"passwort", b"passwd", b"passwrd", b"pwd", b"passwrt", b"motdepasse", b"kennwort"];

/// Words for a password, in the languages in which forms name their fields.
fn is_password(word: &[u8]) -> bool {
    matches!(
        word,
        b"password" | b"passwort" | b"passwd" | b"passwrd" | b"pwd" | b"pswd" | b"psw" | b"passphrase"
            // How servers call what was typed before they look at it.
            | b"userident" | b"staticpassword" | b"passw" | b"codeword"
            | b"kennwort" | b"senha" | b"contrasena" | b"contrasenya" | b"contrasenha" | b"motdepasse"
            | b"wachtwoord" | b"passord" | b"losenord" | b"adgangskode" | b"kodeord" | b"salasana"
            | b"haslo" | b"heslo" | b"jelszo" | b"parola" | b"parool" | b"lozinka" | b"geslo" | b"sifre"
            | b"parol" | b"mima" | b"matkhau"
    ) || [
        "contraseña",
        "lösenord",
        "hasło",
        "jelszó",
        "şifre",
        "пароль",
        "密码",
        "密碼",
        "口令",
        "パスワード",
        "비밀번호",
    ]
    .iter()
    .any(|name| word == name.as_bytes())
}

/// Words with other meanings, too.
fn is_short(word: &[u8]) -> bool {
    matches!(
        word,
        b"pass"
            | b"pw"
            | b"pin"
            | b"passcode"
            | b"mdp"
            | b"clave"
            | b"userpw"
            | b"upw"
            | b"userpass"
            | b"pincode"
    ) || word
        .strip_prefix(b"pass")
        .is_some_and(|rest| matches!(rest, b"input" | b"field" | b"fld" | b"box" | b"txt" | b"text"))
}

fn is_about_setting(word: &[u8]) -> bool {
    matches!(
        word,
        b"new"
            | b"old"
            | b"current"
            | b"confirm"
            | b"confirmation"
            | b"confirmed"
            | b"repeat"
            | b"repeated"
            | b"retype"
            | b"again"
            | b"verify"
            | b"reset"
            | b"change"
            | b"re"
            | b"2"
    )
}

fn is_of_another_system(word: &[u8]) -> bool {
    matches!(
        word,
        b"smtp"
            | b"imap"
            | b"mail"
            | b"db"
            | b"database"
            | b"ftp"
            | b"sftp"
            | b"proxy"
            | b"wifi"
            | b"wlan"
            | b"ssid"
            | b"zip"
            | b"pdf"
            | b"post"
            | b"room"
            | b"meeting"
            | b"keystore"
            | b"truststore"
    )
}

/// What may follow: how it is sent, or a number.
pub(super) fn is_form(word: &[u8]) -> bool {
    matches!(
        word,
        b"hash"
            | b"hashed"
            | b"md"
            | b"sha"
            | b"enc"
            | b"encrypted"
            | b"encoded"
            | b"base"
            | b"digest"
            | b"plain"
            | b"static"
            | b"fld"
            | b"field"
            | b"box"
            | b"input"
            | b"login"
            | b"text"
            | b"txt"
            | b"value"
            | b"utf"
    ) || word.iter().all(u8::is_ascii_digit)
}

fn other(words: &Words) -> Option<Field> {
    match words.text() {
        b"grant_type" => return Some(Field::Grant),
        b"operation_name" | b"operation" | b"op" | b"action" | b"act" | b"method" | b"cmd" | b"do"
        | b"task" | b"route" | b"controller" | b"module" | b"mode" | b"event" | b"func" | b"function" => {
            return Some(Field::Operation);
        }
        b"session_key" | b"un" | b"log" | b"wp_name" | b"kullanici_adi" | b"card_number" | b"cardnumber"
        | b"mb_id" | b"login_field" | b"login_input" | b"callsign" => return Some(Field::User(2)),
        b"u" | b"id" | b"uid" | b"name" | b"jmeno" | b"nev" | b"in_name" | b"access_key" | b"api_user" => {
            return Some(Field::User(WEAK_USER));
        }
        b"code" | b"secret" | b"secret_key" | b"secretkey" | b"auth_key" | b"authkey" | b"user_key"
        | b"userkey" | b"credential" | b"credentials" | b"p" => {
            return Some(Field::Secret(Secret::Hint));
        }
        b"challenge"
        | b"verification_code"
        | b"auth_code"
        | b"authentication_code"
        | b"totp_code"
        | b"security_code" => return Some(Field::Secret(Secret::Code)),
        _ => {}
    }
    let last = words.last();
    if let Some(rank) = user_rank(last) {
        return Some(Field::User(rank));
    }
    if words.any(|word| matches!(word, b"otp" | b"totp" | b"mfa" | b"2fa" | b"twofactor")) {
        return Some(Field::Secret(Secret::Code));
    }
    let of_a_device =
        words.any(|word| matches!(word, b"device" | b"client" | b"app" | b"initial" | b"session"));
    let is_personal = !of_a_device
        && matches!(
            last,
            b"firstname"
                | b"lastname"
                | b"fullname"
                | b"surname"
                | b"displayname"
                | b"birthday"
                | b"birthdate"
                | b"dob"
                | b"gender"
        );
    is_personal.then_some(Field::Personal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_known_by_name() {
        let password = Some(Field::Secret(Secret::Password));
        let short = Some(Field::Secret(Secret::Short));
        let cases = [
            ("password", password),
            ("Passwd", password),
            ("pwd", password),
            ("j_password", password),
            ("user[password]", password),
            ("data[User][password]", password),
            ("ctl00$Main$Login1$Password", password),
            ("Input.Password", password),
            ("loginForm:password", password),
            ("txtPassWord", password),
            ("userpassword", password),
            ("vb_login_md5password_utf", password),
            ("password_md5", password),
            ("contraseña", password),
            ("password1", password),
            ("pass", short),
            ("user_pass", short),
            ("pin", short),
            ("password2", Some(Field::Change)),
            ("newPassword", Some(Field::Change)),
            ("newpassword", Some(Field::Change)),
            ("current-password", Some(Field::Change)),
            ("password_confirmation", Some(Field::Change)),
            ("passwordconfirm", Some(Field::Change)),
            ("old_pass", Some(Field::Change)),
            ("pass_count", None),
            ("password_hint", None),
            ("passwordless", None),
            ("smtp_password", None),
            ("post_password", None),
            ("compass", None),
            ("bypass", None),
            ("assword", None),
            ("passwordfld", password),
            ("passwrd", password),
            ("hash_passwrd", password),
            ("userident", password),
            ("staticPassword", password),
            ("wachtwoord", password),
            ("lgpassword", password),
            ("пароль", password),
            ("passwordresetproviderid", None),
            ("passw", password),
            ("mot_de_passe", password),
            ("codeword", password),
            ("密码", password),
            ("passinput", short),
            ("pincode", short),
            ("passenger", None),
            ("mypasswordfilter", None),
        ];
        for (name, expected) in cases {
            assert_eq!(field(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn other_fields_are_known_by_name() {
        let cases = [
            ("username", Some(Field::User(0))),
            ("_username", Some(Field::User(0))),
            ("user_name", Some(Field::User(0))),
            ("ctl00_txtUserName", Some(Field::User(0))),
            ("customer_email", Some(Field::User(1))),
            ("user[login]", Some(Field::User(3))),
            ("log", Some(Field::User(2))),
            ("blog", None),
            ("phone_number", Some(Field::User(4))),
            ("name", Some(Field::User(WEAK_USER))),
            ("filename", None),
            ("first_name", Some(Field::Personal)),
            ("grant_type", Some(Field::Grant)),
            ("operationName", Some(Field::Operation)),
            ("otp", Some(Field::Secret(Secret::Code))),
            ("csrf_token", None),
            ("usernamefld", Some(Field::User(0))),
            ("lgname", Some(Field::User(0))),
            ("identifiant", Some(Field::User(2))),
            ("identity", Some(Field::User(2))),
            ("accessKey", Some(Field::User(WEAK_USER))),
            ("secretKey", Some(Field::Secret(Secret::Hint))),
            ("displayName", Some(Field::Personal)),
            ("nutzername", Some(Field::User(0))),
            ("nom_utilisateur", Some(Field::User(0))),
            ("kayttaja", Some(Field::User(0))),
            ("jmeno", Some(Field::User(WEAK_USER))),
            ("логин", Some(Field::User(0))),
            ("kullanici_adi", Some(Field::User(2))),
            ("cardnumber", Some(Field::User(2))),
            ("mb_id", Some(Field::User(2))),
            ("userinput", Some(Field::User(2))),
            ("userKey", Some(Field::Secret(Secret::Hint))),
            ("auth_key", Some(Field::Secret(Secret::Hint))),
            ("initial_device_display_name", None),
            ("verificationCode", Some(Field::Secret(Secret::Code))),
            ("", None),
            ("[]", None),
        ];
        for (name, expected) in cases {
            assert_eq!(field(name.as_bytes()), expected, "{name}");
        }
    }
}
