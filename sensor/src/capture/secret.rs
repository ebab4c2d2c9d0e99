//! Secrets of TLS sessions, wherever they come from.

use std::fmt;

use sensor_common::abi::{SecretKind, SecretRecord};

use crate::kernel::Guarded;

/// Longest secret or hash: SHA-384.
const MAX: usize = 48;

/// A secret of at most 48 bytes. It is in memory of no core dump, is wiped when dropped, and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(Guarded<Bytes>);

#[derive(Clone, PartialEq, Eq)]
struct Bytes {
    bytes: [u8; MAX],
    length: usize,
}

impl SecretBytes {
    /// A copy of these bytes; none if there are more than 48.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut own = Guarded::new(Bytes { bytes: [0; MAX], length: bytes.len() });
        own.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self(own))
    }

    /// The secret.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.bytes.get(..self.0.length).unwrap_or_default()
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SecretBytes")
    }
}

/// A transcript hash, zero-padded if it is shorter than SHA-384.
pub type Digest = [u8; MAX];

/// Pads a hash of at most 48 bytes.
#[must_use]
pub fn digest(bytes: &[u8]) -> Digest {
    let mut digest = [0; MAX];
    digest.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    digest
}

/// The random value of a hello.
pub type Random = [u8; 32];

/// The kinds of secrets in a key log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// The master secret of TLS 1.2.
    Master,
    /// TLS 1.3: 0-RTT data.
    ClientEarly,
    /// TLS 1.3: the server's handshake messages.
    ServerHandshake,
    /// TLS 1.3: the client's application data.
    ClientApplication,
    /// TLS 1.3: the server's application data.
    ServerApplication,
}

/// One secret, and what identifies its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// From a key log: by the client's random value.
    Logged {
        /// Which secret.
        label: Label,
        /// Of the first ClientHello.
        random: Random,
        /// The secret.
        secret: SecretBytes,
    },
    /// TLS 1.2, from the library: by both random values.
    Master {
        /// Of the ClientHello.
        client: Random,
        /// Of the ServerHello.
        server: Random,
        /// The master secret.
        secret: SecretBytes,
    },
    /// TLS 1.3, from the library: the handshake secret, by the hash of ClientHello and ServerHello.
    Handshake {
        /// The hash.
        transcript: Digest,
        /// The secret (RFC 8446, section 7.1), from which the master secret follows.
        secret: SecretBytes,
    },
    /// TLS 1.3, from the library: the hash up to the server's Finished, by the master secret.
    Application {
        /// The master secret.
        secret: SecretBytes,
        /// The hash.
        transcript: Digest,
    },
    /// TLS 1.3, from the library: the early secret, by the hash of the ClientHello.
    Early {
        /// The hash.
        transcript: Digest,
        /// The secret.
        secret: SecretBytes,
    },
}

impl Secret {
    /// Decodes a record of the library probe; none if it is malformed.
    #[must_use]
    pub fn of_record(record: &SecretRecord) -> Option<Self> {
        let secret = SecretBytes::new(record.secret.get(..record.secret_length.into())?)?;
        let data = record.data.get(..record.data_length.into())?;
        let transcript = digest(data);
        let logged = |label, secret| Some(Self::Logged { label, random: data.try_into().ok()?, secret });
        Some(match SecretKind::from_wire(record.kind)? {
            SecretKind::LoggedMaster => logged(Label::Master, secret)?,
            SecretKind::LoggedServerHandshake => logged(Label::ServerHandshake, secret)?,
            SecretKind::LoggedClientApplication => logged(Label::ClientApplication, secret)?,
            SecretKind::LoggedServerApplication => logged(Label::ServerApplication, secret)?,
            SecretKind::Handshake => Self::Handshake { transcript, secret },
            SecretKind::Application => Self::Application { transcript, secret },
            SecretKind::Early => Self::Early { transcript, secret },
            SecretKind::Master => {
                let (server, client) = data.split_first_chunk::<32>()?;
                Self::Master { client: client.try_into().ok()?, server: *server, secret }
            }
        })
    }
}
