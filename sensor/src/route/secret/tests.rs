use proptest::prelude::*;

use super::super::class::Classes;
use super::super::segment::{Raw, Scratch};
use super::{Secret, secret, secret_behind};

/// Made up after the forms that services document.
const SECRETS: &[(&str, Secret)] = &[
    ("SECRET16", Secret::Token),
    ("SECRET01deadbeefcafe0123456789abcdef", Secret::Token),
    ("bot123456:SECRET15", Secret::Token),
    ("bot110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw", Secret::Token),
    ("110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw", Secret::Token),
    ("AKIAIOSFODNN7EXAMPLE", Secret::Token),
    ("backup-AKIAIOSFODNNXEXAMPLE.json", Secret::Token),
    ("wJalrXUtnFEMI%2FK7MDENG%2FbPxRfiCYEXAMPLEKEY", Secret::Token),
    ("AIzaSyA1234567890abcdefghijklmnopqrstuv", Secret::Token),
    ("ya29.a0AfH6SMBx", Secret::Token),
    ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", Secret::Token),
    ("github_pat_11ABCDEFG0abcdefghijkl", Secret::Token),
    ("glpat-20charsofthetoken1", Secret::Token),
    ("xoxb-17653672481-19874698323", Secret::Token),
    ("T024BE7LD", Secret::Token),
    ("XXXX1234XXXX5678XXXX9012", Secret::Token),
    ("sk_live_4eC39HqLyjWDarjtT1zdp7dc", Secret::Token),
    ("pk_test_TYooMQauvdEDq54NiTphI7jx", Secret::Token),
    ("whsec_abcdefgh1", Secret::Token),
    ("sk-proj-abc123def456", Secret::Token),
    ("SG.ngeVfQFYQlKU0ufo8x5d1A.TwL2iGABf9DHoTf", Secret::Token),
    ("JBSWY3DPEHPK3PXP", Secret::Token),
    ("jbswy3dpehpk3pxp", Secret::Token),
    ("JBSWYQDPEHPKXPXPJBSW", Secret::Token),
    ("GEZDGNBVGY3TQOJQGEZDGNBV", Secret::Token),
    ("dGhpcyBpcyBhIHRlc3Q", Secret::Token),
    ("dXNlcjpwdw==", Secret::Token),
    ("V1StGXR8_Z5jdHi6B-myT", Secret::Token),
    ("dQw4w9WgXcQ", Secret::Token),
    ("Zx81_kQ-9pTb", Secret::Token),
    ("aBqTzWgKvRmP", Secret::Token),
    ("9fceb02d0ae598e95dc970b74767f19372d61af8", Secret::Token),
    ("550e8400e29b41d4a716446655440000", Secret::Token),
    ("deadbeefdeadbeefdeadbeef", Secret::Token),
    ("session-9fceb02d0ae598e95dc9", Secret::Token),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP", Secret::Token),
    ("a1b2c3d4e5z6", Secret::Token),
    ("cjld2cjxh0000qzrmn831i7rn", Secret::Token),
    ("01ARZ3NDEKTSV4RRFFQ69G5FAV", Secret::Token),
    ("DE89370400440532013000", Secret::Token),
    ("de89370400440532013000", Secret::Token),
    ("access_token=abc", Secret::Token),
    ("a%3Bjsessionid%3Dabc", Secret::Token),
    ("a%253Bjsessionid%253Dabc", Secret::Token),
    ("%2Freset%2FSECRET16", Secret::Token),
    ("user:hunter2@host:80", Secret::Token),
    ("qzxkvbnmplkjhgfdw", Secret::Token),
    ("550e8400-e29b-41d4-a716-446655440000-SECRET16", Secret::Token),
    ("alice@example.org", Secret::Email),
    ("alice%40example.org", Secret::Email),
    ("alice%2540example.org", Secret::Email),
    ("a%2Falice@example.org%2Fb", Secret::Email),
    ("bob@localhost", Secret::Email),
    ("@alice@mastodon.example", Secret::Email),
    ("mailto:alice@example.org", Secret::Email),
    ("4111111111111111", Secret::Card),
    ("4111-1111-1111-1111", Secret::Card),
    ("4111%201111%201111%201111", Secret::Card),
    ("378282246310005", Secret::Card),
    ("5555555555554444", Secret::Card),
    ("6011111111111117", Secret::Card),
    ("078-05-1120", Secret::National),
    ("111.444.777-35", Secret::National),
    ("12345678Z", Secret::National),
    ("qq123456c", Secret::National),
    ("RSSMRA85T10A562S", Secret::National),
    ("131052-308T", Secret::National),
    ("11010519491231002X", Secret::National),
];

