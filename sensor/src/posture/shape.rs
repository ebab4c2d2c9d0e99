//! The shape of what clients send and servers answer: names, types and formats, never a value.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::read::Reader;

/// Deepest member that is told apart.
pub(super) const MAX_DEPTH: u8 = 12;
/// Members of an object that are told apart; one with more is a map.
pub(super) const MAX_MEMBERS: usize = 64;
/// Members seen in few of the objects each, from which on an object is a map, if they are as many as this.
const MAP_MEMBERS: usize = 24;

/// Types of JSON, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Types(u8);

impl Types {
    pub(super) const NULL: Self = Self(1);
    pub(super) const BOOLEAN: Self = Self(2);
    pub(super) const INTEGER: Self = Self(4);
    pub(super) const NUMBER: Self = Self(8);
    pub(super) const STRING: Self = Self(16);
    pub(super) const ARRAY: Self = Self(32);
    pub(super) const OBJECT: Self = Self(64);

    pub(super) const fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(super) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The words of JSON Schema; every integer is a number.
    pub(super) fn labels(self) -> Vec<&'static str> {
        let all = [
            (Self::ARRAY, "array"),
            (Self::BOOLEAN, "boolean"),
            (Self::INTEGER, "integer"),
            (Self::NUMBER, "number"),
            (Self::OBJECT, "object"),
            (Self::STRING, "string"),
            (Self::NULL, "null"),
        ];
        let is_told = |types: Self| self.has(types) && !(types == Self::INTEGER && self.has(Self::NUMBER));
        all.into_iter().filter(|(types, _)| is_told(*types)).map(|(_, label)| label).collect()
    }
}

/// Formats of strings, as bits; the names are those of JSON Schema (draft 2020-12, validation, section 7.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Formats(u16);

impl Formats {
    const OTHER: u16 = 1 << 15;
    const NAMES: [&'static str; 8] = ["uuid", "date-time", "date", "time", "email", "uri", "ipv4", "ipv6"];

    fn of(text: &str) -> Self {
        let place = Self::NAMES.iter().position(|name| is_format(name, text));
        Self(place.and_then(|place| 1_u16.checked_shl(u32::try_from(place).ok()?)).unwrap_or(Self::OTHER))
    }

    /// The one that all strings had.
    pub(super) fn only(self) -> Option<&'static str> {
        let place = usize::try_from(self.0.trailing_zeros()).ok()?;
        (self.0.count_ones() == 1).then(|| Self::NAMES.get(place).copied())?
    }
}

fn is_format(name: &str, text: &str) -> bool {
    let bytes = text.as_bytes();
    let like = |pattern: &str| {
        bytes.len() == pattern.len()
            && bytes.iter().zip(pattern.bytes()).all(|(byte, wanted)| match wanted {
                b'0' => byte.is_ascii_digit(),
                b'x' => byte.is_ascii_hexdigit(),
                _ => *byte == wanted,
            })
    };
    let is_date = |text: &str| {
        let mut parts = text.split('-').map(|part| part.parse::<u8>().ok());
        let month = parts.nth(1).flatten().unwrap_or(0);
        (1..=12).contains(&month) && (1..=31).contains(&parts.next().flatten().unwrap_or(0))
    };
    match name {
        "uuid" => like("xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"),
        "date" => like("0000-00-00") && is_date(text),
        "date-time" => {
            let (Some(date), Some(rest)) = (text.get(..10), text.get(10..)) else { return false };
            is_format("date", date) && rest.starts_with(['T', 't']) && humantime::parse_rfc3339(text).is_ok()
                || is_format("date", date) && rest.starts_with('T') && has_offset(rest)
        }
        "time" => like("00:00:00Z"),
        "email" => {
            let Some((local, domain)) = text.split_once('@') else { return false };
            text.len() <= 254
                && !local.is_empty()
                && !domain.contains('@')
                && domain.trim_matches('.').contains('.')
                && !text.bytes().any(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control())
        }
        "uri" => {
            let Some((scheme, rest)) = text.split_once("://") else { return false };
            matches!(scheme, "http" | "https" | "ftp" | "ws" | "wss" | "s3")
                && !rest.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_graphic())
        }
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.contains(':') && text.parse::<Ipv6Addr>().is_ok(),
        _ => false,
    }
}

/// `T10:30:00+02:00`, with or without a fraction.
fn has_offset(rest: &str) -> bool {
    let bytes = rest.as_bytes();
    let sign = bytes.len().saturating_sub(6);
    rest.len() >= 15
        && matches!(bytes.get(sign), Some(b'+' | b'-'))
        && bytes.iter().skip(1).all(|byte| byte.is_ascii_digit() || b":.+-".contains(byte))
}

/// A value, wherever it was seen, and what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shape {
    /// How often.
    pub(super) seen: u32,
    pub(super) types: Types,
    #[serde(default, skip_serializing_if = "is_none")]
    pub(super) formats: Formats,
    /// How often as an object that was seen whole.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) objects: u32,
    /// Of objects, in the order in which they came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) members: Vec<(Box<str>, Self)>,
    /// Entries of arrays; and of objects that are maps, whose names are as many as things.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) items: Option<Box<Self>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_map: bool,
}

