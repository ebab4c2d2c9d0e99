//! XML: SOAP and the like, and XML-RPC.

use super::field::{Field, Secret};
use super::fields::{Fields, Part, Position, Role};
use super::place::{self, Purpose};
use super::words::Words;
pub(super) use crate::values::{attributes, elements};

/// Maximum elements read: more than the kept part of a body has. An XML-RPC multicall may try hundreds of passwords.
const MAX_ELEMENTS: usize = 16_384;

/// Methods of XML-RPC that take a user and a password, and how many parameters come before. The blog's number
/// or the application's key comes first in most.
const METHODS: [(&[u8], usize); 4] =
    [(b"wp.getUsersBlogs", 0), (b"wp.", 1), (b"metaWeblog.", 1), (b"blogger.getUsersBlogs", 1)];

/// Maximum positional values of a call kept.
const MAX_POSITIONS: usize = 16;

/// Fields are elements that contain only text, attributes, and members of structures. Each call is a possible attempt, and
/// so is each pair of fields.
pub(super) fn read(body: &[u8], fields: &mut Fields<'_>) {
    // Parameters that come before the user, and parameters so far.
    let mut call: Option<(usize, usize)> = None;
    let mut outer = fields.open();
    let mut label = None;
    let mut positions: Option<Vec<Position>> = None;
    for (name, text) in elements(body).take(MAX_ELEMENTS) {
        let is_value = matches!(name, b"string" | b"value" | b"int" | b"i4");
        if name == b"name" {
            label = fields.role(text).filter(|role| role.is_user() || role.is_secret());
        } else if is_value && let Some(role) = label.take() {
            fields.put(role, name, text, 0);
            continue;
        }
        if is_value
            && let Some(positions) = &mut positions
            && positions.len() < MAX_POSITIONS
        {
            positions.push(fields.position(&String::from_utf8_lossy(text)));
        }
        match &mut call {
            Some((before, values)) if is_value => {
                *values = values.saturating_add(1);
                match values.checked_sub(before.saturating_add(1)) {
                    Some(0) => fields.put(Role::Guessed(Field::User(0)), b"", text, 0),
                    Some(1) => {
                        fields.put(Role::Guessed(Field::Secret(Secret::Password)), b"", text, 0);
                        call = None;
                    }
                    Some(_) | None => {}
                }
            }
            Some(_) => {}
            None => {
                if let Some(before) = method(text).filter(|_| is_value || name == b"methodName") {
                    fields.close(outer, Part::default());
                    outer = fields.open();
                    call = Some((before, 0));
                    fields.put_operation(Purpose::Login);
                } else if name == b"methodName" && is_login(text) {
                    fields.put_operation(Purpose::Login);
                    positions = Some(Vec::new());
                } else if let Some(role) = fields.role(name) {
                    if role.is_user() && fields.unit.has_secret() {
                        fields.close(outer, Part::default());
                        outer = fields.open();
                    }
                    fields.put(role, name, text, 0);
                }
            }
        }
    }
    rest(body, &positions.unwrap_or_default(), fields);
    fields.close(outer, Part::default());
}

/// Attributes, and positional values.
fn rest(body: &[u8], positions: &[Position], fields: &mut Fields<'_>) {
    for (name, text) in attributes(body).take(MAX_ELEMENTS) {
        if let Some(role) = fields.role(name).filter(|role| role.is_user() || role.is_secret()) {
            fields.put(role, name, text, 1);
        }
    }
    fields.put_positions(positions);
}

/// Whether a method of any other program logs in by its name.
fn is_login(method: &[u8]) -> bool {
    Words::of(method).and_then(|words| place::purpose(&words)) == Some(Purpose::Login)
}

fn method(text: &[u8]) -> Option<usize> {
    METHODS.iter().find(|(method, _)| text.starts_with(method)).map(|(_, before)| *before)
}

/// Which calls of a multicall failed, in order, as far as the response was kept; none for other responses. The result of a
/// call is an array, or a structure with the fault (`system.multicall`, Userland Software, 2001).
pub(super) fn faults(body: &[u8]) -> Vec<bool> {
    let mut faults = Vec::new();
    let (mut depth, mut is_fault) = (0_usize, false);
    for tag in body.split(|byte| *byte == b'<').skip(1).take(MAX_ELEMENTS) {
        let (name, text) =
            tag.split_at_checked(memchr::memchr(b'>', tag).unwrap_or(tag.len())).unwrap_or_default();
        match name {
            b"value" => {
                depth = depth.saturating_add(1);
                is_fault &= depth != ENTRY;
            }
            b"/value" => {
                if depth == ENTRY {
                    faults.push(is_fault);
                }
                depth = depth.saturating_sub(1);
            }
            b"name" => is_fault |= depth == ENTRY && text == b">faultCode",
            _ => {}
        }
    }
    faults
}

/// Nesting depth of values at which the result of one call is: in the array of all results.
const ENTRY: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_come_in_the_order_of_their_calls() {
        let fault = "<value><struct><member><name>faultCode</name><value><int>403</int></value></member></struct></value>";
        let result = "<value><array><data><value><array><data><value><struct><member><name>faultCode</name>\
                      <value>1</value></member></struct></value></data></array></value></data></array></value>";
        let answer = |entries: &[&str]| {
            let body = format!(
                "<methodResponse><params><param><value><array><data>{}</data></array></value></param></params>",
                entries.concat()
            );
            faults(body.as_bytes())
        };
        assert_eq!(answer(&[fault, result, fault]), [true, false, true]);
        let cut = format!("<methodResponse><params><param><value><array><data>{fault}{}", &fault[..40]);
        assert_eq!(faults(cut.as_bytes()), [true], "what was cut is not known");
        assert_eq!(faults(b"<methodResponse><fault><value>403</value></fault>"), [false; 0]);
    }
}
