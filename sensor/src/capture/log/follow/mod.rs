//! A log, followed while its server writes, rotates and truncates it.
//!
//! A file is known by its inode, not by its name, so that what a server still writes to a file that was renamed is read
//! too. What was read is known by the offset behind the last whole line and a hash of the bytes before it: if they are no
//! longer there, the file was truncated, or another one has got its inode.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::libc::O_NONBLOCK;
use serde::{Deserialize, Serialize};

use super::MAX_LINE;

/// Bytes read at once: there is always a whole line among them, or one that is too long.
pub const CHUNK: usize = MAX_LINE << 1;
/// Bytes whose hash shows that the file is still the one that was read. A line with its time is hardly shorter.
const WITNESS: usize = 256;
/// How long a server may write to a file that was renamed: nginx's workers reopen theirs at once, Apache's finish their
/// requests first.
const GRACE: Duration = Duration::from_secs(30);
/// Most files of one log that are read at a time. Rotation faster than this many in [`GRACE`] is no rotation.
const MAX_FILES: usize = 8;
/// Most entries of the directory that are looked at for rotated files.
const MAX_ENTRIES: usize = 4_096;

/// How far a file was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    inode: u64,
    /// Behind the last whole line.
    offset: u64,
    /// Hash of the bytes before it.
    witness: u64,
    /// Within a line that is too long.
    #[serde(default)]
    skips: bool,
}

/// What a step found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Whole lines, with their ends, in this many bytes of the buffer from this one on.
    Lines(usize, usize),
    /// A line that is too long, or the rest of one that nobody will finish.
    Refused,
    /// Part of a line that is too long.
    Skipped,
}

/// What happened to the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turns {
    /// The name got another file.
    pub rotations: u64,
    /// A file became shorter.
    pub truncations: u64,
    /// Of both, those before which something was not read yet, or may have been.
    pub gaps: u64,
}

/// The files of a log.
pub struct Follower {
    path: PathBuf,
    /// The oldest first; the last one has the name, or had it last.
    files: VecDeque<Opened>,
    /// Whether the first file is read from its beginning.
    continues: bool,
    turns: Turns,
    trouble: Option<(ErrorKind, String)>,
}

struct Opened {
    file: File,
    id: (u64, u64),
    position: Position,
    /// When it was last seen to be as long as this.
    size: u64,
    /// When it lost its name, or was last written after that.
    aside: Option<Duration>,
}

impl Follower {
    /// Follows the file with this name: from where an earlier run stopped, or else from its present end. `now` is on any
    /// clock that does not go back.
    #[must_use]
    pub fn new(path: &Path, earlier: Option<&[Position]>, now: Duration) -> Self {
        let mut follower = Self {
            path: path.to_owned(),
            files: VecDeque::new(),
            continues: earlier.is_some(),
            turns: Turns::default(),
            trouble: None,
        };
        follower.resume(earlier.unwrap_or_default(), now);
        follower.look(now);
        // What comes later is new.
        follower.continues = true;
        follower
    }

    /// How far the files were read, the oldest first.
    #[must_use]
    pub fn positions(&self) -> Vec<Position> {
        self.files.iter().map(|opened| opened.position).collect()
    }

    /// What happened to the files.
    #[must_use]
    pub const fn turns(&self) -> Turns {
        self.turns
    }

    /// Why the file cannot be read.
    #[must_use]
    pub fn trouble(&self) -> Option<(ErrorKind, &str)> {
        self.trouble.as_ref().map(|(kind, text)| (*kind, text.as_str()))
    }

    /// Bytes that were there and not read when the files were last looked at.
    #[must_use]
    pub fn unread(&self) -> u64 {
        self.files
            .iter()
            .fold(0, |sum, opened| sum.saturating_add(opened.size.saturating_sub(opened.position.offset)))
    }

