//! Prefixes of JSON that keep pages of other sites from running it as a script.

/// Longest name of a JSONP function.
const MAX_NAME: usize = 64;

/// The document without such a prefix.
pub(super) fn without_guard(body: &[u8]) -> &[u8] {
    let start = body.trim_ascii_start();
    let guards: [&[u8]; 8] = [
        b")]}'",
        b"while(1);",
        b"while (1);",
        b"for(;;);",
        b"for (;;);",
        b"{}&&",
        b"/*-secure-",
        b"throw 1;",
    ];
    let found = guards.iter().find_map(|guard| start.strip_prefix(*guard));
    if let Some(rest) = found {
        // `throw 1; <dont be evil>`.
        let rest = rest.trim_ascii_start();
        let rest = rest
            .strip_prefix(b"<dont be evil>")
            .or_else(|| rest.strip_prefix(b"< don't be evil' >"))
            .unwrap_or(rest);
        let rest = rest.trim_ascii_start();
        return rest.strip_prefix(b",").unwrap_or(rest).trim_ascii_start();
    }
    argument(start).unwrap_or(body)
}

/// The argument of a call, as in `callback({"ok":false});`.
fn argument(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_prefix(b"/**/").unwrap_or(text);
    let open = text.get(..MAX_NAME).unwrap_or(text).iter().position(|byte| *byte == b'(')?;
    let (name, rest) = text.split_at_checked(open)?;
    let name = name.trim_ascii();
    let is_name = !name.is_empty()
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$' | b' ' | b'='));
    let rest = rest.get(1..)?.trim_ascii_start();
    (is_name && matches!(rest.first(), Some(b'{' | b'['))).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_are_taken_away() {
        for (body, rest) in [
            (")]}',\n{\"a\":1}", "{\"a\":1}"),
            ("while(1);[1]", "[1]"),
            ("for (;;);{}", "{}"),
            ("{}&& {\"a\":1}", "{\"a\":1}"),
            ("/*-secure-\n{\"a\":1}*/", "{\"a\":1}*/"),
            ("throw 1; <dont be evil> {\"a\":1}", "{\"a\":1}"),
            ("callback({\"a\":1});", "{\"a\":1});"),
            ("/**/ jQuery_1.cb([1])", "[1])"),
            ("Welcome (again)", "Welcome (again)"),
            ("{\"a\":1}", "{\"a\":1}"),
            ("", ""),
        ] {
            assert_eq!(std::str::from_utf8(without_guard(body.as_bytes())).unwrap(), rest, "{body}");
        }
    }
}
