//! Made of public formats: numbers with right check digits in the fields and texts in which they stand, and numbers that
//! look like them and are something else. No value is anybody's.

mod random;

use std::fmt::Write as _;

use random::{digits, luhn, password_hash};

pub(crate) use random::Random;

use super::*;

const DIGITS: &str = "0123456789";

fn found(text: &str) -> Vec<(Kind, &str)> {
    let mut found = Vec::new();
    Scanner::default()
        .scan(text.as_bytes(), |item| found.push((item.kind, &text[item.at..item.at + item.length])));
    found
}

fn of(text: &str, kind: Kind) -> Vec<&str> {
    found(text).into_iter().filter(|(found, _)| *found == kind).map(|(_, text)| text).collect()
}

/// A number with a check digit that is tried out.
fn checked(random: &mut Random, start: &str, length: usize, check: impl Fn(&str) -> bool) -> String {
    loop {
        let text = format!("{start}{}", random.text(DIGITS, length - start.len()));
        if check(&text) {
            return text;
        }
    }
}

fn card(random: &mut Random) -> String {
    let (start, length) = *random.of(&[
        ("4", 16),
        ("51", 16),
        ("55", 16),
        ("2300", 16),
        ("34", 15),
        ("37", 15),
        ("6011", 16),
        ("65", 16),
        ("3530", 16),
        ("62", 16),
        ("36", 14),
    ]);
    let number = checked(random, start, length, luhn);
    let (separator, groups): (&str, &[usize]) = match (random.below(4), length) {
        (0, 16) => (" ", &[4, 4, 4, 4]),
        (1, 16) => ("-", &[4, 4, 4, 4]),
        (0, 15) => (" ", &[4, 6, 5]),
        _ => return number,
    };
    let mut rest = number.as_str();
    let parts = groups.iter().map(|length| {
        let (group, after) = rest.split_at(*length);
        rest = after;
        group
    });
    parts.collect::<Vec<_>>().join(separator)
}

fn in_context(random: &mut Random, names: &[&str], value: &str) -> String {
    let name = random.of(names);
    match random.below(6) {
        0 => format!("{{\"id\":{},\"{name}\":\"{value}\",\"x\":1}}", random.below(9_999)),
        1 => format!("{{\n  \"{name}\" : \"{value}\"\n}}"),
        2 => format!("<r><{name}>{value}</{name}></r>"),
        3 => format!("a=1&{name}={value}&b=2"),
        4 => format!("{{\"data\":[{{\"{name}\":\"{value}\"}}]}}"),
        _ => format!("{{\"text\":\"line\\n{name}: {value}\\nend\"}}"),
    }
}

fn iban(random: &mut Random) -> String {
    let (country, bank, length) = *random.of(&[
        ("DE", "", 22),
        ("FR", "", 27),
        ("GB", "WEST", 22),
        ("NL", "ABNA", 18),
        ("ES", "", 24),
        ("IT", "X", 27),
        ("NO", "", 15),
        ("MT", "MALT", 31),
        ("PL", "", 28),
        ("CH", "", 21),
    ]);
    let body = format!("{bank}{}", random.text(DIGITS, length - 4 - bank.len()));
    let rearranged = format!("{body}{country}00");
    let remainder = rearranged.bytes().fold(0_u32, |sum, byte| match byte {
        b'0'..=b'9' => (sum * 10 + u32::from(byte - b'0')) % 97,
        _ => (sum * 100 + u32::from(byte - b'A') + 10) % 97,
    });
    let compact = format!("{country}{:02}{body}", 98 - remainder);
    if random.below(2) == 0 {
        return compact;
    }
    compact
        .as_bytes()
        .chunks(4)
        .map(|chunk| std::str::from_utf8(chunk).unwrap())
        .collect::<Vec<_>>()
        .join(" ")
}

/// By formulas written down a second time.
fn national(random: &mut Random) -> (&'static [&'static str], String) {
    match random.below(8) {
        0 => (
            &["ssn", "social_security_number"],
            format!(
                "{:03}-{:02}-{:04}",
                1 + random.below(600),
                1 + random.below(99),
                1 + random.below(9_999)
            ),
        ),
        1 => {
            let body = random.text(DIGITS, 9);
            let sum = |body: &str| {
                let weighted =
                    digits(body).iter().rev().zip(2..).map(|(digit, weight)| digit * weight).sum::<u32>();
                match 11 - weighted % 11 {
                    10 | 11 => 0,
                    digit => digit,
                }
            };
            let first = format!("{body}{}", sum(&body));
            let all = format!("{first}{}", sum(&first));
            (&["cpf", "cpf_number"], format!("{}.{}.{}-{}", &all[..3], &all[3..6], &all[6..9], &all[9..]))
        }
        2 => {
            let number = random.below(99_999_999);
            let letter = "TRWAGMYFPDXBNJZSQVHLCKE".as_bytes()[usize::try_from(number % 23).unwrap()] as char;
            (&["dni", "nif"], format!("{number:08}{letter}"))
        }
        3 => {
            let body = format!(
                "{:02}{:02}{:02}{}",
                random.below(100),
                1 + random.below(12),
                1 + random.below(28),
                random.text(DIGITS, 4)
            );
            let sum: u32 = digits(&body)
                .iter()
                .zip([1, 3, 7, 9, 1, 3, 7, 9, 1, 3])
                .map(|(digit, weight)| digit * weight)
                .sum();
            (&["pesel"], format!("{body}{}", (10 - sum % 10) % 10))
        }
        _ => national_of_others(random),
    }
}