    /// Reads on; none if there is nothing to read now. The buffer has [`CHUNK`] bytes.
    pub fn step(&mut self, buffer: &mut [u8], now: Duration) -> Option<Step> {
        self.look(now);
        let mut place = 0;
        while let Some(opened) = self.files.get_mut(place) {
            match opened.read(buffer, &mut self.turns) {
                Ok(Some(step)) => {
                    opened.aside = opened.aside.map(|_| now);
                    return Some(step);
                }
                Ok(None) => {}
                Err(error) => self.trouble = Some((error.kind(), error.to_string())),
            }
            let is_over = opened.aside.is_some_and(|since| now.saturating_sub(since) >= GRACE);
            let has_rest = opened.size > opened.position.offset && !opened.position.skips;
            if is_over {
                self.files.remove(place);
                if has_rest {
                    return Some(Step::Refused);
                }
            } else {
                place = place.saturating_add(1);
            }
        }
        None
    }

    /// Opens the file that has the name now, and those that had it since.
    fn look(&mut self, now: Duration) {
        let about = match fs::metadata(&self.path) {
            Ok(about) => about,
            Err(error) => return self.trouble = Some((error.kind(), error.to_string())),
        };
        if self.files.back().is_some_and(|last| last.id == id_of(&about)) {
            return;
        }
        if self.files.len() >= MAX_FILES {
            // The oldest are read to their end first; they are not lost meanwhile.
            return;
        }
        match Opened::open(&self.path) {
            Ok(mut opened) => {
                self.trouble = None;
                if self.continues {
                    self.turns.rotations =
                        self.turns.rotations.saturating_add(u64::from(!self.files.is_empty()));
                } else {
                    opened.go_to_end();
                }
                self.open_missed(&about, now);
                self.files.iter_mut().for_each(|older| {
                    older.aside.get_or_insert(now);
                });
                self.files.push_back(opened);
            }
            Err(error) => self.trouble = Some((error.kind(), error.to_string())),
        }
    }

    /// Opens what had the name and lost it unseen: files with numbers or dates behind it that were written later than
    /// the last one that is known.
    fn open_missed(&mut self, current: &Metadata, now: Duration) {
        let Some(last) = self.files.back().and_then(|last| last.file.metadata().ok()) else { return };
        let Some(since) = last.modified().ok() else { return };
        let known: Vec<(u64, u64)> = self.files.iter().map(|opened| opened.id).collect();
        let mut missed: Vec<(SystemTime, PathBuf)> = self
            .siblings()
            .filter_map(|path| {
                let about = fs::metadata(&path).ok().filter(Metadata::is_file)?;
                let modified = about.modified().ok().filter(|modified| *modified >= since)?;
                let id = id_of(&about);
                (id != id_of(current) && !known.contains(&id)).then_some((modified, path))
            })
            .collect();
        missed.sort();
        for (_, path) in missed.into_iter().take(MAX_FILES.saturating_sub(self.files.len())) {
            let Ok(opened) = Opened::open(&path) else { continue };
            self.turns.rotations = self.turns.rotations.saturating_add(1);
            self.files.push_back(Opened { aside: Some(now), ..opened });
        }
    }

    /// Finds the files that an earlier run was reading.
    fn resume(&mut self, earlier: &[Position], now: Duration) {
        for position in earlier.iter().take(MAX_FILES) {
            let places = std::iter::once(self.path.clone()).chain(self.siblings());
            let is_it = |path: &PathBuf| fs::metadata(path).is_ok_and(|about| about.ino() == position.inode);
            let found = places.filter(is_it).find_map(|path| Some((Opened::open(&path).ok()?, path)));
            let Some((opened, path)) = found else {
                self.turns.gaps = self.turns.gaps.saturating_add(1);
                continue;
            };
            let aside = (path != self.path).then_some(now);
            if opened.agrees(position) {
                self.files.push_back(Opened { position: *position, aside, ..opened });
            } else {
                // Emptied and written again, or a newer file with the same number. Either way, it is new.
                self.turns.truncations = self.turns.truncations.saturating_add(1);
                self.turns.gaps = self.turns.gaps.saturating_add(1);
                self.files.push_back(Opened { aside, ..opened });
            }
        }
    }

    /// Files beside this one with its name and a number or a date behind it, uncompressed.
    fn siblings(&self) -> impl Iterator<Item = PathBuf> + use<> {
        let path = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        let name = path.file_name().unwrap_or_default().as_encoded_bytes().to_owned();
        let entries = path.parent().and_then(|directory| fs::read_dir(directory).ok());
        entries.into_iter().flatten().take(MAX_ENTRIES).flatten().map(|entry| entry.path()).filter(
            move |path| {
                let other = path.file_name().unwrap_or_default().as_encoded_bytes();
                other.strip_prefix(name.as_slice()).is_some_and(|rest| {
                    matches!(rest, [b'.' | b'-', _, ..])
                        && rest
                            .iter()
                            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_' | b'T'))
                })
            },
        )
    }
}

