//! What senders chose, made safe for the terminal that shows it.

/// The text with everything escaped that could steer a terminal, or make a reader see another order or other
/// letters than there are: control characters, line ends among them, and the invisible ones that direct text
/// (Unicode Standard Annex 9; "Trojan Source", CVE-2021-42574).
#[must_use]
pub fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_invisible(c) { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    safe
}

/// Directions, joiners, separators of lines and paragraphs, byte-order marks, tags.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_is_shown_and_not_obeyed() {
        for (text, shown) in [
            ("/caf\u{e9}/\u{65e5}\u{672c}", "/caf\u{e9}/\u{65e5}\u{672c}"),
            ("\u{1b}[2J\u{7}", r"\u{1b}[2J\u{7}"),
            ("a\r\nb\tc", r"a\r\nb\tc"),
            ("\u{9b}31m", r"\u{9b}31m"),
            ("/admin\u{202e}gpj.", r"/admin\u{202e}gpj."),
            ("pay\u{200b}pal\u{feff}", r"pay\u{200b}pal\u{feff}"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }
}
