//! Source text as tokens: unlike a syntax tree they reach into macros, and unlike a text search they know
//! comments and strings.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A token, without its nesting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// An identifier, a punctuation character or a bracket; literals are `"`.
    pub(super) text: String,
    /// Its line, counted from 1.
    pub(super) line: usize,
}

/// The tokens of `text`, or none if it is not Rust: the functions rule reports that.
pub(super) fn flatten(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    if let Ok(stream) = text.parse::<TokenStream>() {
        push_all(stream, &mut tokens);
    }
    tokens
}

fn push_all(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Ident(ident) => push(tokens, &ident.to_string(), line),
            TokenTree::Punct(punct) => push(tokens, &punct.as_char().to_string(), line),
            TokenTree::Literal(_) => push(tokens, "\"", line),
            TokenTree::Group(group) => {
                let (open, close) = brackets(group.delimiter());
                push(tokens, open, line);
                push_all(group.stream(), tokens);
                push(tokens, close, group.span_close().end().line);
            }
        }
    }
}

fn push(tokens: &mut Vec<Token>, text: &str, line: usize) {
    tokens.push(Token { text: text.to_owned(), line });
}

fn brackets(delimiter: Delimiter) -> (&'static str, &'static str) {
    match delimiter {
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::Parenthesis | Delimiter::None => ("(", ")"),
    }
}

/// True when `tokens` starts with the path `first::second`.
pub(super) fn starts_with_path(tokens: &[Token], first: &str, second: &str) -> bool {
    let mut texts = tokens.iter().map(|token| token.text.as_str());
    [first, ":", ":", second].into_iter().all(|expected| texts.next() == Some(expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_not_code_and_macros_are() {
        let tokens = flatten("// unsafe\nlet a = \"unsafe\";\nprintln!(\"{}\", b::c());");
        assert!(tokens.iter().all(|token| token.text != "unsafe"));
        let b = tokens.iter().position(|token| token.text == "b").unwrap();
        assert!(starts_with_path(&tokens[b..], "b", "c"));
        assert_eq!(tokens[b].line, 3);
    }
}
