//! TLS libraries on this host, and the offset for a probe in each.

use std::collections::HashSet;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use object::elf::{SHN_UNDEF, SHT_DYNSYM, SHT_SYMTAB, Sym64};
use object::read::elf::{ElfFile64, SectionHeader as _, Sym as _};
use object::{Endianness, Object as _, ObjectSegment as _, ReadRef};

use super::go;
use super::lookout::Found;

/// The function that derives secrets in OpenSSL 3 and later.
const DERIVE: &[u8] = b"EVP_KDF_derive";
/// The one of OpenSSL 1.1.1, which later versions have, too, and another that tells it from BoringSSL, whose structures
/// differ.
const DERIVE_111: &[u8] = b"EVP_PKEY_derive";
const ONLY_OPENSSL: &[u8] = b"EVP_PKEY_meth_set_derive";
/// The one that a Go program calls with each secret, whether or not there is a key log.
const WRITE_KEY_LOG: &[u8] = b"crypto/tls.(*Config).writeKeyLog";
/// Where distributions keep the library.
const DIRECTORIES: [&str; 6] = [
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/lib64",
    "/usr/local/lib64",
];
/// Names that it goes by.
const NAMES: [&str; 3] = ["libcrypto.so.3", "libcrypto.so.4", "libcrypto.so.1.1"];
/// Programs that bring the library themselves, where distributions and their makers' packages install them. They are
/// looked at though no server of theirs runs yet: once the daemon is confined, it can no longer look at processes.
const PROGRAMS: [&str; 7] = [
    "/usr/bin/node",
    "/usr/local/bin/node",
    "/usr/bin/nodejs",
    "/usr/bin/caddy",
    "/usr/local/bin/caddy",
    "/usr/bin/traefik",
    "/usr/local/bin/traefik",
];
/// Largest file whose symbols are read: Node.js has some 100 MiB.
const MAX_FILE: u64 = 512 << 20;

/// Most files remembered as read; beyond that, all are read again.
const MAX_INSPECTED: usize = 16_384;

/// Whose function it is that is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// OpenSSL's, 3 and later.
    OpenSsl,
    /// OpenSSL's 1.1.1.
    OpenSsl111,
    /// Go's `crypto/tls`.
    Go,
}

impl Hook {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::OpenSsl, Self::OpenSsl111, Self::Go];
}

/// A file that derives secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    /// Its path, for people: by the time it is probed, another file may be there.
    pub path: PathBuf,
    /// Its identity, whatever its name: device and inode.
    pub file: (u64, u64),
    /// What in it is probed.
    pub hook: Hook,
    /// Where in the file the probe goes.
    pub offset: u64,
}

/// The directories among those of the system's libraries that exist.
#[must_use]
pub fn library_directories() -> Vec<PathBuf> {
    DIRECTORIES.iter().map(PathBuf::from).filter(|directory| directory.is_dir()).collect()
}

/// Directories of programs that bring the library themselves, as far as they are there.
#[must_use]
pub fn program_directories() -> Vec<PathBuf> {
    let places = PROGRAMS.iter().filter_map(|program| Path::new(program).parent());
    places.filter(|directory| directory.is_dir()).map(PathBuf::from).collect()
}

/// What tells a file from others and from what it was before: device, inode, and the time of its last change in seconds and
/// nanoseconds.
pub(super) type FileVersion = (u64, u64, i64, i64);

pub(super) fn version_of(about: &Metadata) -> FileVersion {
    (about.dev(), about.ino(), about.ctime(), about.ctime_nsec())
}

/// Files whose symbols were read, with or without the function.
#[derive(Debug, Default)]
pub struct Inspected(HashSet<FileVersion>);

/// Libraries and programs in the directories of the system, which servers that start later will use. Files that were inspected
/// and have not changed since are not read again.
#[must_use]
pub fn of_system(inspected: &mut Inspected) -> Vec<(Library, File)> {
    let libraries =
        DIRECTORIES.iter().flat_map(|directory| NAMES.map(|name| Path::new(directory).join(name)));
    unique(libraries.chain(PROGRAMS.iter().map(PathBuf::from)), inspected)
}

