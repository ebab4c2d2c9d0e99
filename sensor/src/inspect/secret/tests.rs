//! Made of public formats: no value was ever anybody's.

use super::super::personal::tests::Random;
use super::*;

const HEX: &str = "0123456789abcdef";
const ALNUM: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const URL: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-";
const BASE64: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/";

fn found(text: &str) -> Vec<Hit> {
    let mut found = Vec::new();
    Scanner::new().unwrap().scan(text.as_bytes(), |hit| found.push(hit));
    found
}

fn secret(random: &mut Random) -> (Class, String) {
    match random.below(20) {
        0 => (
            Class::CloudKey,
            format!(
                "{}{}",
                random.of(&["AKIA", "ASIA"]),
                random.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)
            ),
        ),
        1 => (
            Class::CodeToken,
            format!("gh{}_{}", random.of(&["p", "o", "u", "s", "r"]), random.text(ALNUM, 36)),
        ),
        2 => (Class::CodeToken, format!("github_pat_{}_{}", random.text(ALNUM, 22), random.text(ALNUM, 59))),
        3 => (Class::CodeToken, format!("glpat-{}", random.text(URL, 20))),
        4 => (Class::CodeToken, format!("npm_{}", random.text(ALNUM, 36))),
        5 => (
            Class::ChatToken,
            format!(
                "xoxb-{}-{}-{}",
                random.text("123456789", 12),
                random.text("123456789", 13),
                random.text(ALNUM, 24)
            ),
        ),
        6 => (
            Class::ChatToken,
            format!(
                "https://hooks.slack.com/services/T{}/B{}/{}",
                random.text("ABCDEFGHIJ0123456789", 8),
                random.text("ABCDEFGHIJ0123456789", 8),
                random.text(ALNUM, 24)
            ),
        ),
        7 => (Class::ChatToken, format!("SG.{}.{}", random.text(URL, 22), random.text(URL, 43))),
        8 => (Class::PaymentKey, format!("{}_live_{}", random.of(&["sk", "rk"]), random.text(ALNUM, 24))),
        9 => (Class::PaymentKey, format!("shpat_{}", random.text(HEX, 32))),
        _ => further(random),
    }
}

fn further(random: &mut Random) -> (Class, String) {
    match random.below(10) {
        0 => (Class::CloudKey, format!("dop_v1_{}", random.text(HEX, 64))),
        1 => (Class::CloudKey, format!("sk-ant-api03-{}AA", random.text(URL, 93))),
        2 => (Class::CloudKey, format!("hf_{}", random.text(&ALNUM[10..], 34))),
        3 => (Class::CloudKey, format!("GOCSPX-{}", random.text(URL, 28))),
        4 => (
            Class::CloudKey,
            format!("DefaultEndpointsProtocol=https;AccountName=a;AccountKey={}==", random.text(BASE64, 86)),
        ),
        5 => (
            Class::PrivateKey,
            format!(
                "-----BEGIN {}PRIVATE KEY-----\\n{}\\n{}\\n",
                random.of(&["", "RSA ", "EC ", "OPENSSH "]),
                random.text(BASE64, 64),
                random.text(BASE64, 64)
            ),
        ),
        6 => (Class::Connection, format!("postgres://app:{}@db.internal:5432/x", random.text(ALNUM, 16))),
        7 => (Class::Connection, format!("mongodb+srv://app:{}@cluster0.internal/x", random.text(ALNUM, 16))),
        8 => (Class::CodeToken, format!("pypi-AgEIcHlwaS5vcmc{}", random.text(URL, 140))),
        _ => (Class::CloudKey, format!("sk-{}T3BlbkFJ{}", random.text(ALNUM, 20), random.text(ALNUM, 20))),
    }
}

/// What is meant to be public, or is no secret.
fn other(random: &mut Random) -> String {
    match random.below(14) {
        0 => format!("{{\"sha256\":\"{}\"}}", random.text(HEX, 64)),
        1 => format!(
            "{{\"id\":\"{}-{}-4{}-8{}-{}\"}}",
            random.text(HEX, 8),
            random.text(HEX, 4),
            random.text(HEX, 3),
            random.text(HEX, 3),
            random.text(HEX, 12)
        ),
        2 => format!("pk_live_{}", random.text(ALNUM, 24)),
        3 => format!("https://maps.googleapis.com/maps/api/js?key=AIza{}", random.text(URL, 35)),
        4 => format!(
            "https://{}@o{}.ingest.sentry.io/{}",
            random.text(HEX, 32),
            random.below(99_999),
            random.below(99_999)
        ),
        5 => format!("pk.eyJ1Ijoi{}.{}", random.text(ALNUM, 40), random.text(URL, 22)),
        6 => "AKIAIOSFODNN7EXAMPLE and ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx".to_owned(),
        7 => format!(
            "postgres://{}",
            random.of(&[
                "user:password@localhost/db",
                "localhost:5432/app",
                "$USER:$PASS@host/db",
                "app:****@db/x"
            ])
        ),
        8 => format!("-----BEGIN PUBLIC KEY-----\n{}\n", random.text(BASE64, 64)),
        9 => format!("-----BEGIN CERTIFICATE-----\n{}\n", random.text(BASE64, 64)),
        10 => format!("data:image/png;base64,{}", random.text(BASE64, 2_000)),
        11 => format!(
            "{{\"etag\":\"{}\",\"order\":\"{}\"}}",
            random.text(HEX, 32),
            random.text("0123456789", 16)
        ),
        12 => format!(
            "{{\"site_key\":\"6L{}\",\"cursor\":\"{}\"}}",
            random.text(URL, 38),
            random.text(BASE64, 60)
        ),
        _ => format!(
            "risk-free task-{} sk-{} whisk_live_x desk_live_{}",
            random.text(ALNUM, 8),
            random.text("abcdefgh-", 30),
            random.text(ALNUM, 24)
        ),
    }
}

