//! Decryption of records with the keys of one direction.

use aes::cipher::{BlockModeDecrypt as _, KeyIvInit as _};
use ring::{aead, hmac};
use zeroize::Zeroize as _;

use super::record::Header;
use super::suite::{Cipher, Mac};
use crate::capture::secret::SecretBytes;

/// Bytes of an authentication tag.
pub(super) const TAG: usize = 16;
/// Bytes of the nonce in a TLS 1.2 record with AES-GCM.
const EXPLICIT: usize = 8;
/// Bytes of a block, and of an initialisation vector, of CBC.
const BLOCK: usize = 16;

/// Keys of one direction. Wiped when dropped.
#[derive(Clone)]
pub(super) struct Keys {
    pub(super) cipher: Cipher,
    key: [u8; 32],
    pub(super) iv: [u8; 12],
    pub(super) mac: Option<SecretBytes>,
    pub(super) is_12: bool,
    pub(super) encrypt_then_mac: bool,
}

/// A key as expanded by the cipher: ten times larger than the key itself.
pub(super) type Expanded = aead::LessSafeKey;

impl Keys {
    pub(super) const fn new(cipher: Cipher) -> Self {
        Self { cipher, key: [0; 32], iv: [0; 12], mac: None, is_12: false, encrypt_then_mac: false }
    }

    pub(super) fn key(&self) -> &[u8] {
        self.key.get(..self.cipher.key_bytes()).unwrap_or_default()
    }

    pub(super) fn key_mut(&mut self) -> &mut [u8] {
        self.key.get_mut(..self.cipher.key_bytes()).unwrap_or_default()
    }

    /// The key for [`Keys::open`]; none for CBC.
    pub(super) fn expand(&self) -> Option<Expanded> {
        let key = aead::UnboundKey::new(self.cipher.aead()?, self.key()).ok()?;
        Some(aead::LessSafeKey::new(key))
    }

    /// Bytes before a record's ciphertext.
    const fn prefix(&self) -> usize {
        match (self.is_12, self.cipher) {
            (true, Cipher::Aes128Gcm | Cipher::Aes256Gcm) => EXPLICIT,
            (_, Cipher::Cbc { .. }) => BLOCK,
            _ => 0,
        }
    }

    /// Bytes of a record that are not content: before and after it, and, in TLS 1.3, the type. For CBC, with the
    /// shortest padding.
    pub(super) const fn overhead(&self) -> usize {
        let after = match self.cipher {
            Cipher::Cbc { mac, .. } => mac.bytes().saturating_add(1),
            Cipher::Aes128Gcm | Cipher::Aes256Gcm | Cipher::ChaCha20Poly1305 => {
                if self.is_12 {
                    TAG
                } else {
                    TAG + 1
                }
            }
        };
        self.prefix().saturating_add(after)
    }

    /// The number in a record that gives its nonce; only in TLS 1.2 with AES-GCM.
    pub(super) fn explicit(&self, payload: &[u8]) -> Option<u64> {
        match (self.is_12, self.cipher) {
            (true, Cipher::Aes128Gcm | Cipher::Aes256Gcm) => {
                payload.first_chunk().copied().map(u64::from_be_bytes)
            }
            _ => None,
        }
    }

    fn nonce(&self, sequence: u64, payload: &[u8]) -> aead::Nonce {
        let mut nonce = self.iv;
        if let Some(explicit) = self.explicit(payload) {
            nonce.iter_mut().skip(4).zip(explicit.to_be_bytes()).for_each(|(to, from)| *to = from);
        } else {
            let sequence = sequence.to_be_bytes();
            nonce.iter_mut().skip(4).zip(sequence).for_each(|(to, from)| *to ^= from);
        }
        aead::Nonce::assume_unique_for_key(nonce)
    }

    /// What is authenticated besides the contents: RFC 8446, section 5.2; RFC 5246, section 6.2.3.3.
    fn associated(&self, sequence: u64, header: Header, contents: usize) -> ([u8; 13], usize) {
        let mut data = [0; 13];
        let mut put = |bytes: &[u8], at: usize| {
            data.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
        };
        if !self.is_12 {
            put(&header.bytes(), 0);
            return (data, 5);
        }
        put(&sequence.to_be_bytes(), 0);
        put(&header.bytes(), 8);
        put(&u16::try_from(contents).unwrap_or_default().to_be_bytes(), 11);
        (data, 13)
    }