fn unique(paths: impl Iterator<Item = PathBuf>, inspected: &mut Inspected) -> Vec<(Library, File)> {
    // Opened only if it is new: every two seconds, none is.
    let is_new = |inspected: &Inspected, path: &Path| {
        fs::metadata(path).is_ok_and(|about| about.is_file() && !inspected.0.contains(&version_of(&about)))
    };
    let look = |path: PathBuf| {
        let file = is_new(inspected, &path).then(|| File::open(&path).ok()).flatten()?;
        inspect(path, file, inspected)
    };
    paths.filter_map(look).collect()
}

/// Whether a library goes by this path.
pub(super) fn is_name_of_library(path: &str) -> bool {
    NAMES.iter().any(|name| path.ends_with(name))
}

/// Those of these files that hold a library.
#[must_use]
pub fn of_files(found: Vec<Found>, inspected: &mut Inspected) -> Vec<(Library, File)> {
    found.into_iter().filter_map(|Found { path, file }| inspect(path, file, inspected)).collect()
}

fn inspect(path: PathBuf, file: File, inspected: &mut Inspected) -> Option<(Library, File)> {
    let about = file.metadata().ok().filter(|about| about.is_file() && about.len() <= MAX_FILE)?;
    if inspected.0.len() >= MAX_INSPECTED {
        inspected.0.clear();
    }
    let is_new = inspected.0.insert(version_of(&about));
    let (hook, offset) = is_new.then(|| probe_place(&file).unwrap_or_default()).flatten()?;
    Some((Library { path, file: (about.dev(), about.ino()), hook, offset }, file))
}

/// Where the probe goes in a file; none where it has no such function.
fn probe_place(mut file: &File) -> io::Result<Option<(Hook, u64)>> {
    let found = function_offset(&object::ReadCache::new(file));
    let Some((hook, start)) = found else { return Ok(None) };
    let mut code = [0; 16];
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(&mut code)?;
    let further = match hook {
        Hook::OpenSsl | Hook::OpenSsl111 => emulated(&code),
        Hook::Go => go::emulated(&code),
    };
    Ok(start.checked_add(further).map(|offset| (hook, offset)))
}

/// Where the function begins in a file, and which one it is.
///
/// A table of names is read at once and searched: read name by name, that of a large program takes a hundred thousand
/// system calls.
fn function_offset<'a>(file: impl ReadRef<'a>) -> Option<(Hook, u64)> {
    let elf = ElfFile64::<Endianness, _>::parse(file).ok()?;
    let named = |name| [SHT_DYNSYM, SHT_SYMTAB].into_iter().find_map(|table| function_in(table, &elf, name));
    let (hook, address) = if let Some(address) = named(DERIVE) {
        (Hook::OpenSsl, address)
    } else if let Some(address) = named(DERIVE_111).filter(|_| named(ONLY_OPENSSL).is_some()) {
        (Hook::OpenSsl111, address)
    } else {
        (Hook::Go, go::function_address(&elf, WRITE_KEY_LOG)?)
    };
    elf.segments().find_map(|segment| {
        let within = address.checked_sub(segment.address()).filter(|within| *within < segment.size())?;
        Some((hook, segment.file_range().0.checked_add(within)?))
    })
}

/// The address of the function, from a symbol table.
fn function_in<'a, R: ReadRef<'a>>(
    table: u32,
    elf: &ElfFile64<'a, Endianness, R>,
    name: &[u8],
) -> Option<u64> {
    let (endian, sections) = (elf.endian(), elf.elf_section_table());
    let symbols = sections.symbols(endian, elf.data(), table).ok()?;
    let names = sections.section(symbols.string_section()).ok()?.data(endian, elf.data()).ok()?;
    // A version may follow.
    let ends = |at: &usize| matches!(names.get(at.saturating_add(name.len())), None | Some(0 | b'@'));
    let places: Vec<u32> =
        memchr::memmem::find_iter(names, name).filter(ends).filter_map(|at| u32::try_from(at).ok()).collect();
    if places.is_empty() {
        return None;
    }
    let is_it = |symbol: &&Sym64<Endianness>| {
        symbol.st_shndx(endian) != SHN_UNDEF && places.contains(&symbol.st_name(endian))
    };
    symbols.symbols().iter().find(is_it).map(|symbol| symbol.st_value(endian))
}