impl Opened {
    fn open(path: &Path) -> io::Result<Self> {
        // Without waiting for the other end of a pipe.
        let file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path)?;
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let position = Position { inode: about.ino(), witness: hash(&[]), ..Position::default() };
        Ok(Self { file, id: id_of(&about), position, size: about.len(), aside: None })
    }

    /// Skips what is there, up to the last end of a line.
    fn go_to_end(&mut self) {
        let from = self.size.saturating_sub(CHUNK as u64);
        let mut tail = vec![0; usize::try_from(self.size.saturating_sub(from)).unwrap_or_default()];
        let read = read_at(&self.file, &mut tail, from).unwrap_or_default();
        let whole = tail.get(..read).and_then(|read| memchr::memrchr(b'\n', read));
        let end = whole.map_or(0, |place| place.saturating_add(1));
        self.position.skips = end == 0 && from > 0;
        self.position.offset = if self.position.skips { self.size } else { from.saturating_add(end as u64) };
        self.position.witness = self.witness(self.position.offset);
    }

    fn witness(&self, offset: u64) -> u64 {
        let mut before = [0; WITNESS];
        let from = offset.saturating_sub(WITNESS as u64);
        let length = usize::try_from(offset.saturating_sub(from)).unwrap_or_default();
        let Some(before) = before.get_mut(..length) else { return 0 };
        let read = read_at(&self.file, before, from).unwrap_or_default();
        hash(before.get(..read).unwrap_or_default())
    }

    /// Whether what was read up to there is what this file has there.
    fn agrees(&self, position: &Position) -> bool {
        self.file.metadata().is_ok_and(|about| about.len() >= position.offset)
            && self.witness(position.offset) == position.witness
    }

    fn read(&mut self, buffer: &mut [u8], turns: &mut Turns) -> io::Result<Option<Step>> {
        let size = self.file.metadata()?.len();
        if !self.agrees(&self.position) {
            turns.truncations = turns.truncations.saturating_add(1);
            turns.gaps = turns.gaps.saturating_add(u64::from(self.size > self.position.offset));
            self.position = Position { offset: 0, witness: hash(&[]), skips: false, ..self.position };
        }
        self.size = size;
        let read = read_at(&self.file, buffer, self.position.offset)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        let Some(end) = memchr::memrchr(b'\n', bytes).map(|place| place.saturating_add(1)) else {
            if read <= MAX_LINE {
                return Ok(None);
            }
            let is_known = std::mem::replace(&mut self.position.skips, true);
            self.move_to(bytes);
            return Ok(Some(if is_known { Step::Skipped } else { Step::Refused }));
        };
        let whole = bytes.get(..end).unwrap_or_default();
        let is_rest = std::mem::take(&mut self.position.skips);
        let first = memchr::memchr(b'\n', whole).filter(|_| is_rest);
        let from = first.map_or(0, |place| place.saturating_add(1));
        self.move_to(whole);
        Ok(Some(Step::Lines(from, end.saturating_sub(from))))
    }

    /// These bytes were read.
    fn move_to(&mut self, bytes: &[u8]) {
        self.position.offset = self.position.offset.saturating_add(bytes.len() as u64);
        self.position.witness = match bytes.len().checked_sub(WITNESS) {
            Some(from) => hash(bytes.get(from..).unwrap_or_default()),
            None => self.witness(self.position.offset),
        };
    }
}

fn id_of(about: &Metadata) -> (u64, u64) {
    (about.dev(), about.ino())
}

/// Reads until the buffer is full or the file ends.
fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0_usize;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset.saturating_add(done as u64)) {
            Ok(0) => break,
            Ok(count) => done = done.saturating_add(count),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// The same in every run and version: it is stored.
fn hash(bytes: &[u8]) -> u64 {
    let hash = blake3::hash(bytes);
    hash.as_bytes().first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}