    /// Decrypts a whole record in place if its tag is correct; returns the range of its contents, and their type.
    pub(super) fn open(
        &self,
        expanded: Option<&Expanded>,
        sequence: u64,
        header: Header,
        payload: &mut [u8],
    ) -> Option<(std::ops::Range<usize>, u8)> {
        let Some(expanded) = expanded else { return self.open_cbc(sequence, header, payload) };
        let prefix = self.prefix();
        let nonce = self.nonce(sequence, payload);
        let contents = payload.len().checked_sub(prefix)?.checked_sub(TAG)?;
        let (data, length) = self.associated(sequence, header, contents);
        let data = aead::Aad::from(data.get(..length)?);
        let plain = expanded.open_in_place(nonce, data, payload.get_mut(prefix..)?).ok()?;
        if self.is_12 {
            return Some((prefix..prefix.checked_add(plain.len())?, header.kind));
        }
        let end = plain.iter().rposition(|byte| *byte != 0)?;
        let kind = plain.get(end).copied()?;
        Some((0..end, kind))
    }

    /// Decrypts the first bytes of a record in place, without authentication; returns the range of the contents.
    /// AES-GCM and ChaCha20-Poly1305 are stream ciphers, so encryption is decryption.
    pub(super) fn open_prefix(
        &self,
        expanded: Option<&Expanded>,
        sequence: u64,
        header: Header,
        payload: &mut [u8],
    ) -> Option<std::ops::Range<usize>> {
        let prefix = self.prefix();
        let most = usize::from(header.length).saturating_sub(self.overhead());
        let Some(expanded) = expanded else {
            let whole = payload.len().checked_sub(BLOCK)?;
            let whole = whole.saturating_sub(whole % BLOCK);
            self.decrypt_cbc(payload, prefix.checked_add(whole)?)?;
            return Some(prefix..prefix.checked_add(whole.min(most))?);
        };
        let nonce = self.nonce(sequence, payload);
        let there = payload.len().checked_sub(prefix)?.min(most);
        let end = prefix.checked_add(there)?;
        let text = payload.get_mut(prefix..end)?;
        let _tag = expanded.seal_in_place_separate_tag(nonce, aead::Aad::empty(), text).ok()?;
        Some(prefix..end)
    }

    /// Decrypts the blocks between the initialisation vector and `end`.
    fn decrypt_cbc(&self, payload: &mut [u8], end: usize) -> Option<()> {
        let (vector, rest) = payload.split_at_mut_checked(BLOCK)?;
        let vector: &[u8] = vector;
        let text = rest.get_mut(..end.checked_sub(BLOCK)?)?;
        let (blocks, []) = aes::cipher::Block::<aes::Aes128>::slice_as_chunks_mut(text) else { return None };
        match self.cipher.key_bytes() {
            16 => cbc::Decryptor::<aes::Aes128>::new_from_slices(self.key(), vector)
                .ok()?
                .decrypt_blocks(blocks),
            _ => cbc::Decryptor::<aes::Aes256>::new_from_slices(self.key(), vector)
                .ok()?
                .decrypt_blocks(blocks),
        }
        Some(())
    }

    fn open_cbc(
        &self,
        sequence: u64,
        header: Header,
        payload: &mut [u8],
    ) -> Option<(std::ops::Range<usize>, u8)> {
        let Cipher::Cbc { mac, .. } = self.cipher else { return None };
        if self.encrypt_then_mac {
            // RFC 7366, section 3.
            let end = payload.len().checked_sub(mac.bytes())?;
            let (text, tag) = payload.split_at_checked(end)?;
            self.check_mac(mac, sequence, header, text, tag)?;
            self.decrypt_cbc(payload, end)?;
            let end = unpadded(payload.get(..end)?)?;
            return Some((BLOCK..end, header.kind)).filter(|_| end >= BLOCK);
        }
        self.decrypt_cbc(payload, payload.len())?;
        let end = unpadded(payload)?.checked_sub(mac.bytes())?;
        let (text, rest) = payload.split_at_checked(end)?;
        self.check_mac(mac, sequence, header, text.get(BLOCK..)?, rest.get(..mac.bytes())?)?;
        Some((BLOCK..end, header.kind))
    }

    fn check_mac(&self, mac: Mac, sequence: u64, header: Header, text: &[u8], tag: &[u8]) -> Option<()> {
        let key = hmac::Key::new(mac.algorithm(), self.mac.as_ref()?.expose());
        let (data, length) = self.associated(sequence, header, text.len());
        let mut context = hmac::Context::with_key(&key);
        context.update(data.get(..length)?);
        context.update(text);
        (context.sign().as_ref() == tag).then_some(())
    }
}

/// Where the padding of a decrypted record begins.
fn unpadded(text: &[u8]) -> Option<usize> {
    let last = text.last()?;
    let end = text.len().checked_sub(usize::from(*last).saturating_add(1))?;
    text.get(end..)?.iter().all(|byte| byte == last).then_some(end)
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.key.zeroize();
        self.iv.zeroize();
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Keys").field("cipher", &self.cipher).finish_non_exhaustive()
    }
}
