//! ClientHello and ServerHello (RFC 8446, section 4.1; RFC 5246, section 7.4.1): the parts that are needed.

use super::cursor::Cursor;
use crate::capture::secret::Random;

/// Types of handshake messages.
pub(super) const CLIENT_HELLO: u8 = 1;
pub(super) const SERVER_HELLO: u8 = 2;
pub(super) const END_OF_EARLY_DATA: u8 = 5;
pub(super) const ENCRYPTED_EXTENSIONS: u8 = 8;
pub(super) const KEY_UPDATE: u8 = 24;
/// Replacement of the first ClientHello in the transcript after a HelloRetryRequest.
pub(super) const MESSAGE_HASH: u8 = 254;

/// Types of extensions.
pub(super) const SERVER_NAME: u16 = 0;
pub(super) const ALPN: u16 = 16;
const SIGNATURE_ALGORITHMS: u16 = 13;
const ENCRYPT_THEN_MAC: u16 = 22;
const EARLY_DATA: u16 = 42;
const SUPPORTED_VERSIONS: u16 = 43;

/// The random value of a ServerHello that is a HelloRetryRequest (RFC 8446, section 4.1.3).
const RETRY: Random = [
    0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91, 0xC2,
    0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C,
];

/// Longest server name kept (RFC 1035, section 2.3.4).
const MAX_NAME: usize = 255;
/// Longest protocol name kept.
const MAX_PROTOCOL: usize = 32;

/// Reserved values sent so that receivers stay tolerant (GREASE; RFC 8701).
pub(super) const fn is_grease(number: u16) -> bool {
    let [high, low] = number.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

/// A ClientHello, without the header of its message.
pub(super) struct ClientHello<'a> {
    pub(super) version: u16,
    pub(super) random: Random,
    suites: Cursor<'a>,
    extensions: Cursor<'a>,
}

impl<'a> ClientHello<'a> {
    /// Reads the body of the message.
    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        let mut body = Cursor::new(body);
        let (version, random) = (body.u16()?, body.array()?);
        let _session = body.short()?;
        let suites = body.long()?;
        let _compression = body.short()?;
        let extensions = if body.is_empty() { body } else { body.long()? };
        Some(Self { version, random, suites, extensions })
    }

    pub(super) fn suites(&self) -> impl Iterator<Item = u16> + Clone + 'a {
        self.suites.numbers()
    }

    /// Type and contents of each extension.
    pub(super) fn extensions(&self) -> impl Iterator<Item = (u16, Cursor<'a>)> + Clone + 'a {
        extensions(self.extensions)
    }

    fn extension(&self, kind: u16) -> Option<Cursor<'a>> {
        self.extensions().find(|(this, _)| *this == kind).map(|(_, contents)| contents)
    }

    /// Versions that the client offers beyond the hello's own field.
    pub(super) fn versions(&self) -> impl Iterator<Item = u16> + 'a {
        let listed = self.extension(SUPPORTED_VERSIONS).and_then(|mut contents| contents.short());
        listed.unwrap_or(Cursor::new(&[])).numbers()
    }

    pub(super) fn signature_algorithms(&self) -> impl Iterator<Item = u16> + 'a {
        let listed = self.extension(SIGNATURE_ALGORITHMS).and_then(|mut contents| contents.long());
        listed.unwrap_or(Cursor::new(&[])).numbers()
    }

    pub(super) fn has_early_data(&self) -> bool {
        self.extension(EARLY_DATA).is_some()
    }

    /// The requested server name (RFC 6066, section 3).
    pub(super) fn server_name(&self) -> Option<&'a [u8]> {
        let mut list = self.extension(SERVER_NAME)?.long()?;
        match list.u8()? {
            0 => Some(list.long()?.rest()).filter(|name| !name.is_empty() && name.len() <= MAX_NAME),
            _ => None,
        }
    }

    /// Whether the extension is present, whatever it contains.
    pub(super) fn names_server(&self) -> bool {
        self.extension(SERVER_NAME).is_some()
    }

    /// Protocols that the client offers (RFC 7301).
    pub(super) fn protocols(&self) -> impl Iterator<Item = &'a [u8]> {
        protocols(self.extension(ALPN))
    }
}

/// The names in an extension for protocols.
fn protocols(contents: Option<Cursor<'_>>) -> impl Iterator<Item = &[u8]> {
    let mut list = contents.and_then(|mut contents| contents.long()).unwrap_or(Cursor::new(&[]));
    std::iter::from_fn(move || list.short().map(|name| name.rest()))
}

fn extensions(list: Cursor<'_>) -> impl Iterator<Item = (u16, Cursor<'_>)> + Clone {
    let mut list = list;
    std::iter::from_fn(move || Some((list.u16()?, list.long()?)))
}

/// The needed parts of a ServerHello.
#[derive(Clone, Debug)]
pub(super) struct ServerHello {
    pub(super) version: u16,
    pub(super) random: Random,
    pub(super) suite: u16,
    /// It requests another ClientHello.
    pub(super) is_retry: bool,
    pub(super) encrypt_then_mac: bool,
    /// The negotiated protocol; in TLS 1.3 it is in [`EncryptedExtensions`].
    pub(super) protocol: Option<Box<[u8]>>,
}

impl ServerHello {
    /// Reads the body of the message.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let mut body = Cursor::new(body);
        let (version, random) = (body.u16()?, body.array()?);
        let _session = body.short()?;
        let suite = body.u16()?;
        let _compression = body.u8()?;
        let list = if body.is_empty() { body } else { body.long()? };
        let chosen = chosen(list);
        let selected = extensions(list).find(|(kind, _)| *kind == SUPPORTED_VERSIONS);
        let version = selected.and_then(|(_, mut contents)| contents.u16()).unwrap_or(version);
        Some(Self {
            version,
            random,
            suite,
            is_retry: random == RETRY,
            encrypt_then_mac: extensions(list).any(|(kind, _)| kind == ENCRYPT_THEN_MAC),
            protocol: chosen.protocol,
        })
    }
}

/// The server's answer about protocol and early data.
#[derive(Clone, Debug, Default)]
pub(super) struct EncryptedExtensions {
    pub(super) protocol: Option<Box<[u8]>>,
    pub(super) early_data: bool,
}

impl EncryptedExtensions {
    /// Reads a message, header included, that may continue after these bytes.
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        let mut message = Cursor::new(message);
        if message.u8()? != ENCRYPTED_EXTENSIONS {
            return None;
        }
        let length = message.u24()?;
        let mut body = Cursor::new(message.take(length)?);
        Some(chosen(body.long()?))
    }
}

fn chosen(list: Cursor<'_>) -> EncryptedExtensions {
    let protocol = extensions(list).find(|(kind, _)| *kind == ALPN);
    let protocol = protocols(protocol.map(|(_, contents)| contents)).next();
    EncryptedExtensions {
        protocol: protocol.filter(|name| name.len() <= MAX_PROTOCOL).map(Box::from),
        early_data: extensions(list).any(|(kind, _)| kind == EARLY_DATA),
    }
}
