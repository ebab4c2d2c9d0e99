//! The key schedules of TLS 1.3 (RFC 8446, section 7) and 1.2 (RFC 5246, section 6.3).

use ring::{digest, hkdf, hmac};
use zeroize::Zeroizing;

use super::keys::Keys;
use super::suite::{Cipher, Hash, Suite};
use crate::capture::secret::{Random, SecretBytes};

/// Length of a derived value, for `ring`.
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

const fn hkdf_algorithm(hash: Hash) -> hkdf::Algorithm {
    match hash {
        Hash::Sha256 => hkdf::HKDF_SHA256,
        Hash::Sha384 => hkdf::HKDF_SHA384,
    }
}

/// HKDF-Expand-Label; fills `out`. None if a length is invalid in the protocol.
fn expand(hash: Hash, secret: &[u8], label: &[u8], context: &[u8], out: &mut [u8]) -> Option<()> {
    let length = u16::try_from(out.len()).ok()?.to_be_bytes();
    let label_length = [u8::try_from(label.len()).ok()?.checked_add(6)?];
    let context_length = [u8::try_from(context.len()).ok()?];
    let info: [&[u8]; 6] = [&length, &label_length, b"tls13 ", label, &context_length, context];
    let key = hkdf::Prk::new_less_safe(hkdf_algorithm(hash), secret);
    key.expand(&info, Length(out.len())).and_then(|derived| derived.fill(out)).ok()
}

/// A secret of the same hash.
fn derive(hash: Hash, secret: &[u8], label: &[u8], context: &[u8]) -> Option<SecretBytes> {
    let mut bytes = Zeroizing::new([0; 48]);
    let out = bytes.get_mut(..hash.bytes())?;
    expand(hash, secret, label, context, out)?;
    SecretBytes::new(out)
}

/// The master secret derived from the handshake secret.
pub(super) fn master(hash: Hash, handshake: &SecretBytes) -> Option<SecretBytes> {
    let empty = digest::digest(hash.digest(), b"");
    let salt = derive(hash, handshake.expose(), b"derived", empty.as_ref())?;
    let zeros = [0; 48];
    let key = hmac::Key::new(hash.hmac(), salt.expose());
    SecretBytes::new(hmac::sign(&key, zeros.get(..hash.bytes())?).as_ref())
}

/// A traffic secret: `c e`, `s hs`, `c ap` or `s ap`.
pub(super) fn traffic(
    hash: Hash,
    secret: &SecretBytes,
    who: &[u8],
    transcript: &[u8],
) -> Option<SecretBytes> {
    let mut label = [0; 16];
    let length = who.len().checked_add(8)?;
    label.get_mut(..who.len())?.copy_from_slice(who);
    label.get_mut(who.len()..length)?.copy_from_slice(b" traffic");
    derive(hash, secret.expose(), label.get(..length)?, transcript)
}

/// The next traffic secret, after a KeyUpdate.
pub(super) fn update(hash: Hash, secret: &SecretBytes) -> Option<SecretBytes> {
    derive(hash, secret.expose(), b"traffic upd", &[])
}

/// The keys derived from a traffic secret.
pub(super) fn keys(suite: Suite, secret: &SecretBytes) -> Option<Keys> {
    // A secret of another length belongs to another suite.
    if secret.expose().len() != suite.hash.bytes() {
        return None;
    }
    let mut keys = Keys::new(suite.cipher);
    expand(suite.hash, secret.expose(), b"key", &[], keys.key_mut())?;
    expand(suite.hash, secret.expose(), b"iv", &[], &mut keys.iv)?;
    Some(keys)
}

/// The same cipher's keys from another secret.
pub(super) fn rekey(hash: Hash, keys: &Keys, secret: &SecretBytes) -> Option<Keys> {
    self::keys(Suite { cipher: keys.cipher, hash }, secret)
}

/// Both sides' TLS 1.2 keys: the client's, the server's.
pub(super) fn keys_12(
    suite: Suite,
    master: &SecretBytes,
    (client, server): (&Random, &Random),
    encrypt_then_mac: bool,
) -> Option<(Keys, Keys)> {
    let (mac, fixed) = match suite.cipher {
        Cipher::Aes128Gcm | Cipher::Aes256Gcm => (0, 4),
        Cipher::ChaCha20Poly1305 => (0, 12),
        Cipher::Cbc { mac, .. } => (mac.bytes(), 0),
    };
    let key = suite.cipher.key_bytes();
    // At most two codes of 48 bytes, two keys of 32 and two vectors of 12.
    let mut block = Zeroizing::new([0; 192]);
    let mut seed = [0; 64];
    seed.iter_mut().zip(server.iter().chain(client)).for_each(|(to, from)| *to = *from);
    prf(suite.hash, master, b"key expansion", &seed, &mut *block);
    let mut rest: &[u8] = &*block;
    let mut part = |length: usize| -> Option<&[u8]> {
        let (part, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(part)
    };
    let macs = [part(mac)?, part(mac)?];
    let enciphering = [part(key)?, part(key)?];
    let vectors = [part(fixed)?, part(fixed)?];
    let side = |mac: &[u8], key: &[u8], vector: &[u8]| {
        let mut keys = Keys::new(suite.cipher);
        keys.key_mut().copy_from_slice(key);
        keys.iv.iter_mut().zip(vector).for_each(|(to, from)| *to = *from);
        keys.mac = SecretBytes::new(mac).filter(|_| !mac.is_empty());
        keys.is_12 = true;
        keys.encrypt_then_mac = encrypt_then_mac;
        keys
    };
    let ([mac_c, mac_s], [key_c, key_s], [iv_c, iv_s]) = (macs, enciphering, vectors);
    Some((side(mac_c, key_c, iv_c), side(mac_s, key_s, iv_s)))
}

/// P_hash of RFC 5246, section 5.
fn prf(hash: Hash, secret: &SecretBytes, label: &[u8], seed: &[u8], out: &mut [u8]) {
    let key = hmac::Key::new(hash.hmac(), secret.expose());
    let sign = |parts: [&[u8]; 3]| {
        let mut context = hmac::Context::with_key(&key);
        parts.iter().for_each(|part| context.update(part));
        context.sign()
    };
    let mut state = sign([label, seed, &[]]);
    for chunk in out.chunks_mut(hash.bytes()) {
        let block = sign([state.as_ref(), label, seed]);
        chunk.iter_mut().zip(block.as_ref()).for_each(|(to, from)| *to = *from);
        state = sign([state.as_ref(), &[], &[]]);
    }
}
