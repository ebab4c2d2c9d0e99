//! The owner of a loaded program: what holds a reference to it, and who.
#![expect(unsafe_code, reason = "opening a pin without knowing what it is")]

use std::collections::VecDeque;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{bpf, lookout};

/// Maximum descriptors examined over all processes; more would take too long for somebody who waits.
const MAX_DESCRIPTORS: usize = 500_000;
/// Maximum pins examined.
const MAX_PINS: usize = 8_192;

/// What is known about a loaded program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// Its name.
    pub name: Option<String>,
    /// The user who loaded it.
    pub uid: Option<u32>,
    /// It is attached by a BPF link. Otherwise it was attached over netlink, and anyone with the privilege can detach
    /// it that way.
    pub by_link: bool,
    /// Processes that hold it or its link, with their names.
    pub processes: Vec<(u32, String)>,
    /// Files that pin it or its link.
    pub pins: Vec<PathBuf>,
}

/// Collects this, as far as this process may.
#[must_use]
pub fn program_owner(id: u32) -> Owner {
    let program = aya::programs::loaded_programs().flatten().find(|program| program.id() == id);
    let by_link = aya::programs::loaded_links().flatten().any(|link| {
        link.program_id() == id
            && link.link_type().is_ok_and(|kind| kind == aya::programs::links::LinkType::Xdp)
    });
    Owner {
        name: program.as_ref().and_then(|program| program.name_as_str().map(str::to_owned)),
        uid: program.as_ref().and_then(aya::programs::ProgramInfo::created_by_uid),
        by_link,
        processes: processes(id),
        pins: pins(id),
    }
}

fn processes(id: u32) -> Vec<(u32, String)> {
    let mut left = MAX_DESCRIPTORS;
    let mut found = Vec::new();
    for number in lookout::processes() {
        let directory = Path::new("/proc").join(number.to_string());
        let descriptors = fs::read_dir(directory.join("fdinfo")).into_iter().flatten().flatten();
        // Only descriptors that are not files have such information, and few processes hold any of BPF's.
        let mut files = descriptors
            .take(left)
            .inspect(|_| left = left.saturating_sub(1))
            .filter(|entry| is_bpf(&directory, entry));
        if files.any(|file| program_of(&file.path()) == Some(id)) {
            let name = fs::read_to_string(directory.join("comm")).unwrap_or_default();
            found.push((number, name.trim().to_owned()));
        }
    }
    found
}

fn is_bpf(process: &Path, descriptor: &fs::DirEntry) -> bool {
    let target = fs::read_link(process.join("fd").join(descriptor.file_name()));
    target.is_ok_and(|target| target.as_os_str().as_bytes().starts_with(b"anon_inode:bpf"))
}

/// The program that a descriptor of a program or a link refers to, from its `fdinfo` (Linux `kernel/bpf/syscall.c`,
/// `bpf_prog_show_fdinfo` and `bpf_link_show_fdinfo`).
fn program_of(fdinfo: &Path) -> Option<u32> {
    read_program(&fs::read_to_string(fdinfo).ok()?)
}

fn read_program(fdinfo: &str) -> Option<u32> {
    fdinfo.lines().find_map(|line| line.strip_prefix("prog_id:")?.trim().parse().ok())
}

fn pins(id: u32) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let file_systems = mounts.lines().filter_map(|line| {
        let mut columns = line.split(' ').skip(1);
        let (place, kind) = (columns.next()?, columns.next()?);
        (kind == "bpf").then(|| PathBuf::from(place))
    });
    let mut places: VecDeque<PathBuf> = file_systems.collect();
    let (mut found, mut seen) = (Vec::new(), 0_usize);
    while let Some(place) = places.pop_front() {
        for entry in fs::read_dir(&place).into_iter().flatten().flatten() {
            seen = seen.saturating_add(1);
            if seen > MAX_PINS {
                return found;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => places.push_back(entry.path()),
                Ok(kind) if kind.is_file() && pinned_program(&entry.path()) == Some(id) => {
                    found.push(entry.path())
                }
                Ok(_) | Err(_) => {}
            }
        }
    }
    found
}

fn pinned_program(path: &Path) -> Option<u32> {
    let descriptor = open_pin(path).ok()?;
    program_of(Path::new(&format!("/proc/self/fdinfo/{}", descriptor.as_raw_fd())))
}

/// `BPF_OBJ_GET` and as much of `union bpf_attr` as it reads (bpf(2)).
#[repr(C)]
struct ObjectGet {
    path: u64,
    descriptor: u32,
    flags: u32,
}

const READ_ONLY: u32 = 1 << 3;

/// A descriptor of whatever is pinned there. Maps are opened read-only; programs and links cannot be opened with that
/// flag, so they are tried without it.
fn open_pin(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let open = |flags| {
        let mut request = ObjectGet { path: path.as_ptr().addr() as u64, descriptor: 0, flags };
        // SAFETY: the path that the request points to lives until the call returns, and ends with a zero byte.
        let descriptor = unsafe { bpf::bpf(bpf::OBJ_GET, &mut request) }?;
        let descriptor = i32::try_from(descriptor).map_err(io::Error::other)?;
        // SAFETY: the kernel has just created this descriptor, and nobody else knows it.
        Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
    };
    open(0).or_else(|_refused| open(READ_ONLY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_tells_its_program() {
        for (text, expected) in [
            ("pos:\t0\nflags:\t02000002\nprog_type:\t6\nprog_jited:\t1\nprog_id:\t12\n", Some(12)),
            ("link_type:\txdp\nlink_id:\t5\nprog_tag:\tabc\nprog_id:\t7\nifindex:\t2\n", Some(7)),
            ("map_type:\t2\nmap_id:\t3\n", None),
            ("prog_id:\tx\n", None),
            ("", None),
        ] {
            assert_eq!(read_program(text), expected, "{text}");
        }
    }

    #[test]
    fn nobody_owns_what_is_not_there() {
        assert_eq!(program_owner(u32::MAX), Owner::default());
    }
}
