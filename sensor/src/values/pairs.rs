//! Lists of names with values: queries, forms, cookies.

/// Splits `name=value` at the first equals sign; without one, the value is empty.
#[must_use]
pub fn name_and_value(pair: &[u8]) -> (&[u8], &[u8]) {
    let equals = memchr::memchr(b'=', pair).unwrap_or(pair.len());
    let (name, value) = pair.split_at_checked(equals).unwrap_or_default();
    (name, value.get(1..).unwrap_or_default())
}

/// The parts of a list between separators, empty ones left out.
pub(super) fn split(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    text.split(move |byte| *byte == separator).filter(|part| !part.is_empty())
}

/// Whether a text is a form: at least two pairs with plausible names.
pub(super) fn is_form(text: &[u8]) -> bool {
    if memchr::memchr(b'&', text).is_none() || text.contains(&b' ') {
        return false;
    }
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-[]%".contains(byte);
    text.split(|byte| *byte == b'&').all(|pair| {
        let (name, value) = name_and_value(pair);
        !name.is_empty() && name.len() < pair.len() && name.iter().all(is_name) && !value.contains(&b'=')
    })
}
