//! What answers to a login say in words.
//!
//! A refusal is a phrase that says so by itself, or, within one text, a word for what was sent (a password, a name, an
//! account) beside a word for its being wrong. Words are those of the languages that web applications are translated to
//! most; they are compared without regard to the case of ASCII letters.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// Bytes of an answer that are looked through: a login page with its message is mostly shorter.
pub(super) const MAX_SCANNED: usize = 32 << 10;

/// Longest text that is one statement: what is longer is prose, in which a word of each kind means nothing.
const MAX_STATEMENT: usize = 400;

/// What a text is a sign of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// Refusal, by itself.
    Refused,
    /// What was sent.
    Credential,
    /// That something is wrong.
    Wrong,
    /// The password was right, and more is asked for.
    SecondFactor,
    /// Somebody is logged in.
    Welcome,
}

use Sign::{Credential, Refused, SecondFactor, Welcome, Wrong};

/// What the common frameworks, and people, say.
const SIGNS: &[(&str, Sign)] = &[
    ("invalid_grant", Refused),
    ("invalid_credential", Refused),
    ("invalid_login", Refused),
    ("invalid_password", Refused),
    ("invalid login", Refused),
    ("login failed", Refused),
    ("login incorrect", Refused),
    ("login error", Refused),
    ("loginfailed", Refused),
    ("login_failed", Refused),
    ("failed to authenticate", Refused),
    ("failed to log", Refused),
    ("authentication failed", Refused),
    ("authentication failure", Refused),
    ("authentication error", Refused),
    ("authentication was not successful", Refused),
    ("auth failed", Refused),
    ("not authorized", Refused),
    ("notauthorized", Refused),
    ("not authenticated", Refused),
    ("unauthorized", Refused),
    ("unauthenticated", Refused),
    ("access denied", Refused),
    ("accessdenied", Refused),
    ("permission denied", Refused),
    ("bad credentials", Refused),
    ("badcredentials", Refused),
    ("logon failure", Refused),
    ("sign in failed", Refused),
    ("sign-in failed", Refused),
    ("signin failed", Refused),
    ("unable to log in", Refused),
    ("could not log you in", Refused),
    ("no active account", Refused),
    ("please enter a correct", Refused),
    ("did not succeed", Refused),
    ("too many failed", Refused),
    ("anmeldung fehlgeschlagen", Refused),
    ("connexion refus", Refused),
    ("登录失败", Refused),
    ("登錄失敗", Refused),
    ("登入失敗", Refused),
    ("认证失败", Refused),
    ("ログインできません", Refused),
    ("ログインに失敗", Refused),
    ("로그인에 실패", Refused),
    ("password", Credential),
    ("passwd", Credential),
    ("passphrase", Credential),
    ("passcode", Credential),
    ("username", Credential),
    ("user name", Credential),
    ("credential", Credential),
    ("e-mail", Credential),
    ("email", Credential),
    ("account", Credential),
    ("user ", Credential),
    ("userid", Credential),
    ("login", Credential),
    ("passwort", Credential),
    ("kennwort", Credential),
    ("benutzer", Credential),
    ("zugangsdaten", Credential),
    ("anmeldedaten", Credential),
    ("mot de passe", Credential),
    ("identifiant", Credential),
    ("utilisateur", Credential),
    ("contrase", Credential),
    ("usuario", Credential),
    ("usuário", Credential),
    ("credencia", Credential),
    ("clave", Credential),
    ("senha", Credential),
    ("utente", Credential),
    ("credenziali", Credential),
    ("wachtwoord", Credential),
    ("gebruiker", Credential),
    ("inloggegevens", Credential),
    ("lösenord", Credential),
    ("användar", Credential),
    ("passord", Credential),
    ("bruker", Credential),
    ("adgangskode", Credential),
    ("salasana", Credential),
    ("käyttäjä", Credential),
    ("hasło", Credential),
    ("hasła", Credential),
    ("użytkownik", Credential),
    ("heslo", Credential),
    ("uživatel", Credential),
    ("používate", Credential),
    ("jelszó", Credential),
    ("felhasználó", Credential),
    ("parol", Credential),
    ("utilizator", Credential),
    ("şifre", Credential),
    ("kullanıcı", Credential),
    ("lozink", Credential),
    ("парол", Credential),
    ("Парол", Credential),
    ("логин", Credential),
    ("Логин", Credential),
    ("пользовател", Credential),
    ("логін", Credential),
    ("κωδικ", Credential),
    ("密码", Credential),
    ("密碼", Credential),
    ("用户名", Credential),
    ("用户", Credential),
    ("帐号", Credential),
    ("账号", Credential),
    ("帳號", Credential),
    ("使用者", Credential),
    ("パスワード", Credential),
    ("ユーザー", Credential),
    ("ログイン", Credential),
    ("비밀번호", Credential),
    ("아이디", Credential),
    ("mật khẩu", Credential),
    ("รหัสผ่าน", Credential),
    ("كلمة المرور", Credential),
    ("كلمة السر", Credential),
    ("סיסמ", Credential),
    ("invalid", Wrong),
    ("incorrect", Wrong),
    ("wrong", Wrong),
    ("mismatch", Wrong),
    ("not match", Wrong),
    ("n't match", Wrong),
    ("no match", Wrong),
    ("not correct", Wrong),
    ("not valid", Wrong),
    ("not recogni", Wrong),
    ("n't recogni", Wrong),
    ("unrecogni", Wrong),
    ("not found", Wrong),
    ("not exist", Wrong),
    ("n't exist", Wrong),
    ("no user", Wrong),
    ("no such", Wrong),
    ("unknown", Wrong),
    ("no account", Wrong),
    ("bad ", Wrong),
    ("failed", Wrong),
    ("failure", Wrong),
    ("is locked", Wrong),
    ("locked out", Wrong),
    ("falsch", Wrong),
    ("ungültig", Wrong),
    ("ungueltig", Wrong),
    ("fehlgeschlagen", Wrong),
    ("nicht korrekt", Wrong),
    ("nicht gefunden", Wrong),
    ("stimmen nicht", Wrong),
    ("stimmt nicht", Wrong),
    ("inkorrekt", Wrong),
    ("unbekannt", Wrong),
    ("invalide", Wrong),
    ("erroné", Wrong),
    ("incorrecto", Wrong),
    ("inválid", Wrong),
    ("no es válid", Wrong),
    ("no coincide", Wrong),
    ("não confere", Wrong),
    ("não encontrad", Wrong),
    ("errad", Wrong),
    ("errat", Wrong),
    ("non valid", Wrong),
    ("non corrett", Wrong),
    ("sbagliat", Wrong),
    ("onjuist", Wrong),
    ("ongeldig", Wrong),
    ("onbekend", Wrong),
    ("komt niet overeen", Wrong),
    ("felaktig", Wrong),
    ("ogiltig", Wrong),
    ("stämmer inte", Wrong),
    ("fel ", Wrong),
    ("ugyldig", Wrong),
    ("feil ", Wrong),
    ("forkert", Wrong),
    ("virheelli", Wrong),
    ("väärä", Wrong),
    ("nieprawid", Wrong),
    ("błędn", Wrong),
    ("niepoprawn", Wrong),
    ("neplatn", Wrong),
    ("nesprávn", Wrong),
    ("špatn", Wrong),
    ("chybn", Wrong),
    ("hibás", Wrong),
    ("helytelen", Wrong),
    ("érvénytelen", Wrong),
    ("greșit", Wrong),
    ("gresit", Wrong),
    ("incorect", Wrong),
    ("hatalı", Wrong),
    ("yanlış", Wrong),
    ("geçersiz", Wrong),
    ("pogrešn", Wrong),
    ("neispravn", Wrong),
    ("неверн", Wrong),
    ("Неверн", Wrong),
    ("неправильн", Wrong),
    ("Неправильн", Wrong),
    ("невірн", Wrong),
    ("Невірн", Wrong),
    ("не найден", Wrong),
    ("ошибк", Wrong),
    ("λάθος", Wrong),
    ("错误", Wrong),
    ("錯誤", Wrong),
    ("不正确", Wrong),
    ("不正確", Wrong),
    ("不存在", Wrong),
    ("无效", Wrong),
    ("無效", Wrong),
    ("失败", Wrong),
    ("失敗", Wrong),
    ("間違", Wrong),
    ("正しくありません", Wrong),
    ("一致しません", Wrong),
    ("無効", Wrong),
    ("誤り", Wrong),
    ("違います", Wrong),
    ("잘못", Wrong),
    ("올바르지", Wrong),
    ("일치하지", Wrong),
    ("틀렸", Wrong),
    ("không đúng", Wrong),
    ("không chính xác", Wrong),
    ("ไม่ถูกต้อง", Wrong),
    ("غير صحيح", Wrong),
    ("خاطئ", Wrong),
    ("שגוי", Wrong),
    ("2fa", SecondFactor),
    ("mfa", SecondFactor),
    ("totp", SecondFactor),
    ("two-factor", SecondFactor),
    ("two factor", SecondFactor),
    ("two_factor", SecondFactor),
    ("twofactor", SecondFactor),
    ("second factor", SecondFactor),
    ("second-factor", SecondFactor),
    ("second_factor", SecondFactor),
    ("secondfactor", SecondFactor),
    ("two-step", SecondFactor),
    ("2-step", SecondFactor),
    ("2-faktor", SecondFactor),
    ("multi-factor", SecondFactor),
    ("multifactor", SecondFactor),
    ("one-time code", SecondFactor),
    ("one-time-code", SecondFactor),
    ("one-time password", SecondFactor),
    ("one time password", SecondFactor),
    ("otp_required", SecondFactor),
    ("otp-required", SecondFactor),
    ("otprequired", SecondFactor),
    ("otp code", SecondFactor),
    ("otp is required", SecondFactor),
    ("authentication code", SecondFactor),
    ("authenticator", SecondFactor),
    ("verification code", SecondFactor),
    ("security code", SecondFactor),
    ("security key", SecondFactor),
    ("webauthn", SecondFactor),
    ("aal2", SecondFactor),
    ("verify session", SecondFactor),
    ("device verification", SecondFactor),
    ("zwei-faktor", SecondFactor),
    ("bestätigungscode", SecondFactor),
    ("double authentification", SecondFactor),
    ("doble factor", SecondFactor),
    ("двухфактор", SecondFactor),
    ("双因素", SecondFactor),
    ("二要素", SecondFactor),
    ("log out", Welcome),
    ("logout", Welcome),
    ("log off", Welcome),
    ("logoff", Welcome),
    ("sign out", Welcome),
    ("signout", Welcome),
    ("sign_out", Welcome),
    ("logged in", Welcome),
    ("logging in", Welcome),
    ("login success", Welcome),
    ("login successful", Welcome),
    ("welcome back", Welcome),
    ("abmelden", Welcome),
    ("déconnexion", Welcome),
    ("se déconnecter", Welcome),
    ("cerrar sesión", Welcome),
    ("uitloggen", Welcome),
    ("logga ut", Welcome),
    ("выйти", Welcome),
    ("退出", Welcome),
    ("ログアウト", Welcome),
    ("로그아웃", Welcome),
];

