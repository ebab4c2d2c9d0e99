//! Whether a password is in a list of leaked ones.
//!
//! The list is the operator's: one line for each password, `HASH:COUNT`, sorted by hash, as the public lists of leaked
//! passwords are. The hash is SHA-1 in 40 hexadecimal digits, or that of NTLM (MD4 of UTF-16, RFC 1320) in 32. It is
//! searched where it lies; nothing of it is loaded. The daemon looks up on a thread of its own ([`aside`]); a replay
//! waits, so that the same capture gives the same records.
//!
//! Architecture invariant: a password's digest without a key is computed for the current exchange, and wiped with it, or
//! once it was looked up. What is kept is whether a keyed hash was found.

mod aside;

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use md4::{Digest as _, Md4};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use zeroize::Zeroizing;

use aside::Aside;

use super::hash::{Hasher, KeyedHash};
use crate::values::hex_pair;

/// Longest line, with its count: 40 digits, a colon, a number, a line break.
const MAX_LINE: usize = 80;
/// What is read at once to find a line, and once the place is known well enough.
const STEP: usize = 2 * MAX_LINE;
const BLOCK: u64 = 4_096;
/// Steps by the value of the hash, which is nearly where it lies in a list of equally distributed ones. What is not found
/// by then is found by halving, so that no list needs more than about 50 reads.
const GUESSES: u32 = 8;
/// Passwords that are remembered, whether they were found: credentials that come with each request are looked up once.
const KNOWN: usize = 8_192;
/// Digests of one exchange: its attempts, and positional values that may be passwords.
const DIGESTS: usize = 512;

/// How the list is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Sha1,
    Ntlm,
}

type Digest = Zeroizing<[u8; 20]>;

impl Algorithm {
    const fn digits(self) -> usize {
        match self {
            Self::Sha1 => 40,
            Self::Ntlm => 32,
        }
    }

    /// Of a password; nothing where it has none because it is not text.
    fn digest(self, password: &[u8]) -> Option<Digest> {
        let mut out = Digest::default();
        match self {
            Self::Sha1 => out.copy_from_slice(digest(&SHA1_FOR_LEGACY_USE_ONLY, password).as_ref()),
            Self::Ntlm => {
                let text = str::from_utf8(password).ok()?;
                let wide: Zeroizing<Vec<u8>> =
                    Zeroizing::new(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
                out.first_chunk_mut::<16>()?.copy_from_slice(&Md4::digest(&wide));
            }
        }
        Some(out)
    }
}

/// A list of leaked passwords.
#[derive(Debug)]
pub struct Leaked {
    path: PathBuf,
    file: File,
    length: u64,
    algorithm: Algorithm,
    /// Inode and time of the last change: the same file.
    identity: (u64, i64),
}

impl PartialEq for Leaked {
    fn eq(&self, other: &Self) -> bool {
        (&self.path, self.length, self.identity) == (&other.path, other.length, other.identity)
    }
}

impl Eq for Leaked {}

impl Leaked {
    /// Opens a list, and checks that it is one: by its first line, and by the order of some more.
    ///
    /// # Errors
    /// If it cannot be read, or is not such a list.
    pub fn open(path: &Path) -> Result<Self, String> {
        let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let file = File::open(path).map_err(|error| named(&error))?;
        let about = file.metadata().map_err(|error| named(&error))?;
        if !about.is_file() {
            return Err(named(&"it is no file"));
        }
        let mut head = [0; STEP];
        let read = file.read_at(&mut head, 0).map_err(|error| named(&error))?;
        let line =
            head.get(..read).unwrap_or_default().split(|byte| *byte == b'\n').next().unwrap_or_default();
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let algorithm = match digits {
            40 => Algorithm::Sha1,
            32 => Algorithm::Ntlm,
            _ => {
                return Err(named(
                    &"expected lines such as HASH:COUNT with SHA-1 or NTLM hashes in hexadecimal",
                ));
            }
        };
        let identity = (about.ino(), about.mtime());
        let list = Self { path: path.to_owned(), file, length: about.len(), algorithm, identity };
        if list.is_sorted().map_err(|error| named(&error))? {
            Ok(list)
        } else {
            Err(named(&"it is not sorted by hash"))
        }
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether lines at a hundred places are in order.
    fn is_sorted(&self) -> io::Result<bool> {
        let mut before = Digest::default();
        for place in 0..100_u64 {
            let at = self.length.saturating_mul(place) / 100;
            let Some((_, hash)) = self.line(at)? else { continue };
            if *hash < *before {
                return Ok(false);
            }
            before = hash;
        }
        Ok(true)
    }

    /// The first line that begins at `from` or later, and its hash; none at the end.
    fn line(&self, from: u64) -> io::Result<Option<(u64, Digest)>> {
        // The byte before tells whether a line begins here.
        let start = from.saturating_sub(1);
        let mut bytes = [0; STEP];
        let read = self.read(&mut bytes, start)?;
        let bytes = bytes.get(..read).unwrap_or_default();
        let skip =
            if from == 0 { Some(0) } else { memchr::memchr(b'\n', bytes).map(|at| at.saturating_add(1)) };
        let Some(line) = skip.and_then(|skip| bytes.get(skip..)).filter(|line| !line.is_empty()) else {
            // A line that is longer than any may be: not a list, or not any longer.
            let is_end = start.saturating_add(read as u64) >= self.length;
            return if is_end { Ok(None) } else { Err(io::ErrorKind::InvalidData.into()) };
        };
        let at = start.saturating_add(skip.unwrap_or_default() as u64);
        Ok(Some((at, self.hash(line).ok_or(io::ErrorKind::InvalidData)?)))
    }

    fn read(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let mut read = 0_usize;
        while let Some(rest) = into.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, at.saturating_add(read as u64))? {
                0 => break,
                more => read = read.saturating_add(more),
            }
        }
        Ok(read)
    }