/// Distance from the start of a function to the first instruction that the kernel can emulate: a probe on an
/// instruction that it has to single-step costs nine times as much. Only known prologues are skipped, each of which
/// always executes.
const fn emulated(code: &[u8]) -> u64 {
    if !cfg!(target_arch = "x86_64") {
        return 0;
    }
    match code {
        // test rdi, rdi; je
        [0x48, 0x85, 0xff, 0x74, ..] | [0x48, 0x85, 0xff, 0x0f, 0x84, ..] => 3,
        // endbr64, kept as a jump target; the same after it
        [0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x85, 0xff, 0x74, ..]
        | [0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x85, 0xff, 0x0f, 0x84, ..] => 7,
        // endbr64; push of a register
        [0xf3, 0x0f, 0x1e, 0xfa, 0x50..=0x57, ..] | [0xf3, 0x0f, 0x1e, 0xfa, 0x41, 0x50..=0x57, ..] => 4,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probe_goes_to_an_instruction_that_is_emulated() {
        for (code, offset) in [
            (&[0x48, 0x85, 0xff, 0x74, 0x1b, 0x55][..], 3),
            (&[0x48, 0x85, 0xff, 0x0f, 0x84, 1, 0, 0, 0], 3),
            (&[0x55, 0x48, 0x89, 0xe5], 0),
            (&[0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x85, 0xff, 0x74, 0x1b], 7),
            (&[0xf3, 0x0f, 0x1e, 0xfa, 0x41, 0x57], 4),
            (&[0xf3, 0x0f, 0x1e, 0xfa, 0x31, 0xc0], 0),
            (&[0x90, 0x90], 0),
        ] {
            let expected = if cfg!(target_arch = "x86_64") { offset } else { 0 };
            assert_eq!(emulated(code), expected, "{code:x?}");
        }
    }

    /// Counts requests to the kernel.
    struct Counting<'a>(File, &'a std::cell::Cell<u32>);

    impl io::Read for Counting<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1.set(self.1.get() + 1);
            self.0.read(buffer)
        }
    }

    impl io::Seek for Counting<'_> {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }

    #[test]
    fn a_large_program_is_looked_through_in_few_reads() {
        let reads = std::cell::Cell::new(0);
        let program = File::open("/proc/self/exe").unwrap();
        assert_eq!(function_offset(&object::ReadCache::new(Counting(program, &reads))), None);
        assert!((1..100).contains(&reads.get()), "{} reads", reads.get());
    }

    #[test]
    fn what_is_no_library_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let text = directory.path().join("libcrypto.so.3");
        fs::write(&text, "no ELF file at all").unwrap();
        let paths = [text, directory.path().to_owned(), "/nonexistent".into()];
        assert!(unique(paths.into_iter(), &mut Inspected::default()).is_empty());
    }

    #[test]
    fn a_file_without_the_function_is_read_once_until_it_changes() {
        let directory = tempfile::tempdir().unwrap();
        let (text, other) = (directory.path().join("node"), directory.path().join("caddy"));
        fs::write(&text, "no ELF file at all").unwrap();
        fs::hard_link(&text, &other).unwrap();
        let mut inspected = Inspected::default();
        let mut reads = || {
            let before = inspected.0.len();
            assert!(unique([text.clone(), other.clone()].into_iter(), &mut inspected).is_empty());
            inspected.0.len() - before
        };
        assert_eq!((reads(), reads()), (1, 0), "one file by two names");
        fs::remove_file(&text).unwrap();
        fs::write(&text, "another one").unwrap();
        assert!(reads() > 0, "replaced, as by an upgrade");
        assert_eq!(reads(), 0);
    }

    #[test]
    fn the_libraries_of_this_host_are_found() {
        let mut inspected = Inspected::default();
        let found = of_system(&mut inspected);
        for (library, _) in &found {
            assert!(library.offset > 0, "{library:?}");
        }
        let node = File::open("/usr/bin/node").ok();
        let probed = node.as_ref().and_then(|node| probe_place(node).ok().flatten());
        let is_node = |(library, _): &(Library, File)| {
            node.as_ref()
                .and_then(|node| node.metadata().ok())
                .is_some_and(|about| about.ino() == library.file.1)
        };
        assert_eq!(found.iter().any(is_node), probed.is_some());
        assert!(of_system(&mut inspected).is_empty(), "read once");
    }
}
