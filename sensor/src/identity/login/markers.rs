//! What answers to a login say in words.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

/// Bytes of an answer that are looked through: a login page with its message is mostly shorter.
const MAX_SCANNED: usize = 32 << 10;

/// What a text is a sign of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// Refusal, in words.
    Refused,
    /// A field for a password: the form is there again.
    PasswordInput,
    /// A fault of XML-RPC or SOAP.
    Fault,
    /// The password was right, and more is asked for.
    SecondFactor,
}

/// What the common frameworks, and people, say.
const SIGNS: [(&str, Sign); 41] = [
    ("type=\"password\"", Sign::PasswordInput),
    ("type='password'", Sign::PasswordInput),
    ("type=password", Sign::PasswordInput),
    ("<fault>", Sign::Fault),
    (":fault>", Sign::Fault),
    ("mfa_required", Sign::SecondFactor),
    ("mfa-required", Sign::SecondFactor),
    ("2fa_required", Sign::SecondFactor),
    ("otp_required", Sign::SecondFactor),
    ("two_factor_required", Sign::SecondFactor),
    ("invalid credential", Sign::Refused),
    ("invalid_credential", Sign::Refused),
    ("invalid login", Sign::Refused),
    ("invalid_login", Sign::Refused),
    ("invalid_grant", Sign::Refused),
    ("invalid user", Sign::Refused),
    ("invalid email", Sign::Refused),
    ("invalid password", Sign::Refused),
    ("invalid_password", Sign::Refused),
    ("incorrect password", Sign::Refused),
    ("incorrect username", Sign::Refused),
    ("incorrect email", Sign::Refused),
    ("incorrect login", Sign::Refused),
    ("password is incorrect", Sign::Refused),
    ("password was incorrect", Sign::Refused),
    ("password is invalid", Sign::Refused),
    ("password incorrect", Sign::Refused),
    ("wrong password", Sign::Refused),
    ("wrong username", Sign::Refused),
    ("wrong credential", Sign::Refused),
    ("bad credential", Sign::Refused),
    ("login failed", Sign::Refused),
    ("login incorrect", Sign::Refused),
    ("authentication failed", Sign::Refused),
    // Laravel.
    ("credentials do not match", Sign::Refused),
    // Django, and its REST framework.
    ("please enter a correct", Sign::Refused),
    ("unable to log in", Sign::Refused),
    ("no active account", Sign::Refused),
    ("user not found", Sign::Refused),
    ("account is locked", Sign::Refused),
    ("too many failed", Sign::Refused),
];

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Signs {
    pub(super) refused: bool,
    pub(super) password_input: bool,
    pub(super) fault: bool,
    pub(super) second_factor: bool,
}

/// Takes milliseconds to build, and is the same for everybody. It could only fail for more patterns than 32 bits can
/// count.
static AUTOMATON: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let mut builder = AhoCorasick::builder();
    builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA));
    builder.build(SIGNS.iter().map(|(text, _)| text)).ok()
});

/// Finds all signs in one pass, in any case.
pub(super) fn find(text: &[u8]) -> Signs {
    let mut signs = Signs::default();
    let scanned = text.get(..MAX_SCANNED).unwrap_or(text);
    for found in AUTOMATON.iter().flat_map(|automaton| automaton.find_overlapping_iter(scanned)) {
        match SIGNS.get(found.pattern().as_usize()).map(|(_, sign)| *sign) {
            Some(Sign::Refused) => signs.refused = true,
            Some(Sign::PasswordInput) => signs.password_input = true,
            Some(Sign::Fault) => signs.fault = true,
            Some(Sign::SecondFactor) => signs.second_factor = true,
            None => {}
        }
    }
    signs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_is_found() {
        for (text, sign) in SIGNS {
            let signs = find(format!("x{}y", text.to_ascii_uppercase()).as_bytes());
            let found = match sign {
                Sign::Refused => signs.refused,
                Sign::PasswordInput => signs.password_input,
                Sign::Fault => signs.fault,
                Sign::SecondFactor => signs.second_factor,
            };
            assert!(found, "{text}");
        }
        assert_eq!(find(b"Welcome back"), Signs::default());
    }
}
