//! A reader of RFC 5424, section 6, from its grammar and not from what writes messages here.

use std::collections::BTreeMap;

/// One message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) facility: u32,
    pub(super) severity: u32,
    pub(super) timestamp: String,
    pub(super) host: String,
    pub(super) app: String,
    pub(super) process: String,
    pub(super) id: String,
    pub(super) elements: BTreeMap<String, BTreeMap<String, String>>,
    pub(super) text: String,
}

/// The message, or where it breaks the grammar.
pub(super) fn parse(message: &[u8]) -> Result<Message, String> {
    let text = std::str::from_utf8(message).map_err(|error| error.to_string())?;
    let rest = text.strip_prefix('<').ok_or("no priority")?;
    let (priority, rest) = rest.split_once('>').ok_or("no end of the priority")?;
    let priority: u32 = priority.parse().map_err(|_error| format!("priority `{priority}`"))?;
    let mut rest = rest.strip_prefix("1 ").ok_or("no version")?;
    let mut word = |longest: usize| {
        let (word, others) = rest.split_once(' ').ok_or("too few words")?;
        rest = others;
        let is_fine = (1..=longest).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_graphic());
        if is_fine { Ok(word.to_owned()) } else { Err(format!("word `{word}`")) }
    };
    let mut parsed = Message {
        facility: priority / 8,
        severity: priority % 8,
        timestamp: word(32)?,
        host: word(255)?,
        app: word(48)?,
        process: word(128)?,
        id: word(32)?,
        ..Message::default()
    };
    while let Some(after) = rest.strip_prefix('[') {
        let (id, parameters, others) = element(after)?;
        if parsed.elements.insert(id.clone(), parameters).is_some() {
            return Err(format!("two elements `{id}`"));
        }
        rest = others;
    }
    if parsed.elements.is_empty() {
        rest = rest.strip_prefix('-').ok_or("no structured data")?;
    }
    let text =
        if rest.is_empty() { rest } else { rest.strip_prefix(' ').ok_or("no space before the text")? };
    let is_marked = text.starts_with('\u{feff}');
    if !text.is_ascii() && !is_marked {
        return Err("UTF-8 without a mark".to_owned());
    }
    parsed.text = text.trim_start_matches('\u{feff}').to_owned();
    Ok(parsed)
}

fn name(text: &str) -> Result<String, String> {
    let is_fine = |c: char| c.is_ascii_graphic() && !"=]\"".contains(c);
    if (1..=32).contains(&text.len()) && text.chars().all(is_fine) {
        Ok(text.to_owned())
    } else {
        Err(format!("name `{text}`"))
    }
}

fn element(text: &str) -> Result<(String, BTreeMap<String, String>, &str), String> {
    let end = text.find([' ', ']']).ok_or("no end of the element")?;
    let (id, mut rest) = text.split_at(end);
    let mut parameters = BTreeMap::new();
    while let Some(after) = rest.strip_prefix(' ') {
        let (key, after) = after.split_once("=\"").ok_or("no value")?;
        let (value, others) = value(after)?;
        parameters.insert(name(key)?, value);
        rest = others;
    }
    Ok((name(id)?, parameters, rest.strip_prefix(']').ok_or("no end of the element")?))
}

fn value(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => value.push(characters.next().ok_or("nothing behind a backslash")?.1),
            ']' => return Err("a bracket that is not escaped".to_owned()),
            _ => value.push(c),
        }
    }
    Err("no end of the value".to_owned())
}
