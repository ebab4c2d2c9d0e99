//! Answers of the local API, read in one pass over their bytes.
//!
//! Whatever a server sends, what is kept of it is bounded: decisions beyond `max_decisions` are counted and skipped, texts
//! are cut, and a decision that cannot be read costs no other.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::decision::Decision;
use super::left::Left;
use super::length;
use crate::clock::Timestamp;

/// Longest origin or scenario that is kept, in characters.
const MAX_TEXT: usize = 128;

/// What an answer of `/v1/decisions/stream` says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stream {
    /// Bans that hold, without those that have ended by now.
    pub(super) new: Vec<Decision>,
    /// Whom no ban is about any more.
    pub(super) deleted: Vec<IpNet>,
    /// How many decisions were left, and why.
    pub(super) left: BTreeMap<Left, u64>,
}

/// What decides about what is taken of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taking<'a> {
    /// Now.
    pub(super) now: Timestamp,
    /// Most decisions that are taken.
    pub(super) max: usize,
    /// How scenarios of decisions begin that came from this sensor.
    pub(super) own: Option<&'a str>,
}

impl Stream {
    /// Reads an answer.
    ///
    /// # Errors
    /// If it is not JSON, or no object.
    pub(super) fn read(body: &[u8], taking: Taking<'_>) -> Result<Self, serde_json::Error> {
        let mut stream = Self::default();
        let mut json = serde_json::Deserializer::from_slice(body);
        json.deserialize_map(Object { stream: &mut stream, taking })?;
        json.end()?;
        Ok(stream)
    }

    fn leave(&mut self, why: Left) {
        let count = self.left.entry(why).or_default();
        *count = count.saturating_add(1);
    }

    fn take_new(&mut self, text: &RawValue, taking: Taking<'_>) {
        match Raw::read(text).and_then(|raw| raw.decision(taking)) {
            // It has ended on the way.
            Ok(decision) if decision.until <= taking.now => {}
            Ok(_) if self.new.len() >= taking.max => self.leave(Left::Full),
            Ok(decision) => self.new.push(decision),
            Err(why) => self.leave(why),
        }
    }

    /// What was left when it was new is not counted again.
    fn take_deleted(&mut self, text: &RawValue) {
        self.deleted.extend(Raw::read(text).and_then(|raw| raw.prefix()));
    }
}

/// The object at the top.
struct Object<'a> {
    stream: &'a mut Stream,
    taking: Taking<'a>,
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object with `new` and `deleted`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Object { stream, taking } = self;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match &*key {
                "new" => map.next_value_seed(List(&mut |text| stream.take_new(text, taking)))?,
                "deleted" => map.next_value_seed(List(&mut |text| stream.take_deleted(text)))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// A list that may be `null`, one element at a time.
struct List<'a>(&'a mut dyn FnMut(&RawValue));

impl<'de> serde::de::DeserializeSeed<'de> for List<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of decisions, or null")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(text) = list.next_element::<&'de RawValue>()? {
            (self.0)(text);
        }
        Ok(())
    }
}

/// A decision as it is written.
#[derive(Debug, Deserialize)]
struct Raw<'a> {
    #[serde(default)]
    id: i64,
    #[serde(borrow)]
    duration: Cow<'a, str>,
    #[serde(borrow)]
    origin: Cow<'a, str>,
    #[serde(borrow)]
    scenario: Cow<'a, str>,
    #[serde(borrow)]
    scope: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    value: Cow<'a, str>,
    #[serde(default)]
    simulated: Option<bool>,
}

impl<'a> Raw<'a> {
    fn read(text: &'a RawValue) -> Result<Self, Left> {
        serde_json::from_str(text.get()).or(Err(Left::Malformed))
    }

    fn prefix(&self) -> Result<IpNet, Left> {
        let is_address = self.scope.eq_ignore_ascii_case("ip");
        if !is_address && !self.scope.eq_ignore_ascii_case("range") {
            return Err(Left::Scope);
        }
        // A captcha that is over lifts no ban.
        if !self.kind.eq_ignore_ascii_case("ban") || self.simulated == Some(true) {
            return Err(Left::Type);
        }
        let text = self.value.trim();
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(address.to_canonical().into());
        }
        // CrowdSec takes the network of an address in it, too.
        let prefix = text.parse::<IpNet>().or(Err(Left::Malformed))?.trunc();
        let is_mapped = matches!(prefix, IpNet::V6(v6) if v6.addr().to_ipv4_mapped().is_some());
        if is_mapped { Err(Left::Malformed) } else { Ok(prefix) }
    }

    fn decision(&self, taking: Taking<'_>) -> Result<Decision, Left> {
        let prefix = self.prefix()?;
        if taking.own.is_some_and(|own| self.scenario.starts_with(own)) {
            return Err(Left::Own);
        }
        let length = length::read(&self.duration).ok_or(Left::Malformed)?;
        Ok(Decision {
            id: self.id,
            prefix,
            until: taking.now.plus(length),
            origin: shortened(&self.origin),
            scenario: shortened(&self.scenario),
        })
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}
