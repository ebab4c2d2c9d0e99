use proptest::prelude::*;
use ring::digest::{SHA256, digest};

use super::*;
use crate::values::Wraps;

fn value(text: &str) -> Value<'_> {
    let (place, wraps) = (Place::Query, Wraps::default());
    Value { place, name: b"q", text: text.as_bytes(), is_name: false, is_scalar: false, wraps }
}

fn classes(text: &str) -> Vec<&'static str> {
    let rules = Injection::with(Model::silent()).verdict(&value(text)).rules;
    rules.into_iter().map(|(_, class)| class.label()).collect()
}

#[test]
fn weights_and_lexicon_are_those_that_were_trained() {
    let recorded = include_str!("corpora.sha256");
    let hash = |bytes: &[u8]| -> String {
        digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    };
    for (name, bytes) in [("lexicon.txt", LEXICON.as_bytes()), ("weights.bin", include_bytes!("weights.bin"))]
    {
        let line = format!("{}  {name}", hash(bytes));
        assert!(
            recorded.lines().any(|known| known == line),
            "{name} is not what `cargo xtask train-injection` wrote"
        );
    }
    assert!(Model::parse(include_bytes!("weights.bin")).is_some(), "the format of the weights");
    assert!(Model::parse(b"SNSRINJ1").is_none() && Model::parse(&[0; 100]).is_none());
}

#[test]
fn each_class_is_told() {
    for (class, text) in [
        ("sqli", "-1 union/**/all select 1,2,3"),
        ("sqli", "x' and 1=1--"),
        ("sqli", "1;waitfor delay '0:0:5'"),
        ("nosql", "{\"$where\":\"this.a==1\"}"),
        ("command", "8.8.8.8; cat /etc/hostname"),
        ("command", "$(id)"),
        ("command", "||echo x||"),
        ("traversal", "../../../etc/passwd"),
        ("traversal", "%252e%252e%252f%252e%252e%252fetc%252fpasswd"),
        ("traversal", "..%%32%%66..%%32%%66etc%%32%%66passwd"),
        ("traversal", "..%c0%af..%c0%afboot.ini"),
        ("xss", "<script>alert(1)</script>"),
        ("xss", "\" onmouseover=alert(1) x=\""),
        ("xss", "\u{ff1c}img src=x onerror=alert(1)\u{ff1e}"),
        ("xss", "java&#x09;script:alert(1)"),
        ("ssrf", "http://169.254.169.254/latest/meta-data/"),
        ("ssrf", "gopher://127.0.0.1:6379/_x"),
        ("template", "{{7*7}}"),
        ("template", "${7*7}"),
        ("code", "<?php system($_GET['x']); ?>"),
        ("code", "__import__('os').system('id')"),
        ("ldap", "*)(uid=*))(|(uid=*"),
        ("xpath", "x' or name()='username' or 'x'='y"),
        ("xxe", "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///c\">]>"),
        ("log4shell", "${jndi:ldap://h/a}"),
        ("log4shell", "${${lower:j}ndi:${lower:l}dap://h/a}"),
        ("shellshock", "() { :;}; /bin/id"),
        ("crlf", "x\r\nSet-Cookie: a=b"),
        ("deserialisation", "O:8:\"stdClass\":0:{}"),
        ("deserialisation", "rO0ABXNyABFqYXZhLnV0aWwuSGFzaE1hcA"),
        ("ssi", "<!--#exec cmd=\"id\"-->"),
    ] {
        assert!(classes(text).contains(&class), "{text}: {:?}", classes(text));
    }
}

/// With the weights: neither judge takes the name of an upload for an attack on a server's files, which are told as before.
#[test]
fn names_of_documents_are_no_servers_files() {
    let told = |text: &str| {
        let mut hits = Vec::new();
        let mut injection = Injection::new();
        injection.begin();
        injection.value(&value(text), &mut |hit| hits.push(hit.rule));
        hits
    };
    for text in [
        r"C:\fakepath\photo.png",
        r"C:\Users\Ada\Documents\report.docx",
        r"C:\Projects\notes.txt was attached",
        r"\\server\share\folder\file.pdf",
    ] {
        assert!(told(text).is_empty(), "{text}: {:?}", told(text));
    }
    for text in [
        r"C:\Windows\System32\drivers\etc\hosts",
        r"C:\boot.ini",
        r"C:\inetpub\wwwroot\notes.txt",
        r"C:\Users\Administrator\NTUser.dat",
        r"C:\..\..\x.txt",
        r"..\..\..\x.txt",
    ] {
        assert!(!told(text).is_empty(), "{text}");
    }
}

