//! The wording of responses to logins.
//!
//! A refusal is an unambiguous phrase, or, within one text, a word for a credential (password, name, account) with a word for
//! "wrong". Words are from the most common languages of web applications, compared without regard to ASCII case.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::signs::SIGNS;
use super::signs::Sign::{Credential, Refused, SecondFactor, Throttled, Waits, Welcome, Wrong};

/// Maximum bytes searched of a response: login pages with a message are usually shorter.
pub(super) const MAX_SCANNED: usize = 32 << 10;

/// Longest text that counts as one statement: in longer prose, a word of each kind means nothing.
const MAX_STATEMENT: usize = 400;

/// What was found in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Speech {
    pub(super) refused: bool,
    pub(super) second_factor: bool,
    pub(super) welcome: bool,
    /// There were too many attempts, whatever else is said.
    pub(super) throttled: bool,
    /// The user must wait, or prove to be human.
    pub(super) waits: bool,
}

/// Takes milliseconds to build, and is the same for everybody. It could only fail for more patterns than 32 bits can
/// count.
static AUTOMATON: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let mut builder = AhoCorasick::builder();
    builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::ContiguousNFA));
    builder.build(SIGNS.iter().map(|(text, _)| text)).ok()
});

/// The meaning of one text.
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
            Some(Throttled) => speech.throttled = true,
            Some(Waits) => speech.waits = true,
            None => {}
        }
    }
    // In prose, rules are told.
    speech.throttled &= text.len() <= MAX_STATEMENT;
    let is_refusal = speech.refused || credential && wrong && text.len() <= MAX_STATEMENT;
    // "Wrong password or authentication code" is about the password; "Invalid authentication code" is not, and comes
    // from who took the password.
    speech.second_factor &= !(is_refusal && is_about_password(scanned));
    speech.refused = is_refusal && !speech.second_factor;
    // "Wrong password, try again later" is about the password.
    speech.waits &= !speech.refused && text.len() <= MAX_STATEMENT;
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
                Refused | SecondFactor | Welcome | Throttled | Waits => format!("x{text}y"),
            };
            let speech = of(text.as_bytes());
            let found = match sign {
                Refused | Credential | Wrong => speech.refused,
                SecondFactor => speech.second_factor,
                Welcome => speech.welcome,
                Throttled => speech.throttled,
                Waits => speech.waits,
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