const OPEN: &[&str] = &[
    "",
    "a",
    "users",
    "forgot-password",
    "internationalization-settings",
    "getUserAccountById",
    "17",
    "20240131",
    "1234567890123",
    "4111111111111112",
    "1850000000000000000",
    "0",
    "+15551234567",
    "550e8400-e29b-41d4-a716-446655440000",
    "550E8400-E29B-41D4-A716-446655440000",
    "550e8400-e29b-41d4-a716-446655440000.png",
    "018f3c6a-7b2e-7cc0-98c3-9a1b2c3d4e5f",
    "2024-01-31",
    "2024-01-31T12:00:00Z",
    "20240131T120000Z",
    "192.0.2.1",
    "2001:db8::1",
    "2001%3Adb8%3A%3A1",
    "oauth2",
    "v2.1",
    "sha256",
    "base64",
    "utf8mb4_general_ci",
    "linux-x86_64",
    "iPhone14ProMax",
    "K8sClusterV2",
    "x509",
    "apple-touch-icon-120x120.png",
    "jquery-3.6.0.min.js",
    "react@18.2.0",
    "@angular",
    "users:search",
    "en-US",
    "deadbeef",
    "9fceb02d",
    "A1B2C3D4E5F6",
    "%2e%2e",
    "..",
    "a,b",
    "wp-login.php",
    "OrderService.svc",
    "summercampaign2024",
    "report-2024.pdf",
    "1024x1024",
    "my%20report%20of%20may.pdf",
    "caf%C3%A9",
    "rechtsschutzversicherung",
    "donaudampfschifffahrt",
    "xiangqing-zhongguo",
    "szczegoly-zamowienia-klienta",
    "kullanici-ayarlari-guncelle",
    "nouvelle-reglementation-europeenne",
    "OAuth2AuthorizationCodeGrant",
    "ChangeUserPasswordV2Request",
    "INTERNATIONALIZATION",
    "2024-13-31",
    "192.0.2.256",
    "666-12-1234",
    "12345678A",
    "windows11",
    "projects:batchGet",
    "12:30",
    "strengths-and-weaknesses",
    "XMLHttpRequestURLs",
    "getIPv",
    "LiveChatAPIKeysJSON",
];

#[test]
fn secrets_are_told() {
    let wrong: Vec<_> =
        SECRETS.iter().filter(|(text, kind)| secret(text.as_bytes()) != Some(*kind)).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn what_operators_read_is_not_hidden() {
    let wrong: Vec<_> = OPEN.iter().filter(|text| secret(text.as_bytes()).is_some()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Behind the names of places where credentials stand: of any form, down to six characters.
#[test]
fn what_follows_the_name_of_a_credential_is_hidden() {
    for before in ["reset-password", "password_reset", "Invite", "verifyEmail", "magic-link", "unsubscribe"] {
        for taken in
            ["x7Kp2q", "hunter2hunter2", "abcdxqzkvwpt", "SUMMER", "aB3dE5gH9kLm", "MQ-4f1a2b", "a%20b1c2"]
        {
            assert_eq!(
                secret_behind(before.as_bytes(), taken.as_bytes()),
                Some(Secret::Token),
                "{before}/{taken}"
            );
        }
        for open in
            ["", "new", "complete", "confirmation", "resend-email", "123456", "2024-01-31", "settings"]
        {
            assert_eq!(secret_behind(before.as_bytes(), open.as_bytes()), None, "{before}/{open}");
        }
        assert_eq!(
            secret_behind(before.as_bytes(), b"550e8400-e29b-41d4-a716-446655440000"),
            None,
            "{before}"
        );
    }
    for before in ["", "users", "resets-of-all-the-things-that-ever-were", "posts"] {
        assert_eq!(secret_behind(before.as_bytes(), b"abcdxqzkvwpt"), None, "{before}");
    }
}

#[test]
fn labels_are_words() {
    for kind in Secret::ALL {
        assert_eq!(secret(kind.label().as_bytes()), None);
    }
}

/// The text of a segment in a template.
fn template(segment: &str) -> String {
    let mut scratch = Scratch::default();
    String::from_utf8_lossy(scratch.canonical(Raw::new(segment.as_bytes()), 128).bytes).into_owned()
}

#[test]
fn templates_have_no_secret() {
    for (text, _) in SECRETS {
        let shown = template(text);
        assert!(shown.contains('{') && secret(shown.as_bytes()).is_none(), "{text}: {shown}");
        let file = template(&format!("{text}.3f2a1b9c.js"));
        assert!(!file.contains(text), "{file}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    /// Whatever a template keeps of a segment is no secret to the same classifier.
    #[test]
    fn no_literal_is_a_secret(segment in "[a-zA-Z0-9._%@=:;+-]{1,60}", index in 0..SECRETS.len()) {
        for segment in [segment.clone(), format!("{}{segment}", SECRETS[index].0), format!("{segment}-{}", SECRETS[index].0)] {
            let shown = template(&segment);
            prop_assert!(secret(shown.as_bytes()).is_none(), "{} of {}", shown, segment);
        }
    }

    #[test]
    fn any_bytes(text in any::<Vec<u8>>()) {
        let _found = secret(&text);
        prop_assert!(Classes::of(&text) != Classes::DIGIT || text.len() > 12 || secret(&text).is_none());
    }

}

/// What random generators give, at the usual lengths, is hardly ever taken for a word.
#[test]
fn random_tokens_are_told() {
    let lower = "abcdefghijklmnopqrstuvwxyz";
    let upper = lower.to_uppercase();
    for (name, alphabet, length, most_missed) in [
        ("base64url of 128 bits", format!("{lower}{upper}0123456789-_"), 22, 15),
        ("base64url of 256 bits", format!("{lower}{upper}0123456789-_"), 43, 3),
        ("base32 of 80 bits", format!("{upper}234567"), 16, 15),
        ("base32 of 160 bits", format!("{upper}234567"), 32, 3),
        ("base62 of 95 bits", format!("{lower}{upper}0123456789"), 16, 40),
        ("lower-case base36", format!("{lower}0123456789"), 24, 15),
        ("hexadecimal of 128 bits", "0123456789abcdef".to_owned(), 32, 0),
    ] {
        let mut state = 7_u64;
        let mut missed = 0;
        for _ in 0..2_000 {
            let token: Vec<u8> = (0..length)
                .map(|_| {
                    // Knuth's constants; the high bits are good enough.
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    alphabet.as_bytes()[usize::try_from(state >> 33).unwrap() % alphabet.len()]
                })
                .collect();
            missed += u32::from(secret(&token).is_none());
        }
        assert!(missed <= most_missed, "{name}: {missed} of 2,000 are taken for words");
    }
}
