//! Places in paths where services put credentials that serve once: `/reset-password/TOKEN`, `/invite/CODE`.

use super::super::class::Classes;
use super::super::classify::{is_date, is_uuid};
use super::letters;

/// What stands before such credentials, without `-` and `_`, in lower case.
const PLACES: [&[u8]; 40] = [
    b"activate",
    b"activation",
    b"apikey",
    b"apikeys",
    b"confirm",
    b"confirmation",
    b"confirmemail",
    b"emailconfirmation",
    b"emailverification",
    b"invitation",
    b"invitations",
    b"invite",
    b"invites",
    b"join",
    b"loginlink",
    b"magic",
    b"magiclink",
    b"magiclogin",
    b"onetime",
    b"optout",
    b"otp",
    b"passwordreset",
    b"passwordresets",
    b"pwreset",
    b"recover",
    b"recovery",
    b"reset",
    b"resetpassword",
    b"resettoken",
    b"setpassword",
    b"token",
    b"tokens",
    b"unsubscribe",
    b"validate",
    b"validateemail",
    b"verification",
    b"verify",
    b"verifyemail",
    b"verifytoken",
    b"webhook",
];

const LONGEST_PLACE: usize = 32;

/// The longest text that is a word without a look at its letters, and the shortest that a credential has.
const WORD: usize = 8;
const SHORTEST: usize = 6;

/// Whether a segment is one that credentials follow.
pub(super) fn precedes(segment: &[u8]) -> bool {
    if segment.len() > LONGEST_PLACE {
        return false;
    }
    let letters = || segment.iter().filter(|byte| !b"-_".contains(byte)).map(u8::to_ascii_lowercase);
    PLACES.iter().any(|place| letters().eq(place.iter().copied()))
}

/// Whether a segment at such a place is anything but a number, a UUID, a date, or words.
pub(super) fn is_taken(text: &[u8]) -> bool {
    let classes = Classes::of(text);
    if text.len() < SHORTEST || classes == Classes::DIGIT || is_date(text) || is_uuid(text) {
        return false;
    }
    let lower = |byte: &u8| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'_');
    let (first, rest) = text.split_first().map_or((0, text), |(first, rest)| (*first, rest));
    if !first.is_ascii_alphabetic() || !rest.iter().all(lower) {
        return true;
    }
    text.len() > WORD && !letters::are_words(text)
}