#[test]
fn what_people_and_programs_write_trips_no_construct() {
    let none: [&str; 0] = [];
    for text in [
        "O'Brien and sons",
        "Please select the items from the list and update your order.",
        "It's a dog's life -- or is it?",
        "Rock 'n' Roll & more; see page 4",
        "C:\\Projects\\notes.txt was attached",
        "The union was a great select committee",
        "https://example.com/tan?usp=4#8",
        "<p>Hello <b>world</b>, see <a href=\"https://example.com/\">here</a>.</p>",
        "<ul><li>one</li><li>two</li></ul>",
        "# Heading\n\n* item one\n* item `two`\n\n> quote -- Author",
        "{\"page\":1,\"filters\":[\"price>10\",\"size=M\"]}",
        "id,name,price\n1,\"Chair, red\",20.00",
        "2026-01-02T03:04:05.678+02:00",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "price:[10 TO 20] AND (brand:\"Acme\" OR brand:\"Other\")",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "Etc/UTC",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ",
        "1|type|2|date|3|sort|4",
        "a=1&sort=date&type=list",
        "Tom &amp; Jerry; more",
        "50% off! #sale",
    ] {
        assert_eq!(classes(text), none, "{text}");
    }
}

#[test]
fn normal_forms_are_what_readers_agree_on() {
    for (text, expected) in [
        ("%2527%20OR", "' or"),
        ("%u0027", "'"),
        ("&lt;SCRIPT&#62;", "<script>"),
        ("\\u003cb\\x3e", "<b>"),
        ("uni/**/on  se\tlect", "uni on se lect"),
        ("/*!50000select*/ 1", " select*/ 1"),
        ("\u{ff1c}\u{2019}", "<'"),
        ("a\0b", "ab"),
        ("%c0%ae%c0%ae/", "../"),
        ("0x2e0x2e0x2f", "../"),
        ("+ADw-b", "<b"),
        ("a\r\nLocation: x", "a \u{1e} location: x"),
        ("a\r\nplain", "a plain"),
    ] {
        let mut normaliser = Normaliser::default();
        let (normal, _) = normaliser.normalise(text.as_bytes());
        assert_eq!(String::from_utf8_lossy(normal), expected, "{text}");
    }
}

#[test]
fn an_attack_behind_padding_is_seen() {
    let padded = format!("{}' union select 1,2 from users--", "A ".repeat(40_000));
    assert!(classes(&padded).contains(&"sqli"));
}

#[test]
fn harmless_values_are_remembered_and_attacks_told_again() {
    let mut injection = Injection::with(Model::silent());
    let mut count = |text: &str| {
        injection.begin();
        let mut told = 0;
        injection.value(&value(text), &mut |_| told += 1);
        (told, injection.analysed() > 0)
    };
    assert_eq!(count("(harmless; really)"), (0, true));
    assert_eq!(count("(harmless; really)"), (0, false));
    assert!(count("' or 1=1--").0 > 0 && count("' or 1=1--").0 > 0);
}

proptest! {
    #[test]
    fn any_bytes_have_a_normal_form_and_a_verdict(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut injection = Injection::new();
        let value = Value { text: &data, ..value("") };
        let verdict = injection.verdict(&value);
        prop_assert!(verdict.score.is_none_or(f32::is_finite));
        let mut normaliser = Normaliser::default();
        let (normal, _) = normaliser.normalise(&data);
        let is_folded = |byte: &u8| !byte.is_ascii_uppercase() && (*byte >= b' ' || *byte == normalise::LINE_BREAK);
        prop_assert!(normal.iter().all(is_folded), "{:?}", String::from_utf8_lossy(normal));
    }

    #[test]
    fn encoding_hides_nothing(rounds in 1_usize..=2, at in 0_usize..3) {
        let attacks = ["' union select 1,2--", "../../etc/passwd", "<script>alert(1)</script>"];
        let mut text = attacks[at].to_owned();
        for _ in 0..rounds {
            text = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        }
        prop_assert!(!classes(&text).is_empty(), "{text}");
    }
}
