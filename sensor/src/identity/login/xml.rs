//! XML: SOAP and the like, and WordPress' XML-RPC.

use super::field::{Field, Secret};
use super::fields::{Fields, Role};
use super::place::Purpose;

/// Elements that are read. A multicall of XML-RPC may try hundreds of passwords; the first is told.
const MAX_ELEMENTS: usize = 512;

/// Methods of XML-RPC that take a user and a password, and how many parameters come before. The blog's number
/// or the application's key comes first in most.
const METHODS: [(&[u8], usize); 4] =
    [(b"wp.getUsersBlogs", 0), (b"wp.", 1), (b"metaWeblog.", 1), (b"blogger.getUsersBlogs", 1)];

/// Each element that holds nothing but text is a field.
pub(super) fn read(body: &[u8], fields: &mut Fields<'_>) {
    let mut call: Option<usize> = None;
    let mut values = 0_usize;
    for (name, text) in elements(body).take(MAX_ELEMENTS) {
        match call {
            Some(before) if matches!(name, b"string" | b"value" | b"int" | b"i4") => {
                values = values.saturating_add(1);
                match values.checked_sub(before.saturating_add(1)) {
                    Some(0) => fields.put(Role::Guessed(Field::User(0)), b"", text, 0),
                    Some(1) => fields.put(Role::Guessed(Field::Secret(Secret::Password)), b"", text, 0),
                    Some(_) => return,
                    None => {}
                }
            }
            Some(_) => {}
            None => match method(text) {
                Some(before) if matches!(name, b"methodName" | b"string" | b"value") => {
                    call = Some(before);
                    fields.put_operation(Purpose::Login);
                }
                Some(_) | None => {
                    if let Some(role) = fields.role(name) {
                        fields.put(role, name, text, 0);
                    }
                }
            },
        }
    }
}

fn method(text: &[u8]) -> Option<usize> {
    METHODS.iter().find(|(method, _)| text.starts_with(method)).map(|(_, before)| *before)
}

/// Local names of the start tags that text follows, with that text.
fn elements(body: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    body.split(|byte| *byte == b'<').skip(1).filter_map(|tag| {
        let end = memchr::memchr(b'>', tag)?;
        let (tag, text) = tag.split_at_checked(end)?;
        let text = text.get(1..)?.trim_ascii();
        let name = tag.split(u8::is_ascii_whitespace).next()?;
        let name = name.rsplit(|byte| *byte == b':').next()?;
        (!text.is_empty() && !tag.starts_with(b"/") && !tag.ends_with(b"/")).then_some((name, text))
    })
}
