//! Facts from a connection's hellos.

use super::hello::ClientHello;
use super::ja4::Ja4;

/// Supported versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

impl TlsVersion {
    /// `1.2` or `1.3`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }

    pub(super) const fn of(number: u16) -> Option<Self> {
        match number {
            0x0303 => Some(Self::Tls12),
            0x0304 => Some(Self::Tls13),
            _ => None,
        }
    }
}

/// Facts about a decrypted connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The version chosen.
    pub version: TlsVersion,
    /// The server's name, as the client wrote it.
    pub sni: Option<Box<[u8]>>,
    /// The negotiated protocol, if known; otherwise the one that the client offers, if it offers just one.
    pub alpn: Option<Box<[u8]>>,
    /// The client's fingerprint; none if its hello was not seen whole.
    pub ja4: Option<Ja4>,
}

/// The part of it from a ClientHello.
#[derive(Clone, Debug, Default)]
pub(super) struct Offer {
    pub(super) sni: Option<Box<[u8]>>,
    pub(super) alpn: Option<Box<[u8]>>,
    pub(super) ja4: Option<Ja4>,
    pub(super) early_data: bool,
}

impl Offer {
    pub(super) fn of(hello: &ClientHello<'_>) -> Self {
        let mut protocols = hello.protocols();
        let only = protocols.next().filter(|_| protocols.next().is_none());
        Self {
            sni: hello.server_name().map(Box::from),
            alpn: only.filter(|name| name.len() <= 32).map(Box::from),
            ja4: Some(Ja4::of(hello)),
            early_data: hello.has_early_data(),
        }
    }
}
