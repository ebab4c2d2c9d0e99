//! Secrets of TLS sessions, as reported by the probe in the servers' library.

use bytemuck::{Pod, Zeroable};

/// What the library derived, and what identifies the connection in user space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum SecretKind {
    /// TLS 1.3: the handshake secret, and the transcript hash of the hellos.
    Handshake = 1,
    /// TLS 1.3: the master secret, and the transcript hash up to the server's Finished.
    Application = 2,
    /// TLS 1.3: the early secret, and the hash of the ClientHello.
    Early = 3,
    /// TLS 1.2: the master secret, and the random values of server and client.
    Master = 4,
    /// From here on as in a key log, each with the client's random value. TLS 1.2: the master secret.
    LoggedMaster = 5,
    /// TLS 1.3: the server's secret for handshake messages.
    LoggedServerHandshake = 6,
    /// TLS 1.3: the client's secret for application data.
    LoggedClientApplication = 7,
    /// TLS 1.3: the server's secret for application data.
    LoggedServerApplication = 8,
}

impl SecretKind {
    /// Decodes the wire form.
    #[must_use]
    pub const fn from_wire(kind: u32) -> Option<Self> {
        match kind {
            1 => Some(Self::Handshake),
            2 => Some(Self::Application),
            3 => Some(Self::Early),
            4 => Some(Self::Master),
            5 => Some(Self::LoggedMaster),
            6 => Some(Self::LoggedServerHandshake),
            7 => Some(Self::LoggedClientApplication),
            8 => Some(Self::LoggedServerApplication),
            _ => None,
        }
    }
}

/// Longest secret or hash.
pub const SECRET_BYTES: usize = 48;

/// One secret.
#[derive(Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct SecretRecord {
    /// A [`SecretKind`].
    pub kind: u32,
    /// Bytes of `secret` in use.
    pub secret_length: u16,
    /// Bytes of `data` in use.
    pub data_length: u16,
    /// The secret.
    pub secret: [u8; SECRET_BYTES],
    /// A hash; or both random values, the server's first; or the client's random value.
    pub data: [u8; 64],
}

/// What the probe counts, by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum SecretEvent {
    /// Secrets handed on.
    Sent = 0,
    /// Calls by processes that serve no watched port.
    Filtered = 1,
    /// Calls whose arguments could not be read.
    Unread = 2,
    /// Secrets lost because the ring buffer was full.
    Lost = 3,
}

/// Counters of the probe.
pub const SECRET_EVENTS: u32 = 4;

/// Names of its maps and programs.
pub mod secrets {
    /// Ring buffer of [`super::SecretRecord`].
    pub const RING: &str = "SECRETS";
    /// Control groups whose processes are probed.
    pub const CGROUPS: &str = "CGROUPS";
    /// Per-CPU counters, by [`super::SecretEvent`].
    pub const EVENTS: &str = "SECRET_EVENTS";
    /// The probe at `EVP_KDF_derive` of OpenSSL 3 and later.
    pub const DERIVE: &str = "sensor_derive";
    /// The probe at `EVP_PKEY_derive` of OpenSSL 1.1.1.
    pub const DERIVE_111: &str = "sensor_derive_111";
    /// The probe at `crypto/tls.(*Config).writeKeyLog` of Go.
    pub const GO_KEY_LOG: &str = "sensor_go_key_log";
}