fn national_of_others(random: &mut Random) -> (&'static [&'static str], String) {
    match random.below(4) {
        0 => {
            let body = format!(
                "{:02}{:02}{:02}{}",
                random.below(100),
                1 + random.below(12),
                1 + random.below(28),
                random.text(DIGITS, 3)
            );
            let check = (0..10).find(|digit| luhn(&format!("{body}{digit}"))).unwrap();
            (&["personnummer"], format!("{}-{}{check}", &body[..6], &body[6..]))
        }
        1 => (
            &["bsn", "burgerservicenummer"],
            checked(random, "1", 9, |text| {
                let digits = digits(text);
                let sum: u32 = digits.iter().zip((2..=9).rev()).map(|(digit, weight)| digit * weight).sum();
                sum % 11 == digits[8]
            }),
        ),
        2 => (&["nir", "insee"], {
            let body =
                format!("1{:02}{:02}75{}", random.below(100), 1 + random.below(12), random.text(DIGITS, 6));
            format!("{body}{:02}", 97 - body.parse::<u64>().unwrap() % 97)
        }),
        _ => (&["codice_fiscale", "cf", "value"], {
            let body = format!(
                "{}{:02}{}{:02}{}{:03}",
                random.text("BCDFGLMNPRSTV", 6),
                random.below(100),
                random.text("ABCDEHLMPRST", 1),
                1 + random.below(28),
                random.text("ABCDEFGHI", 1),
                random.below(1_000)
            );
            const ODD: [u32; 26] = [
                1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
            ];
            let place = |byte: u8| {
                if byte.is_ascii_digit() { u32::from(byte - b'0') } else { u32::from(byte - b'A') }
            };
            let sum: u32 = body
                .bytes()
                .enumerate()
                .map(|(number, byte)| if number % 2 == 0 { ODD[place(byte) as usize] } else { place(byte) })
                .sum();
            format!("{body}{}", char::from(b'A' + u8::try_from(sum % 26).unwrap()))
        }),
    }
}

/// What has the shape of such numbers and is something else.
fn other(random: &mut Random) -> String {
    let hex = "0123456789abcdef";
    match random.below(18) {
        // An order's number, which passes Luhn.
        0 => format!("{{\"order_id\":\"{}\"}}", checked(random, "4", 16, luhn)),
        1 => {
            format!("{{\"id\":{},\"invoice_number\":{}}}", random.below(99), checked(random, "51", 16, luhn))
        }
        2 => {
            let mut list = String::from("{\"values\":[");
            (0..40).for_each(|_| write!(list, "\"4{}\",", random.text(DIGITS, 15)).unwrap());
            list + "1]}"
        }
        3 => format!("{{\"ts\":{}}}", 1_700_000_000_000_000 + random.below(99_999_999_999_999)),
        4 => format!(
            "{{\"uuid\":\"{}-{}-4{}-a{}-{}\"}}",
            random.text(hex, 8),
            random.text(hex, 4),
            random.text(hex, 3),
            random.text(hex, 3),
            random.text(DIGITS, 12)
        ),
        5 => format!("{{\"sha256\":\"{}\"}}", random.text(hex, 64)),
        6 => format!("{{\"phone\":\"+{}\"}}", random.text(DIGITS, 12)),
        7 => format!("{{\"price\":{}.{}}}", random.below(9_999), random.text(DIGITS, 14)),
        8 => format!(
            "{{\"card\":\"{}\"}}",
            random.of(&["4111111111111111", "5555 5555 5555 4444", "378282246310005", "4242-4242-4242-4242"])
        ),
        _ => further(random),
    }
}

