//! Groups of clients that databases know: autonomous systems and countries.
//!
//! Architecture invariant: a group is a name for networks. What applies to it is the policy's business, and nothing
//! here knows of rules.

mod database;
mod networks;
mod origins;

pub use database::{DatabaseError, Databases, Stamp};
pub use networks::{MAX_NETWORKS, Networks};
pub use origins::{Origins, Place, Share, SharedOrigins};

use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;

use crate::config::{Form, as_text, from_text};
use crate::prefix::{self, PrefixError};

/// An autonomous system or a country.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// The autonomous system of this number.
    Asn(u32),
    /// The country of this code (ISO 3166-1 alpha-2), in capitals.
    Country([u8; 2]),
}

/// Why a text names no group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// No number.
    #[error(
        "`asn:{0}` is not an autonomous system; expected a number from 1 to 4294967295, such as asn:64500"
    )]
    Asn(String),
    /// No code.
    #[error("`country:{0}` is not a country; expected its two-letter code (ISO 3166-1), such as country:DE")]
    Country(String),
    /// Another kind.
    #[error("`{0}` is not a group; expected asn:NUMBER or country:CODE")]
    Kind(String),
}

impl Group {
    /// Whether a text means a group: addresses with a colon are IPv6, whose groups of digits have no such names, and no
    /// address begins with `AS`.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        match text.split_once(':') {
            Some((kind, _)) => matches!(kind.to_ascii_lowercase().as_str(), "asn" | "as" | "country"),
            None => {
                without_as(text).is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
            }
        }
    }
}

/// What follows `AS`: people write AS64500, and databases do.
fn without_as(text: &str) -> Option<&str> {
    let (letters, rest) = text.split_at_checked(2)?;
    letters.eq_ignore_ascii_case("as").then_some(rest)
}

impl FromStr for Group {
    type Err = GroupError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, name) = match text.split_once(':') {
            Some(both) => both,
            None if Self::is_meant(text) => ("asn", text),
            None => return Err(GroupError::Kind(text.to_owned())),
        };
        match kind.to_ascii_lowercase().as_str() {
            "asn" | "as" => {
                let digits = without_as(name).unwrap_or(name);
                let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
                let number = digits.parse().ok().filter(|number| is_number && *number != 0);
                number.map(Self::Asn).ok_or_else(|| GroupError::Asn(name.to_owned()))
            }
            "country" => match name.as_bytes() {
                &[first, second] if first.is_ascii_alphabetic() && second.is_ascii_alphabetic() => {
                    Ok(Self::Country([first.to_ascii_uppercase(), second.to_ascii_uppercase()]))
                }
                _ => Err(GroupError::Country(name.to_owned())),
            },
            _ => Err(GroupError::Kind(text.to_owned())),
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asn(number) => write!(out, "asn:{number}"),
            Self::Country(code) => write!(out, "country:{}", String::from_utf8_lossy(code)),
        }
    }
}

/// Whom a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Whom {
    /// Addresses of a prefix.
    Prefix(IpNet),
    /// The networks of a group.
    Group(Group),
}

/// Why a text names nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhomError {
    /// It is to be a group.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// It is to be a prefix.
    #[error(transparent)]
    Prefix(#[from] PrefixError),
}

impl Whom {
    /// The prefix, if it is one.
    #[must_use]
    pub const fn prefix(self) -> Option<IpNet> {
        match self {
            Self::Prefix(prefix) => Some(prefix),
            Self::Group(_) => None,
        }
    }

    /// The group, if it is one.
    #[must_use]
    pub const fn group(self) -> Option<Group> {
        match self {
            Self::Prefix(_) => None,
            Self::Group(group) => Some(group),
        }
    }
}

impl From<IpNet> for Whom {
    fn from(prefix: IpNet) -> Self {
        Self::Prefix(prefix)
    }
}

impl From<Group> for Whom {
    fn from(group: Group) -> Self {
        Self::Group(group)
    }
}

impl FromStr for Whom {
    type Err = WhomError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if Group::is_meant(text) {
            Ok(Self::Group(text.parse()?))
        } else {
            Ok(Self::Prefix(prefix::parse(text)?))
        }
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(prefix) => prefix.fmt(out),
            Self::Group(group) => group.fmt(out),
        }
    }
}

/// An address, a CIDR or a group in the configuration.
pub const WHOM: Form<Whom> = Form {
    kind: "an address, a CIDR such as `203.0.113.0/24`, `asn:NUMBER` or `country:CODE`",
    example: "203.0.113.0/24",
    read: from_text,
    show: Whom::to_string,
};

as_text!(Group);
as_text!(Whom);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        for (text, expected) in [
            ("asn:64500", "asn:64500"),
            ("ASN:AS64500", "asn:64500"),
            ("asn:As64500", "asn:64500"),
            ("Asn:aS64500", "asn:64500"),
            ("AS64500", "asn:64500"),
            ("as64500", "asn:64500"),
            ("as:4294967295", "asn:4294967295"),
            ("country:de", "country:DE"),
            ("Country:XX", "country:XX"),
            ("COUNTRY:dE", "country:DE"),
            ("203.0.113.7", "203.0.113.7/32"),
            ("2001:db8::/32", "2001:db8::/32"),
        ] {
            let whom: Whom = text.parse().unwrap();
            assert_eq!(whom.to_string(), expected, "{text}");
            let json = serde_json::to_string(&whom).unwrap();
            assert_eq!(serde_json::from_str::<Whom>(&json).unwrap(), whom);
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_what_was_expected() {
        for (text, culprit, expected) in [
            ("asn:", "asn:", "number from 1"),
            ("asn:0", "asn:0", "number from 1"),
            ("asn:+5", "asn:+5", "number from 1"),
            ("asn:4294967296", "asn:4294967296", "number from 1"),
            ("asn:x", "asn:x", "asn:64500"),
            ("asn:as", "asn:as", "asn:64500"),
            ("asn:asas5", "asn:asas5", "asn:64500"),
            ("AS12x", "asn:AS12x", "asn:64500"),
            ("assembly", "assembly", "address or prefix"),
            ("country:", "country:", "two-letter"),
            ("country:DEU", "country:DEU", "two-letter"),
            ("country:D1", "country:D1", "two-letter"),
            ("country:\u{e9}", "country:", "two-letter"),
            ("region:DE", "region:DE", "address or prefix"),
            ("10.1.2.3/8", "10.1.2.3/8", "did you mean"),
        ] {
            let error = text.parse::<Whom>().unwrap_err().to_string();
            assert!(error.contains(culprit) && error.contains(expected), "{text}: {error}");
        }
        let error = "region:DE".parse::<Group>().unwrap_err().to_string();
        assert!(error.contains("region:DE") && error.contains("country:CODE"), "{error}");
    }
}
