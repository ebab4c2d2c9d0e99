//! Random numbers, and the check of those of cards.

pub(crate) use crate::random::Random;

/// Written a second time, to compare.
pub(super) fn luhn(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).map(|byte| u32::from(byte - b'0'));
    let sum: u32 = digits
        .rev()
        .enumerate()
        .map(|(place, digit)| match place % 2 {
            0 => digit,
            _ => digit * 2 / 10 + digit * 2 % 10,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Those of a text.
pub(super) fn digits(text: &str) -> Vec<u32> {
    text.bytes().map(|byte| u32::from(byte.wrapping_sub(b'0'))).collect()
}

/// In a form that programs store.
pub(super) fn password_hash(random: &mut Random) -> String {
    const CRYPT: &str = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    match random.below(6) {
        0 => format!("$2{}$1{}${}", random.of(&["a", "b", "y"]), random.below(5), random.text(CRYPT, 53)),
        1 => format!(
            "$argon2id$v=19$m=65536,t=3,p=4${}${}",
            random.text(CRYPT, 22).replace('.', "A"),
            random.text(CRYPT, 43).replace('.', "B")
        ),
        2 => format!("$6${}${}", random.text(CRYPT, 16), random.text(CRYPT, 86)),
        3 => format!("$1${}${}", random.text(CRYPT, 8), random.text(CRYPT, 22)),
        4 => format!(
            "pbkdf2_sha256$600000${}${}=",
            random.text(CRYPT, 12).replace('.', "a"),
            random.text(CRYPT, 43).replace('.', "b")
        ),
        _ => format!(
            "scrypt:32768:8:1${}${}",
            random.text(CRYPT, 16).replace('.', "a"),
            random.text("0123456789abcdef", 128)
        ),
    }
}
