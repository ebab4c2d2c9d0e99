//! Servers among the processes of this host and its containers, and the file that holds each one's TLS library.
//!
//! Only /proc is read: which sockets a process has, which of them listen, which files it has mapped. The files themselves are
//! opened and not read. Whoever looks at processes of others needs CAP_SYS_PTRACE, which the daemon does not keep, so a
//! process of its own does it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::libc;

use super::library::{FileVersion, is_name_of_library, version_of};

/// Most descriptors of a process looked at: a server's listening sockets are among its first.
const MAX_DESCRIPTORS: usize = 4_096;
/// Most bytes of a process's mappings read.
const MAX_MAPPINGS: u64 = 4 << 20;
/// Most namespaces and listening sockets of each, in one look.
const MAX_NAMESPACES: usize = 1_024;
const MAX_LISTENING: usize = 65_536;
/// Most files handed over by one look; the next goes on.
const MAX_FOUND: usize = 64;
/// Most files remembered as handed over. Beyond that, some are handed over again.
const MAX_HANDED: usize = 16_384;
/// A process that does not listen is kept in mind for so many looks, two minutes at one look in two seconds: it is looked at
/// each time at first, and then every so many times. Reading the descriptors of all is what a look costs.
const YOUNG: u8 = 60;
const EACH_TIME: u8 = 8;
/// All are looked at once more every so many looks: five minutes.
const ALL_AGAIN: u32 = 150;

/// A file that may hold a TLS library.
#[derive(Debug)]
pub struct Found {
    /// Its name, as of the process that has it mapped.
    pub path: PathBuf,
    /// Open, and a regular file.
    pub file: File,
}

/// What was looked at already.
#[derive(Debug, Default)]
pub struct Lookout {
    looks: u32,
    /// How often each process was looked at.
    known: HashMap<u32, u8>,
    handed: HashSet<FileVersion>,
}

impl Lookout {
    /// Files of servers that came since the last look, each once until it changes; at the first, of all that are there. What
    /// this process may not look at is left out, and so is this process.
    pub fn look(&mut self) -> Vec<Found> {
        if self.looks.checked_rem(ALL_AGAIN) == Some(0) {
            self.known.values_mut().for_each(|looks| *looks = YOUNG.saturating_sub(1));
        }
        self.looks = self.looks.wrapping_add(1);
        let processes = processes();
        self.known.retain(|pid, _| processes.contains(pid));
        let (mut listening, mut found) = (Listening::default(), Vec::new());
        for pid in processes {
            let looks = self.known.entry(pid).or_default();
            if *looks >= YOUNG {
                continue;
            }
            *looks = looks.saturating_add(1);
            let is_due = *looks <= EACH_TIME || *looks == YOUNG || looks.checked_rem(EACH_TIME) == Some(0);
            if !is_due || !listening.has_socket_of(pid) {
                continue;
            }
            *looks = YOUNG;
            found.extend(mapped(pid).filter(|found| self.is_new(&found.file)));
            if found.len() >= MAX_FOUND {
                break;
            }
        }
        found
    }

    fn is_new(&mut self, file: &File) -> bool {
        if self.handed.len() >= MAX_HANDED {
            self.handed.clear();
        }
        file.metadata().is_ok_and(|about| self.handed.insert(version_of(&about)))
    }
}

/// All processes but this one.
pub(super) fn processes() -> BTreeSet<u32> {
    let own = std::process::id();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|pid| *pid != own).collect()
}

/// Inodes of listening sockets, by network namespace; read when first asked for.
#[derive(Default)]
struct Listening(HashMap<u64, HashSet<u64>>);

impl Listening {
    /// Whether a process holds one.
    fn has_socket_of(&mut self, pid: u32) -> bool {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let sockets = descriptors.take(MAX_DESCRIPTORS).filter_map(|entry| {
            let target = fs::read_link(entry.path()).ok()?;
            target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok()
        });
        let sockets: Vec<u64> = sockets.collect();
        if sockets.is_empty() {
            return false;
        }
        let Ok(namespace) = fs::metadata(format!("/proc/{pid}/ns/net")).map(|about| about.ino()) else {
            return false;
        };
        if self.0.len() >= MAX_NAMESPACES && !self.0.contains_key(&namespace) {
            return false;
        }
        let listening = self.0.entry(namespace).or_insert_with(|| listening_sockets(pid));
        sockets.iter().any(|inode| listening.contains(inode))
    }
}

