//! Fields of requests that say who somebody is, what something costs or whose it is: what a server must not take from
//! whoever sends it (OWASP API3:2023, "Broken Object Property Level Authorization"; CWE-915).

use std::hash::BuildHasher as _;

use foldhash::quality::FixedState;

use super::FieldName;
use crate::values::{Place, Value};

/// Such fields of one request, at most.
pub(super) const MAX: usize = 8;

/// A field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerField {
    /// `role`, `owner` or `price`.
    pub class: &'static str,
    /// As records show it.
    pub name: FieldName,
    /// A hash of its name, without case and separators; the same in each process.
    pub hash: u64,
}

const ROLE: [&[u8]; 22] = [
    b"role",
    b"roles",
    b"isadmin",
    b"admin",
    b"issuperuser",
    b"superuser",
    b"isstaff",
    b"staff",
    b"isroot",
    b"permission",
    b"permissions",
    b"privilege",
    b"privileges",
    b"scope",
    b"scopes",
    b"accesslevel",
    b"usertype",
    b"accounttype",
    b"verified",
    b"isverified",
    b"emailverified",
    b"approved",
];
const OWNER: [&[u8]; 12] = [
    b"ownerid",
    b"owner",
    b"userid",
    b"accountid",
    b"customerid",
    b"tenantid",
    b"tenant",
    b"orgid",
    b"organizationid",
    b"createdby",
    b"authorid",
    b"companyid",
];
const PRICE: [&[u8]; 12] = [
    b"price",
    b"unitprice",
    b"discount",
    b"discountpercent",
    b"balance",
    b"credit",
    b"credits",
    b"fee",
    b"totalprice",
    b"amountdue",
    b"taxrate",
    b"paid",
];

/// Longest name that can be one.
const LONGEST: usize = 24;

/// What a value is, if its field is such.
pub(super) fn of(value: &Value<'_>) -> Option<PowerField> {
    if !matches!(value.place, Place::Form | Place::Json | Place::Xml | Place::Graphql) || value.is_name {
        return None;
    }
    let last = |name: &'_ [u8]| {
        name.iter().rposition(|byte| matches!(byte, b'.' | b'[')).map_or(0, |at| at.saturating_add(1))
    };
    // `user[role]`, `roles[]`, `user.role`.
    let name = value.name.strip_suffix(b"[]").unwrap_or(value.name);
    let name = name.strip_suffix(b"]").unwrap_or(name);
    let name = name.get(last(name)..).filter(|name| (3..=LONGEST).contains(&name.len()))?;
    let mut plain = [0_u8; LONGEST];
    let mut length = 0_usize;
    for byte in name.iter().filter(|byte| !matches!(byte, b'_' | b'-')) {
        *plain.get_mut(length)? = byte.to_ascii_lowercase();
        length = length.saturating_add(1);
    }
    let plain = plain.get(..length)?;
    let classes = [("role", &ROLE[..]), ("owner", &OWNER[..]), ("price", &PRICE[..])];
    let (class, _) = classes.into_iter().find(|(_, words)| words.contains(&plain))?;
    Some(PowerField { class, name: FieldName::of(name), hash: FixedState::with_seed(0x5eed).hash_one(plain) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::Wraps;

    #[test]
    fn fields_of_power_are_told_from_others() {
        for (name, class) in [
            ("role", Some("role")),
            ("user.isAdmin", Some("role")),
            ("user[is_admin]", Some("role")),
            ("roles[]", Some("role")),
            ("items[].unit-price", Some("price")),
            ("OwnerId", Some("owner")),
            ("name", None),
            ("rolex", None),
            ("parole", None),
            ("", None),
            ("a_very_long_name_that_ends_with_role_but_is_none", None),
        ] {
            let value = Value {
                place: Place::Json,
                name: name.as_bytes(),
                text: b"1",
                is_name: false,
                is_scalar: true,
                wraps: Wraps::default(),
            };
            assert_eq!(of(&value).map(|field| field.class), class, "{name}");
            assert_eq!(of(&Value { place: Place::Query, ..value }), None);
        }
    }
}