fn is_none(formats: &Formats) -> bool {
    formats.0 == 0
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Shape {
    pub(super) fn is_empty(&self) -> bool {
        self.seen == 0
    }

    /// Takes a document in JSON, as far as it goes; how it ended. `room` is how many more shapes may be made.
    pub(super) fn json(&mut self, text: &[u8], room: &mut usize) -> Read {
        let mut longest = 0;
        let is_whole = Reader::new(self, room, &mut longest).document(text);
        Read { is_whole, longest }
    }

    /// Takes a value that came as text: a parameter, a field of a form.
    pub(super) fn text(&mut self, text: &str) {
        self.seen = self.seen.saturating_add(1);
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let is_integer =
            is_number(digits) && digits.len() <= 18 && (digits == "0" || !digits.starts_with('0'));
        let is_decimal = digits.len() <= 32
            && digits.split_once('.').is_some_and(|(whole, part)| is_number(whole) && is_number(part));
        if is_integer {
            self.types.add(Types::INTEGER);
        } else if is_decimal {
            self.types.add(Types::NUMBER);
        } else if matches!(text, "true" | "false") {
            self.types.add(Types::BOOLEAN);
        } else {
            self.string(text);
        }
    }

    pub(super) fn string(&mut self, text: &str) {
        self.types.add(Types::STRING);
        // What is empty has no format, and is none.
        if !text.is_empty() && self.formats.0 & Formats::OTHER == 0 {
            self.formats.0 |= Formats::of(text).0;
        }
    }

    /// The member of a name; none where there is no room.
    pub(super) fn member(&mut self, name: &str, room: &mut usize) -> Option<&mut Self> {
        if self.is_map {
            return self.entry(room);
        }
        if let Some(place) = self.members.iter().position(|(known, _)| **known == *name) {
            return self.members.get_mut(place).map(|(_, member)| member);
        }
        if self.members.len() >= MAX_MEMBERS || !is_name(name) || self.looks_like_map() {
            self.become_map(room);
            return self.entry(room);
        }
        *room = room.checked_sub(1)?;
        self.members.push((name.into(), Self::default()));
        self.members.last_mut().map(|(_, member)| member)
    }

    /// The shape of all entries.
    pub(super) fn entry(&mut self, room: &mut usize) -> Option<&mut Self> {
        if self.items.is_none() {
            *room = room.checked_sub(1)?;
        }
        Some(self.items.get_or_insert_default())
    }

    /// Many names, of which hardly any comes twice.
    fn looks_like_map(&self) -> bool {
        let seldom = self.members.iter().filter(|(_, member)| member.seen <= 2).count();
        self.members.len() >= MAP_MEMBERS
            && self.objects >= 4
            && seldom.saturating_mul(4) >= self.members.len().saturating_mul(3)
    }

    fn become_map(&mut self, room: &mut usize) {
        self.is_map = true;
        for (_, member) in std::mem::take(&mut self.members) {
            *room = room.saturating_add(member.size());
            if let Some(entry) = self.entry(room) {
                entry.merge(&member, room);
            }
        }
    }

    /// Shapes in it, itself included.
    pub(super) fn size(&self) -> usize {
        let members = self.members.iter().map(|(_, member)| member);
        members.chain(self.items.as_deref()).map(Self::size).fold(1, usize::saturating_add)
    }

    /// Adds what was seen elsewhere.
    pub(super) fn merge(&mut self, other: &Self, room: &mut usize) {
        self.seen = self.seen.saturating_add(other.seen);
        self.objects = self.objects.saturating_add(other.objects);
        self.types.add(other.types);
        self.formats.0 |= other.formats.0;
        if other.is_map && !self.is_map {
            self.become_map(room);
        }
        for (name, member) in &other.members {
            if let Some(own) = self.member(name, room) {
                own.merge(member, room);
            }
        }
        if let Some(items) = &other.items
            && let Some(own) = self.entry(room)
        {
            own.merge(items, room);
        }
    }

    /// Names of all members, with their paths, to a depth.
    pub(super) fn names(&self, mut visit: impl FnMut(&str)) {
        let mut pending = vec![self];
        while let Some(shape) = pending.pop() {
            for (name, member) in &shape.members {
                visit(name);
                pending.push(member);
            }
            pending.extend(shape.items.as_deref());
        }
    }
}

/// How a document was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Read {
    /// Up to its end, and it was JSON.
    pub(super) is_whole: bool,
    /// Entries of its longest array.
    pub(super) longest: u32,
}

/// Whether a text looks like the name of a field, and not like a value: the same rule as for names in records.
pub(super) fn is_name(name: &str) -> bool {
    let shown = crate::inspect::FieldName::of(name.as_bytes());
    !name.is_empty() && shown.text() == name
}
