//! Pieces of man pages.

use clap_mangen::roff::{Inline, Roff, bold, roman};

use super::text::paragraphs;

/// A text, with backquoted parts in bold.
fn inlines(text: &str) -> Vec<Inline> {
    let parts = text.split('`').enumerate();
    parts
        .filter(|(_, part)| !part.is_empty())
        .map(|(place, part)| if place.is_multiple_of(2) { roman(part) } else { bold(part) })
        .collect()
}

/// A heading.
pub(super) fn section(page: &mut Roff, title: &str) {
    page.control("SH", [title]);
}

/// Paragraphs of text.
pub(super) fn text(page: &mut Roff, text: &str) {
    for paragraph in paragraphs(text) {
        page.control("PP", []);
        page.text(inlines(&paragraph));
    }
}

/// A term and what it means.
pub(super) fn term(page: &mut Roff, term: &str, meaning: &str) {
    page.control("TP", []);
    page.text([bold(term)]);
    for (place, paragraph) in paragraphs(meaning).enumerate() {
        if place > 0 {
            page.control("IP", []);
        }
        page.text(inlines(&paragraph));
    }
}

/// Preformatted lines.
pub(super) fn literal(page: &mut Roff, lines: &str) {
    page.control("PP", []);
    page.control("EX", []);
    for line in lines.lines() {
        page.text([roman(line)]);
    }
    page.control("EE", []);
}