/// What was found in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Speech {
    pub(super) refused: bool,
    pub(super) second_factor: bool,
    pub(super) welcome: bool,
}

/// Takes milliseconds to build, and is the same for everybody. It could only fail for more patterns than 32 bits can
/// count.
static AUTOMATON: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let mut builder = AhoCorasick::builder();
    builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::ContiguousNFA));
    builder.build(SIGNS.iter().map(|(text, _)| text)).ok()
});

/// What one text says.
pub(super) fn of(text: &[u8]) -> Speech {
    let mut speech = Speech::default();
    let (mut credential, mut wrong) = (false, false);
    let scanned = text.get(..MAX_SCANNED).unwrap_or(text);
    for found in AUTOMATON.iter().flat_map(|automaton| automaton.find_overlapping_iter(scanned)) {
        match SIGNS.get(found.pattern().as_usize()).map(|(_, sign)| *sign) {
            Some(Refused) => speech.refused = true,
            Some(Credential) => credential = true,
            Some(Wrong) => wrong = true,
            Some(SecondFactor) => speech.second_factor = true,
            Some(Welcome) => speech.welcome = true,
            None => {}
        }
    }
    let is_refusal = speech.refused || credential && wrong && text.len() <= MAX_STATEMENT;
    // "Wrong password or authentication code" is about the password; "Invalid authentication code" is not, and comes
    // from who took the password.
    if speech.second_factor {
        speech.refused = false;
        speech.second_factor = !(is_refusal && is_about_password(scanned));
        speech.refused = !speech.second_factor;
    } else {
        speech.refused = is_refusal;
    }
    speech.welcome &= !speech.refused;
    speech
}

