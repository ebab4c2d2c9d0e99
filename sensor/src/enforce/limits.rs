//! Limits by scope, as operators set them.

use std::fmt;
use std::str::FromStr;

use documented::DocumentedFields;
use ipnet::IpNet;
use sensor_common::abi::{Dimension, ScopeLimits};
use sensor_common::limit::{ParseRateError, Quota, Rate};
use serde::{Deserialize, Serialize};

use crate::config::{Form, Section, as_text, from_text};
use crate::groups::{Group, Whom, WhomError};

/// Whom limits are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Every client that no prefix scope covers.
    Default,
    /// Clients within a prefix; the longest that covers a client counts.
    Prefix(IpNet),
    /// Clients within the networks of a group, each by itself.
    Group(Group),
}

impl Scope {
    /// Of scopes for networks of the same length: the kernel's tries have one entry for each.
    pub(super) const fn precedence(self) -> u8 {
        match self {
            Self::Default => 0,
            Self::Group(Group::Country(_)) => 1,
            Self::Group(Group::Asn(_)) => 2,
            Self::Prefix(_) => 3,
        }
    }
}

/// What is wrong with a scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("scope: expected `default` or an address prefix, asn:NUMBER or country:CODE: {0}")]
pub struct ScopeError(#[from] WhomError);

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "default" { Ok(Self::Default) } else { Ok(text.parse::<Whom>()?.into()) }
    }
}

impl From<Whom> for Scope {
    fn from(whom: Whom) -> Self {
        match whom {
            Whom::Prefix(prefix) => Self::Prefix(prefix),
            Whom::Group(group) => Self::Group(group),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => out.write_str("default"),
            Self::Prefix(prefix) => prefix.fmt(out),
            Self::Group(group) => group.fmt(out),
        }
    }
}

/// One limit: a rate, or expressly none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// No limit.
    Off,
    /// At most this.
    Rate(Rate),
}

impl FromStr for Limit {
    type Err = ParseRateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim() == "off" { Ok(Self::Off) } else { text.parse().map(Self::Rate) }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => out.write_str("off"),
            Self::Rate(rate) => rate.fmt(out),
        }
    }
}

as_text!(Scope);
as_text!(Limit);

/// Limits of one scope. What a prefix scope leaves out is as in `default`; what `default` leaves out is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// All packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packets: Option<Limit>,
    /// Bits, Ethernet headers included; at least 1k a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits: Option<Limit>,
    /// New TCP connections: segments with SYN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<Limit>,
    /// HTTP/1 requests in plain text: TCP segments that begin with a method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<Limit>,
}

/// The least bit rate: below it not one frame a minute would pass.
const LEAST_BITS: u64 = 1_000;

impl Limits {
    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The limit of a dimension, if set.
    #[must_use]
    pub const fn get(&self, dimension: Dimension) -> Option<Limit> {
        match dimension {
            Dimension::Packets => self.packets,
            Dimension::Bits => self.bits,
            Dimension::Connections => self.connections,
            Dimension::Requests => self.requests,
        }
    }

    /// Those that are set.
    pub fn iter(&self) -> impl Iterator<Item = (Dimension, Limit)> {
        Dimension::ALL.into_iter().filter_map(|dimension| Some((dimension, self.get(dimension)?)))
    }

    /// These limits, but this one of a dimension.
    #[must_use]
    pub const fn with(mut self, dimension: Dimension, limit: Limit) -> Self {
        let place = match dimension {
            Dimension::Packets => &mut self.packets,
            Dimension::Bits => &mut self.bits,
            Dimension::Connections => &mut self.connections,
            Dimension::Requests => &mut self.requests,
        };
        *place = Some(limit);
        self
    }

    /// These limits, with those of `base` where nothing is set.
    #[must_use]
    pub fn or(self, base: Self) -> Self {
        Self {
            packets: self.packets.or(base.packets),
            bits: self.bits.or(base.bits),
            connections: self.connections.or(base.connections),
            requests: self.requests.or(base.requests),
        }
    }

    /// Of each dimension the tighter limit of the two.
    #[must_use]
    pub fn tighter(self, other: Self) -> Self {
        Self {
            packets: tighter(self.packets, other.packets),
            bits: tighter(self.bits, other.bits),
            connections: tighter(self.connections, other.connections),
            requests: tighter(self.requests, other.requests),
        }
    }

