//! Plain text in lines, and Markdown.

/// Paragraphs, each on one line.
pub(super) fn paragraphs(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split("\n\n").map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Broken into lines of at most so many characters, each with a prefix; words stay whole.
pub(super) fn wrapped(text: &str, prefix: &str, width: usize) -> String {
    let mut out = String::new();
    for paragraph in paragraphs(text) {
        let mut line = prefix.to_owned();
        for word in paragraph.split(' ') {
            let length = line.chars().count().saturating_add(word.chars().count());
            if line.len() > prefix.len() && length >= width {
                out.push_str(line.trim_end());
                out.push('\n');
                line = prefix.to_owned();
            }
            line.push_str(word);
            line.push(' ');
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// The first line of generated Markdown.
pub(super) const HEADER: &str = "<!-- Made by `sensor generate reference`; do not edit. -->\n\n";

/// A table. Cells are Markdown but for `|` and line breaks.
pub(super) fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: Vec<String>| {
        let cells: Vec<String> = cells
            .iter()
            .map(|cell| paragraphs(cell).collect::<Vec<_>>().join("<br>").replace('|', "\\|"))
            .collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let mut out = line(head.iter().map(|cell| (*cell).to_owned()).collect());
    out.push_str(&line(vec!["---".to_owned(); head.len()]));
    out.extend(rows.map(line));
    out
}

/// As code.
pub(super) fn code(text: &str) -> String {
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_words() {
        assert_eq!(wrapped("one two\nthree\n\nfour", "# ", 10), "# one two\n# three\n# four\n");
        assert_eq!(wrapped("unbreakable-word x", "# ", 6), "# unbreakable-word\n# x\n");
    }

    #[test]
    fn cells_do_not_break_tables() {
        let rows = [vec!["a|b".to_owned(), "c\nd\n\ne".to_owned()]];
        assert_eq!(table(&["x", "y"], rows.into_iter()), "| x | y |\n| --- | --- |\n| a\\|b | c d<br>e |\n");
    }
}
