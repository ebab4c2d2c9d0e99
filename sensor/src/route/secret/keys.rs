//! Keys with a recognisable prefix.

use super::forms::{FORMS, SHORT};

/// Prefixes besides those of [`FORMS`]: of identities, test keys and tokens whose exact format is not published. At least eight
/// letters, digits, hyphens and underscores follow a prefix, among them a capital or a digit.
const OTHERS: [&str; 14] = [
    "AROA", "AIDA", "AGPA", "ANPA",  // identities of AWS
    "xoxs-", // Slack
    "pk_test_", "rk_test_", // Stripe
    "sk-", "pypi-", "sq0", "EAAC", // Meta
    "xoxe.", "glptt-", // GitLab
    "eyJ",    // any JSON in base64, as in JSON Web Tokens
];

/// Shortest rest of a key.
const REST: usize = 8;

/// Shortest key: of the shortest prefixes.
const SHORTEST: usize = 3 + REST;

/// Whether a text contains a key, at its start or after a character that is no letter or digit.
pub(super) fn has_prefix(text: &[u8]) -> bool {
    if text.len() < SHORTEST {
        return false;
    }
    let mut before = b'/';
    text.iter().enumerate().any(|(at, byte)| {
        let starts = !before.is_ascii_alphanumeric() && byte.is_ascii_alphabetic();
        before = *byte;
        starts && text.get(at..).is_some_and(is_key)
    })
}

fn is_key(text: &[u8]) -> bool {
    let forms = FORMS.iter().chain(&SHORT).filter(|form| form.has_telling_prefix()).map(|form| form.prefix);
    forms.chain(OTHERS).filter_map(|prefix| text.strip_prefix(prefix.as_bytes())).any(|rest| {
        let length = rest
            .iter()
            .position(|byte| !(byte.is_ascii_alphanumeric() || b"-_.".contains(byte)))
            .unwrap_or(rest.len());
        let rest = rest.get(..length).unwrap_or_default();
        let is_coded = rest.iter().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
        rest.len() >= REST && is_coded
    })
}
