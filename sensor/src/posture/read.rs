//! Documents in JSON, read into their shape while they are parsed: nothing of them is kept.

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::shape::{MAX_DEPTH, Shape, Types};

/// Entries of an array whose shapes are looked at; further ones are counted.
const ENTRIES: u32 = 8;

/// Reads values into a shape.
pub(super) struct Reader<'r> {
    /// None where there is no room; the value is passed over.
    shape: Option<&'r mut Shape>,
    room: &'r mut usize,
    longest: &'r mut u32,
    depth: u8,
}

impl<'r> Reader<'r> {
    pub(super) const fn new(shape: &'r mut Shape, room: &'r mut usize, longest: &'r mut u32) -> Self {
        Self { shape: Some(shape), room, longest, depth: 0 }
    }

    /// Whether all of it was JSON. What comes before a mistake, or before the text ends, is taken.
    pub(super) fn document(self, text: &[u8]) -> bool {
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        self.deserialize(&mut deserializer).is_ok() && deserializer.end().is_ok()
    }

    fn note(&mut self, types: Types) {
        if let Some(shape) = &mut self.shape {
            shape.seen = shape.seen.saturating_add(1);
            shape.types.add(types);
        }
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = ();

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(mut self) -> Result<(), E> {
        self.note(Types::NULL);
        Ok(())
    }

    fn visit_bool<E>(mut self, _value: bool) -> Result<(), E> {
        self.note(Types::BOOLEAN);
        Ok(())
    }

    fn visit_i64<E>(mut self, _value: i64) -> Result<(), E> {
        self.note(Types::INTEGER);
        Ok(())
    }

    fn visit_u64<E>(mut self, _value: u64) -> Result<(), E> {
        self.note(Types::INTEGER);
        Ok(())
    }

    fn visit_f64<E>(mut self, _value: f64) -> Result<(), E> {
        self.note(Types::NUMBER);
        Ok(())
    }

    fn visit_str<E>(mut self, text: &str) -> Result<(), E> {
        self.note(Types::STRING);
        if let Some(shape) = self.shape {
            shape.string(text);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        self.note(Types::ARRAY);
        let Self { mut shape, room, longest, depth } = self;
        let depth = depth.saturating_add(1);
        let mut count = 0_u32;
        loop {
            let is_looked_at = count < ENTRIES && depth <= MAX_DEPTH;
            let inner = match &mut shape {
                Some(shape) if is_looked_at => shape.entry(room),
                _ => None,
            };
            let reader = Reader { shape: inner, room, longest, depth };
            if entries.next_element_seed(reader)?.is_none() {
                break;
            }
            count = count.saturating_add(1);
        }
        *longest = count.max(*longest);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        self.note(Types::OBJECT);
        let Self { mut shape, room, longest, depth } = self;
        let depth = depth.saturating_add(1);
        while let Some(name) = members.next_key_seed(Name)? {
            let inner = match &mut shape {
                Some(shape) if depth <= MAX_DEPTH => shape.member(&name, room),
                _ => None,
            };
            members.next_value_seed(Reader { shape: inner, room, longest, depth })?;
        }
        if let Some(shape) = shape {
            shape.objects = shape.objects.saturating_add(1);
        }
        Ok(())
    }
}

/// A name, borrowed from the document where it has no escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = std::borrow::Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = std::borrow::Cow<'de, str>;

    fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(text.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(text.to_owned().into())
    }
}