    /// As the kernel holds them, for a clock with the given tick.
    #[must_use]
    pub fn quotas(&self, tick_ns: u64) -> ScopeLimits {
        let quota = |dimension| match self.get(dimension) {
            None | Some(Limit::Off) => Quota::OFF,
            Some(Limit::Rate(rate)) if dimension == Dimension::Bits => Quota::of_bits(rate, tick_ns),
            Some(Limit::Rate(rate)) => Quota::of_units(rate, tick_ns),
        };
        ScopeLimits { quotas: Dimension::ALL.map(quota) }
    }
}

/// The limit that lets less through in the long run.
fn tighter(one: Option<Limit>, other: Option<Limit>) -> Option<Limit> {
    let (Some(Limit::Rate(a)), Some(Limit::Rate(b))) = (one, other) else {
        return match (one, other) {
            (Some(rate @ Limit::Rate(_)), _) | (_, Some(rate @ Limit::Rate(_))) => Some(rate),
            (one, other) => one.or(other),
        };
    };
    let long_run = |rate: Rate, other: Rate| {
        u128::from(rate.count()).saturating_mul(other.period().nanoseconds().into())
    };
    Some(Limit::Rate(if long_run(a, b) <= long_run(b, a) { a } else { b }))
}

/// A rate in the configuration, as far as its syntax goes.
const RATE_KIND: &str = "a rate such as `100/s`, `50k/min:1k` (burst after the colon), or `off`";

/// A limit in the configuration.
pub const LIMIT: Form<Limit> =
    Form { kind: RATE_KIND, example: "200/s:1k", read: from_text, show: Limit::to_string };

/// A limit of bits in the configuration.
pub const BITS: Form<Limit> =
    Form { kind: RATE_KIND, example: "200M/s", read: parse_bits, show: Limit::to_string };

impl Limits {
    /// Reads a table of limits over these.
    pub fn read(&mut self, section: &Section<'_>) {
        section.explain::<Self>();
        section.optional("packets", &LIMIT, &mut self.packets);
        section.optional("bits", &BITS, &mut self.bits);
        section.optional("connections", &LIMIT, &mut self.connections);
        section.optional("requests", &LIMIT, &mut self.requests);
    }
}

/// Reads a limit on bits: as any other, but not too slow for a single frame.
///
/// # Errors
/// If the rate is malformed or below a kilobit a second.
pub fn parse_bits(text: &str) -> Result<Limit, String> {
    let limit: Limit = text.parse().map_err(|error: ParseRateError| error.to_string())?;
    if let Limit::Rate(rate) = limit {
        let seconds = rate.period().nanoseconds().checked_div(1_000_000_000).unwrap_or(1);
        if rate.count() < LEAST_BITS.saturating_mul(seconds) {
            return Err("bits per second below 1k; expected at least 1k, such as 200M".to_owned());
        }
    }
    Ok(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_inherits_what_it_does_not_set() {
        let base = Limits {
            packets: Some("10/s".parse().unwrap()),
            requests: Some(Limit::Off),
            ..Limits::default()
        };
        let own =
            Limits { packets: Some(Limit::Off), bits: Some("1M".parse().unwrap()), ..Limits::default() };
        let both = own.or(base);
        assert_eq!(both.packets, Some(Limit::Off));
        assert_eq!(both.requests, Some(Limit::Off));
        assert_eq!(both.connections, None);
        let quotas = both.quotas(4_000_000).quotas;
        assert!(quotas[Dimension::Packets as usize].is_off());
        assert_eq!(quotas[Dimension::Bits as usize].per_second(), 1_000_000);
    }

    #[test]
    fn of_two_limits_the_tighter_counts() {
        let limit = |text: &str| if text.is_empty() { None } else { text.parse::<Limit>().ok() };
        for (one, other, expected) in [
            ("10/s", "100/s", "10/s"),
            ("10/s", "300/min", "300/min"),
            ("10/s", "off", "10/s"),
            ("", "10/s", "10/s"),
            ("", "off", "off"),
            ("", "", ""),
        ] {
            assert_eq!(tighter(limit(one), limit(other)), limit(expected), "{one} {other}");
            assert_eq!(tighter(limit(other), limit(one)), limit(expected), "{other} {one}");
        }
    }

    #[test]
    fn bits_have_a_floor() {
        assert!(parse_bits("999/s").is_err());
        assert!(parse_bits("30k/min").is_err());
        assert!(parse_bits("60k/min").is_ok());
        assert!(parse_bits("off").is_ok());
    }
}
