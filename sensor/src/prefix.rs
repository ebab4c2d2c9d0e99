//! Address prefixes as operators write them.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::config::Form;

mod client;

pub use client::{ClientNet, SITE_BITS};

/// Why a prefix is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Neither an address nor a prefix.
    #[error(
        "`{0}` is not an address or prefix; expected an address or CIDR, such as 203.0.113.7 or 2001:db8::/32"
    )]
    Malformed(String),
    /// Bits are set after the prefix length: perhaps a typo, so no guess is made.
    #[error("`{given}` has bits set beyond its /{}; did you mean {network} or {host}?", .network.prefix_len())]
    HostBits {
        /// As written.
        given: String,
        /// The network that contains it.
        network: IpNet,
        /// The single address.
        host: IpAddr,
    },
    /// An IPv4-mapped IPv6 address.
    #[error("`{0}` is IPv4-mapped; write the IPv4 prefix itself")]
    Mapped(String),
}

/// An address or a CIDR in the configuration.
pub const PREFIX: Form<IpNet> = Form {
    kind: "an address or CIDR such as `203.0.113.0/24`",
    example: "203.0.113.0/24",
    read: |text| parse(text).map_err(|error| error.to_string()),
    show: IpNet::to_string,
};

/// Reads an address (a prefix of full length) or a CIDR.
///
/// # Errors
/// If it is malformed, has host bits set, or is IPv4-mapped.
pub fn parse(text: &str) -> Result<IpNet, PrefixError> {
    let malformed = || PrefixError::Malformed(text.to_owned());
    let prefix = match text.parse::<IpNet>() {
        Ok(prefix) => prefix,
        Err(_) => IpNet::from(text.parse::<IpAddr>().or(Err(malformed()))?),
    };
    if let IpAddr::V6(address) = prefix.addr()
        && address.to_ipv4_mapped().is_some()
    {
        return Err(PrefixError::Mapped(text.to_owned()));
    }
    if prefix.trunc() != prefix {
        let (network, host) = (prefix.trunc(), prefix.addr());
        return Err(PrefixError::HostBits { given: text.to_owned(), network, host });
    }
    Ok(prefix)
}

/// Whether two prefixes share an address.
#[must_use]
pub fn overlap(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        assert_eq!(parse("203.0.113.7").unwrap().to_string(), "203.0.113.7/32");
        assert_eq!(parse("10.0.0.0/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(parse("2001:db8::/32").unwrap().to_string(), "2001:db8::/32");
        for bad in ["", "10.0.0.0/33", "10.0.0", "example.org", "10.0.0.0/-1", "1.2.3.4/"] {
            assert!(matches!(parse(bad), Err(PrefixError::Malformed(_))), "{bad}");
        }
        assert!(matches!(parse("::ffff:1.2.3.4"), Err(PrefixError::Mapped(_))));
        let error = parse("10.1.2.3/8").unwrap_err().to_string();
        assert!(error.contains("10.0.0.0/8") && error.contains("10.1.2.3?"), "{error}");
    }
}
