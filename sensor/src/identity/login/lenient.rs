//! JSON as lenient servers read it: comments, trailing commas, single quotes, invalid numbers.

use zeroize::Zeroizing;

/// Words that JSON does not have.
const NUMBERS: [&[u8]; 3] = [b"NaN", b"-Infinity", b"Infinity"];

/// Converts to strict JSON; none if nothing needs converting, which is nearly always.
pub(super) fn strict(body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(Vec::new());
    let mut is_changed = false;
    let mut rest = body;
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            b'"' | b'\'' => {
                let (text, after) = string(*first, after);
                is_changed |= *first == b'\'';
                out.push(b'"');
                for byte in text {
                    if *first == b'\'' && *byte == b'"' {
                        out.push(b'\\');
                    }
                    out.push(*byte);
                }
                out.push(b'"');
                after
            }
            b'/' if matches!(after.first(), Some(b'*' | b'/')) => {
                is_changed = true;
                comment(after)
            }
            b',' if matches!(after.trim_ascii_start().first(), Some(b'}' | b']')) => {
                is_changed = true;
                after
            }
            _ => {
                let word = NUMBERS.iter().find(|word| rest.starts_with(word));
                is_changed |= word.is_some();
                match word {
                    Some(_) => out.extend_from_slice(b"null"),
                    None => out.push(*first),
                }
                word.map_or(after, |word| rest.get(word.len()..).unwrap_or_default())
            }
        };
    }
    is_changed.then_some(out)
}

/// A string up to its quote, or as far as it was kept, and what follows.
fn string(quote: u8, text: &[u8]) -> (&[u8], &[u8]) {
    let mut is_escaped = false;
    let end = text.iter().position(|byte| {
        let is_end = *byte == quote && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        is_end
    });
    let (text, rest) = text.split_at_checked(end.unwrap_or(text.len())).unwrap_or_default();
    (text, rest.get(1..).unwrap_or_default())
}

/// What follows a comment, whose first `/` is gone.
fn comment(text: &[u8]) -> &[u8] {
    let end = if text.starts_with(b"*") {
        memchr::memmem::find(text.get(1..).unwrap_or_default(), b"*/").map(|at| at.saturating_add(3))
    } else {
        memchr::memchr(b'\n', text)
    };
    end.and_then(|end| text.get(end..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lenient_becomes_strict() {
        for (text, expected) in [
            (r#"{"a":"//","b":1}"#, None),
            (r#"{"a":"it's, }","b":[1]}"#, None),
            ("", None),
            (r#"{/*x*/"a":1,}"#, Some(r#"{"a":1}"#)),
            ("{\"a\":1 // x\n}", Some("{\"a\":1 \n}")),
            (r#"{"a":NaN,"b":-Infinity}"#, Some(r#"{"a":null,"b":null}"#)),
            (r#"{'a':'b"c'}"#, Some(r#"{"a":"b\"c"}"#)),
            ("{/*", Some("{")),
        ] {
            let strict = strict(text.as_bytes());
            assert_eq!(strict.as_ref().map(|text| std::str::from_utf8(text).unwrap()), expected, "{text}");
        }
    }
}
