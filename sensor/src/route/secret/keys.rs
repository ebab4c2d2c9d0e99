//! Keys with a recognisable prefix.

/// Prefixes of well-known services' keys, from their documentation; at least eight letters, digits, hyphens and
/// underscores follow, among them a capital or a digit.
const PREFIXES: [&[u8]; 42] = [
    b"AKIA",
    b"ASIA",
    b"AROA",
    b"AIDA",
    b"AGPA",
    b"ANPA", // access keys and identities of AWS
    b"AIza",
    b"ya29.",
    b"GOCSPX-", // Google
    b"ghp_",
    b"gho_",
    b"ghu_",
    b"ghs_",
    b"ghr_",
    b"github_pat_",
    b"glpat-",
    b"gldt-", // GitHub, GitLab
    b"xoxa-",
    b"xoxb-",
    b"xoxp-",
    b"xoxr-",
    b"xoxs-",
    b"xapp-", // Slack
    b"sk_live_",
    b"sk_test_",
    b"pk_live_",
    b"pk_test_",
    b"rk_live_",
    b"rk_test_",
    b"whsec_", // Stripe
    b"sk-",
    b"SG.",
    b"npm_",
    b"hf_",
    b"pypi-",
    b"dop_v1_",
    b"shpat_",
    b"sq0",
    b"EAAC",
    b"dckr_pat_",
    b"hvs.",
    b"eyJ", // the last one is any JSON in base64, as of JSON Web Tokens
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
    PREFIXES.iter().filter_map(|prefix| text.strip_prefix(*prefix)).any(|rest| {
        let length = rest
            .iter()
            .position(|byte| !(byte.is_ascii_alphanumeric() || b"-_.".contains(byte)))
            .unwrap_or(rest.len());
        let rest = rest.get(..length).unwrap_or_default();
        let is_coded = rest.iter().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
        rest.len() >= REST && is_coded
    })
}
