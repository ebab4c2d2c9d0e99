//! Values whose names say that they are secret.

/// Endings of names of an application's own secrets, not the user's: lower case, without separators.
const SECRET_NAMES: [&str; 24] = [
    "clientsecret",
    "secretkey",
    "secretaccesskey",
    "privatekey",
    "apisecret",
    "appsecret",
    "encryptionkey",
    "signingkey",
    "signingsecret",
    "masterkey",
    "jwtsecret",
    "sessionsecret",
    "cookiesecret",
    "dbpassword",
    "databasepassword",
    "dbpass",
    "rootpassword",
    "adminpassword",
    "smtppassword",
    "mailpassword",
    "redispassword",
    "connectionstring",
    "accountkey",
    "sharedaccesskey",
];

/// Query parameters that hold credentials.
const CREDENTIALS: [&str; 22] = [
    "apikey",
    "accesstoken",
    "authtoken",
    "token",
    "bearer",
    "jwt",
    "idtoken",
    "refreshtoken",
    "password",
    "passwd",
    "pwd",
    "secret",
    "clientsecret",
    "secretkey",
    "privatetoken",
    "privatekey",
    "sessionid",
    "sessiontoken",
    "phpsessid",
    "jsessionid",
    "sid",
    "auth",
];

/// Words in the paths of links with a one-time token.
const LINKS: [&str; 22] = [
    "reset",
    "verify",
    "verif",
    "confirm",
    "activate",
    "activation",
    "invite",
    "invitation",
    "unsubscribe",
    "optout",
    "magic",
    "download",
    "share",
    "callback",
    "preview",
    "track",
    "csrf",
    "recover",
    "password",
    "email-change",
    "webhook",
    "pay",
];

/// A name in lower case without separators, truncated if it is too long.
struct Folded {
    bytes: [u8; 48],
    length: usize,
}

impl Folded {
    fn of(name: &[u8]) -> Self {
        let mut folded = Self { bytes: [0; 48], length: 0 };
        for byte in name.iter().filter(|byte| byte.is_ascii_alphanumeric()) {
            let Some(place) = folded.bytes.get_mut(folded.length) else { break };
            *place = byte.to_ascii_lowercase();
            folded.length = folded.length.saturating_add(1);
        }
        folded
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Whether a name in a response is that of a secret that no client should see.
pub(crate) fn is_secret_name(name: &[u8]) -> bool {
    if name.len() < 6 {
        return false;
    }
    let folded = Folded::of(name);
    SECRET_NAMES.iter().any(|known| folded.as_bytes().ends_with(known.as_bytes()))
}

/// Whether a value is plausible as a secret: long and random enough, not masked, not a reference.
pub(crate) fn is_secret_value(value: &[u8]) -> bool {
    let is_text = value.iter().all(|byte| byte.is_ascii_graphic());
    (8..=4_096).contains(&value.len())
        && is_text
        && !value.contains(&b'*')
        && !value.starts_with(b"$")
        && !value.starts_with(b"{")
        && !value.starts_with(b"<")
        && !value.starts_with(b"http://")
        && !value.starts_with(b"https://")
        && super::check::is_plausible(value)
        && bits(value) >= 24
}

/// Shannon entropy of a value's byte frequencies, in bits for the whole value, rounded down. A word of ten letters has
/// some 28, a random key of 32 hexadecimal digits more than 100 (C. E. Shannon, 1948).
fn bits(value: &[u8]) -> u64 {
    let mut counts = [0_u32; 256];
    for byte in value {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count = count.saturating_add(1);
        }
    }
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    // In hundredths of a bit: sum of n * (log2(length) - log2(n)).
    let whole = log2_hundredths(length);
    let sum: u64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| u64::from(*count).saturating_mul(whole.saturating_sub(log2_hundredths(*count))))
        .fold(0, u64::saturating_add);
    sum / 100
}

/// The binary logarithm in hundredths, linear between powers of two: off by less than nine.
fn log2_hundredths(number: u32) -> u64 {
    let Some(whole) = number.checked_ilog2() else { return 0 };
    let base = 1_u64.checked_shl(whole).unwrap_or(1);
    let rest = u64::from(number).saturating_sub(base).saturating_mul(100).checked_div(base).unwrap_or(0);
    u64::from(whole).saturating_mul(100).saturating_add(rest)
}

/// Whether a query parameter is a credential, by its name and value, and not part of a one-time link.
pub(crate) fn query_credential(path: &[u8], name: &[u8], value: &[u8]) -> bool {
    let folded = Folded::of(name);
    let is_named = CREDENTIALS.iter().any(|known| folded.as_bytes() == known.as_bytes());
    if !is_named || value.len() < 6 || value.starts_with(b"{") || value.starts_with(b"$") {
        return false;
    }
    let is_password = folded.as_bytes().starts_with(b"pass") || folded.as_bytes() == b"pwd";
    let is_link = !is_password && {
        let lower = path.to_ascii_lowercase();
        LINKS.iter().any(|word| memchr::memmem::find(&lower, word.as_bytes()).is_some())
    };
    let is_random = value.len() >= 12 && bits(value) >= 32 && value.iter().any(u8::is_ascii_digit);
    !is_link && (is_password || is_random)
}
