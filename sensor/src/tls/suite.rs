//! Supported cipher suites.

use ring::{aead, digest, hmac};

/// How records are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cipher {
    /// AES in Galois/counter mode.
    Aes128Gcm,
    Aes256Gcm,
    ChaCha20Poly1305,
    /// AES in cipher-block chaining mode, with a message authentication code.
    Cbc {
        key: u8,
        mac: Mac,
    },
}

/// Message authentication codes of suites with CBC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mac {
    Sha1,
    Sha256,
    Sha384,
}

impl Mac {
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }

    pub(super) const fn algorithm(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
        }
    }
}

impl Cipher {
    pub(super) const fn key_bytes(self) -> usize {
        match self {
            Self::Aes128Gcm => 16,
            Self::Aes256Gcm | Self::ChaCha20Poly1305 => 32,
            Self::Cbc { key, .. } => key as usize,
        }
    }

    pub(super) const fn aead(self) -> Option<&'static aead::Algorithm> {
        match self {
            Self::Aes128Gcm => Some(&aead::AES_128_GCM),
            Self::Aes256Gcm => Some(&aead::AES_256_GCM),
            Self::ChaCha20Poly1305 => Some(&aead::CHACHA20_POLY1305),
            Self::Cbc { .. } => None,
        }
    }
}

/// A suite: the cipher, and the hash of the key schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suite {
    pub(super) cipher: Cipher,
    pub(super) hash: Hash,
}

/// The hash of a key schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha384,
}

impl Hash {
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }

    pub(super) const fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
        }
    }

    pub(super) const fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
        }
    }
}

impl Suite {
    /// The suite with a number in a protocol version.
    pub(super) const fn new(version: u16, number: u16) -> Option<Self> {
        let (cipher, hash) = match (version, number) {
            (0x0304, 0x1301) => (Cipher::Aes128Gcm, Hash::Sha256),
            (0x0304, 0x1302) => (Cipher::Aes256Gcm, Hash::Sha384),
            (0x0304, 0x1303) => (Cipher::ChaCha20Poly1305, Hash::Sha256),
            // RSA, DHE_RSA, DH_anon, ECDHE_ECDSA, ECDHE_RSA, PSK, DHE_PSK, RSA_PSK.
            (0x0303, 0x009c | 0x009e | 0x00a6 | 0xc02b | 0xc02f | 0x00a8 | 0x00aa | 0x00ac) => {
                (Cipher::Aes128Gcm, Hash::Sha256)
            }
            (0x0303, 0x009d | 0x009f | 0x00a7 | 0xc02c | 0xc030 | 0x00a9 | 0x00ab | 0x00ad) => {
                (Cipher::Aes256Gcm, Hash::Sha384)
            }
            // ECDHE_RSA, ECDHE_ECDSA, DHE_RSA, PSK, ECDHE_PSK, DHE_PSK, RSA_PSK.
            (0x0303, 0xcca8..=0xccae) => (Cipher::ChaCha20Poly1305, Hash::Sha256),
            (0x0303, 0x002f | 0x0032 | 0x0033 | 0x0034 | 0xc009 | 0xc013 | 0xc018) => {
                (Cipher::Cbc { key: 16, mac: Mac::Sha1 }, Hash::Sha256)
            }
            (0x0303, 0x0035 | 0x0038 | 0x0039 | 0x003a | 0xc00a | 0xc014 | 0xc019) => {
                (Cipher::Cbc { key: 32, mac: Mac::Sha1 }, Hash::Sha256)
            }
            (0x0303, 0x003c | 0x0040 | 0x0067 | 0x006c | 0xc023 | 0xc027) => {
                (Cipher::Cbc { key: 16, mac: Mac::Sha256 }, Hash::Sha256)
            }
            (0x0303, 0x003d | 0x006a | 0x006b | 0x006d) => {
                (Cipher::Cbc { key: 32, mac: Mac::Sha256 }, Hash::Sha256)
            }
            (0x0303, 0xc024 | 0xc028) => (Cipher::Cbc { key: 32, mac: Mac::Sha384 }, Hash::Sha384),
            _ => return None,
        };
        Some(Self { cipher, hash })
    }
}