fn further(random: &mut Random) -> String {
    match random.below(9) {
        0 => format!("{{\"isbn\":\"978{}\"}}", random.text(DIGITS, 10)),
        1 => format!("{{\"tracking_number\":\"{}\"}}", random.text(DIGITS, 15)),
        2 => format!(
            "{{\"lat\":{}.{},\"lon\":{}.{}}}",
            random.below(90),
            random.text(DIGITS, 15),
            random.below(90),
            random.text(DIGITS, 15)
        ),
        3 => format!(
            "{{\"snowflake\":\"1{}\",\"zip\":\"{}\"}}",
            random.text(DIGITS, 17),
            random.text(DIGITS, 5)
        ),
        4 => format!(
            "{{\"date\":\"2026-{:02}-{:02}T12:00:00.{}Z\",\"business\":{}}}",
            1 + random.below(12),
            1 + random.below(28),
            random.text(DIGITS, 9),
            random.text(DIGITS, 9)
        ),
        5 => format!(
            "{{\"ref\":\"DE{}\",\"code\":\"{}\"}}",
            random.text(DIGITS, 9),
            random.text("ABCDEFGHJKLMNP0123456789", 22)
        ),
        6 => format!("costs $5 and $6 or $1, see $2a and {}", random.text(DIGITS, 11)),
        7 => format!(
            "{{\"masked\":\"**** **** **** {}\",\"iban\":\"DE** **** {}\"}}",
            random.text(DIGITS, 4),
            random.text(DIGITS, 4)
        ),
        _ => format!("{{\"customer\":\"{}\",\"value\":{}}}", random.text(DIGITS, 11), random.text(DIGITS, 9)),
    }
}

/// One of each kind, in a text, and itself.
fn cases(random: &mut Random) -> [(Kind, String, String); 4] {
    let (card, iban, hash) = (card(random), iban(random), password_hash(random));
    let (names, id) = national(random);
    let cards = ["card_number", "pan", "cardNumber", "number", "cc", "credit_card", "value"];
    let accounts = ["iban", "account", "bank", "IBAN", "payment"];
    let hashes = ["password", "hash", "pw", "password_hash"];
    [
        (Kind::Card, in_context(random, &cards, &card), card),
        (Kind::Iban, in_context(random, &accounts, &iban), iban),
        (Kind::NationalId, in_context(random, names, &id), id),
        (Kind::PasswordHash, in_context(random, &hashes, &hash), hash),
    ]
}

/// Of a thousand each: at least 98 of 100 that are told are right, and 95 of 100 are told.
#[test]
fn precision_and_recall() {
    let mut random = Random::new(1);
    let (mut told, mut missed, mut wrong) = (0_u32, Vec::new(), Vec::new());
    for number in 0..1_000_u32 {
        let cases = cases(&mut random);
        for (kind, text, value) in cases {
            let all = found(&text);
            match all.iter().any(|(found, at)| *found == kind && at.contains(value.trim_end_matches('='))) {
                true => told += 1,
                false => missed.push((kind, text.clone())),
            }
            let right =
                |(found, at): &&(Kind, &str)| *found == kind && value.contains(at.trim_end_matches('='));
            wrong.extend(
                all.iter().filter(|found| !right(found)).map(|(kind, at)| (*kind, format!("{at} in {text}"))),
            );
        }
        let other = other(&mut random);
        wrong
            .extend(found(&other).into_iter().map(|(kind, at)| (kind, format!("{number}: {at} in {other}"))));
    }
    let sample = |list: &[(Kind, String)]| {
        list.iter().take(12).map(|case| format!("{case:?}")).collect::<Vec<_>>().join("\n")
    };
    let wrong_count = u32::try_from(wrong.len()).unwrap();
    assert!(told * 100 >= 95 * 4_000, "{told} of 4000\n{}", sample(&missed));
    assert!(told * 100 >= 98 * (told + wrong_count), "{wrong_count} wrong\n{}", sample(&wrong));
    for kind in [Kind::Card, Kind::Iban, Kind::NationalId, Kind::PasswordHash] {
        let of =
            |list: &[(Kind, String)]| list.iter().filter(|(of, _)| *of == kind).cloned().collect::<Vec<_>>();
        let (missed, wrong) = (of(&missed), of(&wrong));
        assert!(missed.len() <= 50, "{kind:?}: {} missed\n{}", missed.len(), sample(&missed));
        assert!(wrong.len() <= 20, "{kind:?}: {} wrong\n{}", wrong.len(), sample(&wrong));
    }
}

#[test]
fn mail_addresses() {
    assert_eq!(
        of(r#"{"a":"ann@example.org","b":"x.y+z@mail.example.co.uk."}"#, Kind::Mail),
        ["ann@example.org", "x.y+z@mail.example.co.uk"]
    );
    assert!(of("@media print {} logo@2x.png a@b user@localhost @ann", Kind::Mail).is_empty());
}

#[test]
fn a_column_of_cards_is_told_whatever_its_name_and_a_column_of_numbers_is_not() {
    let mut random = Random::new(3);
    let mut column = |right: bool| {
        let mut text = String::from("[");
        for _ in 0..30 {
            let number = if right {
                checked(&mut random, "4", 16, luhn)
            } else {
                format!("4{}", random.text(DIGITS, 15))
            };
            write!(text, "{{\"x\":\"{number}\"}},").unwrap();
        }
        text + "0]"
    };
    assert!(of(&column(true), Kind::Card).len() > 25);
    assert!(of(&column(false), Kind::Card).is_empty());
}
