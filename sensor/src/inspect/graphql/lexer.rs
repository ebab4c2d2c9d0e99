//! Tokens of GraphQL documents (section 2.1 of the specification of October 2021).

/// A token. Text stands as written, with its quotes and escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'t> {
    /// A name.
    Name(&'t str),
    /// A string or a block string, without its quotes.
    Text(&'t str),
    /// An integer or a float.
    Number(&'t str),
    /// `...`
    Spread,
    /// One of `! $ & ( ) : = @ [ ] { | }`.
    Mark(u8),
}

/// Input that is not a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoToken;

/// Reads tokens one by one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lexer<'t> {
    rest: &'t str,
}

impl<'t> Lexer<'t> {
    /// For a document.
    pub(crate) fn new(text: &'t str) -> Self {
        Self { rest: text.strip_prefix('\u{feff}').unwrap_or(text) }
    }

    /// The next token; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Token<'t>>, NoToken> {
        self.skip_ignored();
        let Some(first) = self.rest.bytes().next() else { return Ok(None) };
        let token = match first {
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => Token::Name(self.take(name_length(self.rest))?),
            b'-' | b'0'..=b'9' => Token::Number(self.take(number_length(self.rest))?),
            b'"' => Token::Text(self.text()?),
            b'.' => {
                self.rest = self.rest.strip_prefix("...").ok_or(NoToken)?;
                Token::Spread
            }
            b'!' | b'$' | b'&' | b'(' | b')' | b':' | b'=' | b'@' | b'[' | b']' | b'{' | b'|' | b'}' => {
                self.take(1)?;
                Token::Mark(first)
            }
            _ => return Err(NoToken),
        };
        Ok(Some(token))
    }

    /// White space, line ends, commas, comments.
    fn skip_ignored(&mut self) {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r', ',', '\u{feff}']);
            if !self.rest.starts_with('#') {
                return;
            }
            let end = memchr::memchr2(b'\n', b'\r', self.rest.as_bytes()).unwrap_or(self.rest.len());
            self.rest = self.rest.get(end..).unwrap_or_default();
        }
    }

    fn take(&mut self, length: usize) -> Result<&'t str, NoToken> {
        let (token, rest) = self.rest.split_at_checked(length).ok_or(NoToken)?;
        self.rest = rest;
        Ok(token)
    }

    fn text(&mut self) -> Result<&'t str, NoToken> {
        if let Some(block) = self.rest.strip_prefix("\"\"\"") {
            let mut from = 0_usize;
            loop {
                let end = block.get(from..).and_then(|rest| rest.find("\"\"\"")).ok_or(NoToken)?;
                let end = from.saturating_add(end);
                let before = block.get(..end).ok_or(NoToken)?;
                // `\"""` is the only escape of a block string; a backslash before it is none.
                if before.ends_with('\\') {
                    from = end.saturating_add(3);
                    continue;
                }
                self.rest = block.get(end.saturating_add(3)..).ok_or(NoToken)?;
                return Ok(before);
            }
        }
        let text = self.rest.get(1..).ok_or(NoToken)?;
        let mut from = 0_usize;
        loop {
            let rest = text.as_bytes().get(from..).ok_or(NoToken)?;
            let end = memchr::memchr3(b'"', b'\\', b'\n', rest).ok_or(NoToken)?;
            let at = from.saturating_add(end);
            match text.as_bytes().get(at) {
                Some(b'"') => {
                    self.rest = text.get(at.saturating_add(1)..).ok_or(NoToken)?;
                    return text.get(..at).ok_or(NoToken);
                }
                Some(b'\\') => from = at.saturating_add(2),
                _ => return Err(NoToken),
            }
        }
    }
}

fn name_length(text: &str) -> usize {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    text.as_bytes().iter().take_while(|byte| is_name(byte)).count()
}

fn number_length(text: &str) -> usize {
    let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
    text.as_bytes().iter().take_while(|byte| is_part(byte)).count()
}