    /// The hash that a line begins with.
    fn hash(&self, line: &[u8]) -> Option<Digest> {
        let mut hash = Digest::default();
        let (pairs, _) = line.get(..self.algorithm.digits())?.as_chunks::<2>();
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            *byte = hex_pair(*high, *low)?;
        }
        Some(hash)
    }

    /// Whether the list has a digest.
    fn has(&self, wanted: &Digest) -> io::Result<bool> {
        // Lines that may be it begin at `low` or later, and before `high`.
        let (mut low, mut high) = (0_u64, self.length);
        let mut bounds = (0_u64, u64::MAX);
        let target = prefix(wanted);
        let mut steps = 0_u32;
        while high.saturating_sub(low) > BLOCK {
            let room = high.saturating_sub(low);
            let at = if steps < GUESSES { guess(target, bounds, room) } else { room / 2 };
            steps = steps.saturating_add(1);
            let at = low.saturating_add(at);
            let Some((begins, hash)) = self.line(at)? else {
                high = at;
                continue;
            };
            match (*wanted).cmp(&*hash) {
                std::cmp::Ordering::Equal => return Ok(true),
                std::cmp::Ordering::Less => (high, bounds.1) = (at, prefix(&hash)),
                std::cmp::Ordering::Greater => (low, bounds.0) = (begins.saturating_add(1), prefix(&hash)),
            }
        }
        let mut at = low;
        while at < high {
            let Some((begins, hash)) = self.line(at)? else { return Ok(false) };
            match (*wanted).cmp(&*hash) {
                std::cmp::Ordering::Equal => return Ok(true),
                std::cmp::Ordering::Less => return Ok(false),
                std::cmp::Ordering::Greater => at = begins.saturating_add(1),
            }
        }
        Ok(false)
    }
}

fn prefix(digest: &Digest) -> u64 {
    digest.first_chunk().copied().map_or(0, u64::from_be_bytes)
}

