//! IPv6 extension headers (RFC 8200, section 4): their types and lengths. The caller, which has the packet, reads them.

/// Protocol numbers of extension headers (IANA, "IPv6 Extension Header Types").
pub mod next_header {
    /// Hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// Routing.
    pub const ROUTING: u8 = 43;
    /// Fragment.
    pub const FRAGMENT: u8 = 44;
    /// Authentication (RFC 4302).
    pub const AUTHENTICATION: u8 = 51;
    /// Destination options.
    pub const DESTINATION: u8 = 60;
    /// Mobility (RFC 6275).
    pub const MOBILITY: u8 = 135;
    /// Host identity (RFC 7401).
    pub const HIP: u8 = 139;
    /// Shim6 (RFC 5533).
    pub const SHIM6: u8 = 140;
}

/// Whether a protocol number denotes an extension header that contains its length.
#[inline(always)]
#[must_use]
pub const fn is_extension(protocol: u8) -> bool {
    matches!(
        protocol,
        next_header::HOP_BY_HOP
            | next_header::ROUTING
            | next_header::FRAGMENT
            | next_header::AUTHENTICATION
            | next_header::DESTINATION
            | next_header::MOBILITY
            | next_header::HIP
            | next_header::SHIM6
    )
}

/// Bytes of an extension header, from its length field (RFC 8200 section 4, RFC 4302 section 2.2).
#[inline(always)]
#[must_use]
pub const fn extension_len(protocol: u8, length: u8) -> usize {
    match protocol {
        next_header::FRAGMENT => 8,
        next_header::AUTHENTICATION => (length as usize).wrapping_add(2).wrapping_mul(4),
        _ => (length as usize).wrapping_add(1).wrapping_mul(8),
    }
}