#[test]
fn precision_and_recall() {
    let mut random = Random::new(2);
    let (mut told, mut missed, mut wrong) = (0_u32, Vec::new(), Vec::new());
    for _ in 0..2_000 {
        let (class, value) = secret(&mut random);
        let text = match random.below(4) {
            0 => format!("{{\"a\":1,\"value\":\"{value}\",\"b\":2}}"),
            1 => format!("x=1&token={value}&y=2"),
            2 => format!("KEY={value}\nNEXT=1"),
            _ => format!("<p>{value}</p>"),
        };
        let all = found(&text);
        match all.iter().any(|hit| hit.class == class) {
            true => told += 1,
            false => missed.push(text.clone()),
        }
        wrong.extend(all.iter().filter(|hit| hit.class != class).map(|hit| format!("{hit:?} in {text}")));
        let text = other(&mut random);
        wrong.extend(
            found(&text).iter().filter(|hit| !hit.class.is_public()).map(|hit| format!("{hit:?} in {text}")),
        );
    }
    let shown = |list: &[String]| list.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
    assert!(told * 100 >= 95 * 2_000, "{told} of 2000\n{}", shown(&missed));
    assert!(wrong.len() * 100 <= 2 * told as usize, "{}\n{}", wrong.len(), shown(&wrong));
}

#[test]
fn checksums_are_told() {
    // Thirty characters and their CRC-32 in base 62.
    let random = "abcdefghijklmnopqrstuvwxyzABCD";
    let mut sum = crc32fast::hash(random.as_bytes());
    let mut tail = [b'0'; 6];
    for place in tail.iter_mut().rev() {
        *place = ALNUM.as_bytes()[(sum % 62) as usize];
        sum /= 62;
    }
    let token = format!("ghp_{random}{}", std::str::from_utf8(&tail).unwrap());
    assert!(found(&token)[0].is_checked);
    assert!(!found(&token.replace("abc", "abd"))[0].is_checked);
}

#[test]
fn names_say_what_is_secret() {
    for (name, value, told) in [
        ("client_secret", "8f14e45fceea167a5a36dedd4bea2543", true),
        ("stripeSecretKey", "kq8sn3js92hfDK38dnw2", true),
        ("db_password", "hunter2hunter3", true),
        ("client_secret", "********", false),
        ("secret_key", "${SECRET_KEY}", false),
        ("secretKeyRef", "my-secret", false),
        ("password", "x", false),
        ("etag", "8f14e45fceea167a5a36dedd4bea2543", false),
        ("public_key", "8f14e45fceea167a5a36dedd4bea2543", false),
    ] {
        assert_eq!(
            is_secret_name(name.as_bytes()) && is_secret_value(value.as_bytes()),
            told,
            "{name}={value}"
        );
    }
}

#[test]
fn parameters_of_addresses() {
    let key = "8f14e45fceea167a5a36dedd4bea2543";
    for (path, name, value, told) in [
        ("/api/items", "api_key", key, true),
        ("/api/items", "access_token", "ya29.a0AfH6SMBx0123456789abcdef", true),
        ("/login", "password", "hunter2", true),
        ("/x;y", "PHPSESSID", "r2t5uvjq435r4q7ib3vtdjq120", true),
        ("/password/reset", "token", key, false),
        ("/account/verify-email", "token", key, false),
        ("/newsletter/unsubscribe", "token", key, false),
        ("/search", "token", "hello", false),
        ("/list", "page_token", key, false),
        ("/oauth/callback", "code", key, false),
        ("/file", "X-Amz-Signature", key, false),
        ("/list", "cursor", key, false),
        ("/search", "q", key, false),
        ("/docs", "api_key", "YOUR_API_KEY", false),
    ] {
        assert_eq!(
            query_credential(path.as_bytes(), name.as_bytes(), value.as_bytes()),
            told,
            "{path}?{name}={value}"
        );
    }
}