fn is_about_password(text: &[u8]) -> bool {
    ["password", "username", "credential", "passwort", "mot de passe", "contrase", "senha"].iter().any(
        |word| {
            let word = word.as_bytes();
            text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
        },
    )
}

/// A whole answer that is one short word or a few: what programs answer to programs.
pub(super) fn short(text: &[u8]) -> Option<bool> {
    if text.len() > 64 {
        return None;
    }
    let word = text.trim_ascii().to_ascii_lowercase();
    let word = word.strip_suffix(b".").or_else(|| word.strip_suffix(b"!")).unwrap_or(&word);
    match word {
        b"ok" | b"true" | b"success" | b"yes" | b"succeeded" | b"loginok" | b"login ok"
        | b"authenticated" => Some(true),
        b"fail" | b"fails" | b"failed" | b"failure" | b"false" | b"error" | b"err" | b"no" | b"nok"
        | b"ko" | b"denied" | b"invalid" | b"wrong" | b"bad" | b"forbidden" | b"incorrect" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sign_is_found_by_itself() {
        for (text, sign) in SIGNS {
            let text = match sign {
                Credential => format!("x{text} invalid"),
                Wrong => format!("{text} password"),
                Refused | SecondFactor | Welcome => format!("x{text}y"),
            };
            let speech = of(text.as_bytes());
            let found = match sign {
                Refused | Credential | Wrong => speech.refused,
                SecondFactor => speech.second_factor,
                Welcome => speech.welcome,
            };
            assert!(found, "{text}: {speech:?}");
        }
    }

    #[test]
    fn statements_are_told_apart() {
        let (refused, half, welcome, nothing) = ("refused", "half", "welcome", "nothing");
        let cases = [
            ("Invalid username or password.", refused),
            ("The email address or password you entered is incorrect", refused),
            ("There is no user with that email address.", refused),
            ("Identifiant ou mot de passe incorrect.", refused),
            ("用户不存在/密码错误", refused),
            ("Benutzername oder Passwort falsch", refused),
            ("Wrong password or two-factor code", refused),
            ("Invalid MFA token.", half),
            ("No 2FA token found in JSON payload", half),
            ("Verification using TOTP is required before authentication can continue.", half),
            ("User must verify session to login.", half),
            ("Thank you for logging in, alice.", welcome),
            ("Enter your password", nothing),
            ("The invoice was not found", nothing),
            ("Welcome", nothing),
            ("", nothing),
        ];
        for (text, expected) in cases {
            let found = match of(text.as_bytes()) {
                Speech { refused: true, .. } => refused,
                Speech { second_factor: true, .. } => half,
                Speech { welcome: true, .. } => welcome,
                Speech { .. } => nothing,
            };
            assert_eq!(found, expected, "{text}");
        }
        let prose = format!("password {} invalid", "x ".repeat(300));
        assert_eq!(of(prose.as_bytes()), Speech::default(), "far from each other");
    }

    #[test]
    fn words_alone_are_answers() {
        for (text, answer) in [
            ("Ok.", Some(true)),
            ("Fails.", Some(false)),
            ("ERROR", Some(false)),
            ("true\n", Some(true)),
            ("all fine", None),
            ("", None),
        ] {
            assert_eq!(short(text.as_bytes()), answer, "{text}");
        }
    }
}