/// Where a hash lies in a room between two others, if they are equally distributed; never close to its ends, so that each
/// step removes a part of it.
fn guess(target: u64, (low, high): (u64, u64), room: u64) -> u64 {
    let wide = u128::from(high.saturating_sub(low)).max(1);
    let share = u128::from(target.saturating_sub(low)).saturating_mul(room.into());
    let at = u64::try_from(share.checked_div(wide).unwrap_or_default()).unwrap_or(u64::MAX);
    let margin = (room / 64).max(1);
    at.clamp(margin, room.saturating_sub(margin))
}

/// The digests of the passwords of an exchange.
pub(super) struct Digests {
    algorithm: Algorithm,
    of: Vec<(KeyedHash, Digest)>,
}

impl Digests {
    pub(super) const fn new(algorithm: Algorithm) -> Self {
        Self { algorithm, of: Vec::new() }
    }

    /// A password and its keyed hash.
    pub(super) fn note(&mut self, hash: KeyedHash, password: &[u8]) {
        if self.of.len() < DIGESTS
            && !self.of.iter().any(|(known, _)| *known == hash)
            && let Some(digest) = self.algorithm.digest(password)
        {
            self.of.push((hash, digest));
        }
    }

    pub(super) fn of(&self, hash: KeyedHash) -> Option<Digest> {
        self.of.iter().find(|(known, _)| *known == hash).map(|(_, digest)| digest.clone())
    }

    /// Wipes them.
    pub(super) fn forget(&mut self) {
        self.of.clear();
    }
}

/// Looks up passwords, and remembers what was found.
pub(super) struct Leaks {
    list: Option<Arc<Leaked>>,
    aside: Option<Aside>,
    known: HashMap<KeyedHash, bool>,
    /// Look-ups that failed: the list could not be read, or is none any longer, or too many waited.
    failed: u64,
}

impl Leaks {
    pub(super) fn new(list: Option<Arc<Leaked>>) -> Self {
        Self { list, aside: None, known: HashMap::default(), failed: 0 }
    }

    /// Looks up on a thread of its own from now on.
    pub(super) fn move_aside(&mut self) -> io::Result<()> {
        self.aside = self.list.clone().map(Aside::start).transpose()?;
        Ok(())
    }

    /// Whether a password is in the list; none without a list, if that cannot be said, or if it is not known yet.
    pub(super) fn has(&mut self, password: KeyedHash, hasher: &Hasher) -> Option<bool> {
        let list = self.list.as_ref()?;
        if let Some(known) = self.known.get(&password) {
            return Some(*known);
        }
        let digest = hasher.digest(password)?;
        if let Some(aside) = &mut self.aside {
            let is_lost = !aside.ask(password, digest);
            self.failed = self.failed.saturating_add(is_lost.into());
            return None;
        }
        let found = list.has(&digest).inspect_err(|_| self.failed = self.failed.saturating_add(1)).ok()?;
        self.remember(password, found);
        Some(found)
    }

    fn remember(&mut self, password: KeyedHash, found: bool) {
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        self.known.insert(password, found);
    }

    /// Whether an answer about a password will come.
    pub(super) fn awaits(&self, password: KeyedHash) -> bool {
        self.aside.as_ref().is_some_and(|aside| aside.awaits(password))
    }

    /// The next answer that has come: a password, and whether the list has it; none if that could not be said.
    pub(super) fn answer(&mut self) -> Option<(KeyedHash, Option<bool>)> {
        let (password, found) = self.aside.as_mut()?.answer()?;
        match found {
            Some(found) => self.remember(password, found),
            None => self.failed = self.failed.saturating_add(1),
        }
        Some((password, found))
    }

    /// Whether there is a list.
    pub(super) const fn is_there(&self) -> bool {
        self.list.is_some()
    }

    /// Look-ups that failed.
    pub(super) const fn failed(&self) -> u64 {
        self.failed
    }
}

impl Leaked {
    /// How its passwords are hashed.
    pub(super) const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

#[cfg(test)]
mod tests;