/// Those in the namespace of a process. The kernel lists them before all other sockets (proc(5), `/proc/net/tcp`), so
/// that the rest need not be read.
fn listening_sockets(pid: u32) -> HashSet<u64> {
    let of = |table: &str| {
        let lines = File::open(format!("/proc/{pid}/net/{table}")).map(BufReader::new);
        let rows = lines.into_iter().flat_map(|lines| lines.lines().map_while(Result::ok).skip(1));
        rows.map_while(|row| listening_socket(&row)).take(MAX_LISTENING).collect::<Vec<_>>()
    };
    ["tcp", "tcp6"].into_iter().flat_map(of).collect()
}

/// The inode in a row; none if the socket does not listen.
fn listening_socket(row: &str) -> Option<u64> {
    const LISTEN: &str = "0A";
    let mut columns = row.split_ascii_whitespace().skip(3);
    columns.next().filter(|state| *state == LISTEN)?;
    columns.nth(5)?.parse().ok()
}

/// The library that a process has mapped; if it has none, its program, which the library may be linked into.
fn mapped(pid: u32) -> Option<Found> {
    let mut bytes = Vec::new();
    File::open(format!("/proc/{pid}/maps")).ok()?.take(MAX_MAPPINGS).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let mut paths = text.lines().filter_map(|line| line.split_once('/').map(|(_, path)| path));
    let program = format!("/proc/{pid}/exe");
    let (path, name) = match paths.rfind(|path| is_name_of_library(path)) {
        Some(path) => (format!("/proc/{pid}/root/{path}"), PathBuf::from(path)),
        None => (program.clone(), fs::read_link(&program).unwrap_or_default()),
    };
    // What a container has put there meanwhile may be a pipe, which must not be waited for.
    let file =
        OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(&path).ok()?;
    let is_file = file.metadata().is_ok_and(|about| about.is_file());
    let name = name.strip_prefix("/").unwrap_or(&name);
    is_file.then(|| Found { path: Path::new("/proc").join(pid.to_string()).join("root").join(name), file })
}

impl Found {
    /// Whether this is the program of one who publishes ports of containers by listening for them on the host, while packets
    /// from elsewhere are translated before they reach it.
    #[must_use]
    pub fn publishes_containers(&self) -> bool {
        self.path.ends_with("docker-proxy") || self.path.ends_with("rootlessport")
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn who_listens_is_a_server() {
        let own = std::process::id();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(Listening::default().has_socket_of(own));
        let program = mapped(own).unwrap();
        let (found, this) = (program.file.metadata().unwrap(), fs::metadata("/proc/self/exe").unwrap());
        assert!(program.path.starts_with(format!("/proc/{own}")) && found.ino() == this.ino(), "{program:?}");
        assert!(
            !Listening::default().has_socket_of(u32::MAX) && mapped(u32::MAX).is_none(),
            "there is no such process"
        );
        assert!(!program.publishes_containers());
    }

    #[test]
    fn rows_of_sockets() {
        let row = |state| {
            format!(
                "   0: 0100007F:1F90 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0"
            )
        };
        for (row, expected) in
            [(row("0A"), Some(4_711)), (row("01"), None), (String::new(), None), ("a b c 0A".into(), None)]
        {
            assert_eq!(listening_socket(&row), expected, "{row}");
        }
    }

    #[test]
    fn a_process_is_looked_at_while_it_is_young_and_a_file_is_handed_over_once() {
        let mut lookout = Lookout::default();
        let first = lookout.look();
        let own = std::process::id().to_string();
        assert!(
            !first.iter().any(|found| found
                .path
                .starts_with("/proc")
                .then(|| found.path.iter().nth(2))
                .flatten()
                == Some(own.as_ref()))
        );
        for found in &first {
            assert!(!lookout.is_new(&found.file), "{found:?}");
        }
        for _ in 0..YOUNG {
            lookout.look();
        }
        let waits = lookout.known.values().filter(|looks| **looks < YOUNG).count();
        assert!(
            waits < lookout.known.len() / 2 + 8,
            "{waits} of {} are still looked at",
            lookout.known.len()
        );
    }
}
