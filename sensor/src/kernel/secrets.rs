//! The probes in TLS libraries: loading them, attaching them, and reading what they tell.
//!
//! Since Linux 6.6 it is attached with a link type of its own (`uprobe_multi`), which takes no capability, so libraries
//! that appear later are probed, too. Older kernels have perf events, which take CAP_SYS_ADMIN and so are opened only
//! at start.
#![expect(unsafe_code, reason = "commands of bpf(2) that aya does not know")]

use std::collections::HashSet;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;

use aya::maps::{HashMap, MapData, PerCpuArray, RingBuf};
use aya::programs::UProbe;
use aya::programs::uprobe::UProbeScope;
use aya::{Ebpf, EbpfLoader};
use nix::libc;
use sensor_common::abi::{SecretEvent, SecretRecord, secrets};
use zeroize::Zeroize as _;

use super::bpf::{LINK_CREATE, PROG_LOAD, bpf};
use super::error::KernelError;
use super::library::{Hook, Library};
use super::object::SECRETS;

/// `BPF_PROG_TYPE_KPROBE`.
const TYPE_KPROBE: u32 = 2;
/// `BPF_TRACE_UPROBE_MULTI`.
const TRACE_UPROBE_MULTI: u32 = 48;

/// The probe, loaded.
pub struct SecretProbe {
    ring: RingBuf<MapData>,
    groups: HashMap<MapData, u64, u8>,
    known: HashSet<u64>,
    events: PerCpuArray<MapData, u64>,
    program: Program,
    attached: Vec<Attached>,
}

struct Attached {
    library: Library,
    /// Tells whether the file was removed since.
    file: File,
    _link: Option<OwnedFd>,
}

/// Most libraries probed: beyond those of a few dozen images of containers, somebody makes them up. Each keeps its file from
/// being freed.
const MAX_LIBRARIES: usize = 256;

enum Program {
    /// For links that take no capability, in the order of [`Hook::ALL`].
    Multi([OwnedFd; Hook::ALL.len()]),
    /// For perf events.
    Perf(Box<Ebpf>),
}

/// The programs' names.
const fn name_of(hook: Hook) -> &'static str {
    match hook {
        Hook::OpenSsl => secrets::DERIVE,
        Hook::OpenSsl111 => secrets::DERIVE_111,
        Hook::Go => secrets::GO_KEY_LOG,
    }
}

/// What the probe has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecretEvents {
    /// Secrets handed on.
    pub sent: u64,
    /// Calls by other processes.
    pub filtered: u64,
    /// Calls that could not be read.
    pub unread: u64,
    /// Secrets lost for lack of room.
    pub lost: u64,
}

impl SecretProbe {
    /// Loads it. Takes the same capabilities as loading the data plane.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn load() -> Result<Self, KernelError> {
        let mut ebpf =
            EbpfLoader::new().load(SECRETS).map_err(|error| KernelError::Object(Box::new(error)))?;
        let multi = load_multi(&ebpf);
        let mut take = |name| ebpf.take_map(name).ok_or(KernelError::NoMap(name));
        let ring = RingBuf::try_from(take(secrets::RING)?).map_err(KernelError::map(secrets::RING))?;
        let groups =
            HashMap::try_from(take(secrets::CGROUPS)?).map_err(KernelError::map(secrets::CGROUPS))?;
        let events =
            PerCpuArray::try_from(take(secrets::EVENTS)?).map_err(KernelError::map(secrets::EVENTS))?;
        let program = match multi {
            Ok(programs) => Program::Multi(programs),
            Err(error) => {
                tracing::debug!(%error, "no uprobe_multi; libraries are probed at start only");
                for hook in Hook::ALL {
                    uprobe(&mut ebpf, hook)?.load().map_err(KernelError::program(name_of(hook)))?;
                }
                Program::Perf(Box::new(ebpf))
            }
        };
        Ok(Self { ring, groups, known: HashSet::new(), events, program, attached: Vec::new() })
    }

    /// Whether libraries can be attached to at any time.
    #[must_use]
    pub const fn attaches_late(&self) -> bool {
        matches!(self.program, Program::Multi(_))
    }

    /// Libraries it is attached to.
    pub fn attached(&self) -> impl Iterator<Item = &Library> {
        self.attached.iter().map(|attached| &attached.library)
    }

    /// Whether it is attached to a file.
    #[must_use]
    pub fn has(&self, file: (u64, u64)) -> bool {
        self.attached().any(|library| library.file == file)
    }

    /// Attaches to a library in this file, which may be in another mount namespace: the kernel is told its descriptor.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn attach(&mut self, library: Library, file: File) -> Result<(), KernelError> {
        let what = || format!("probing {}", library.path.display());
        self.make_room().map_err(KernelError::system(what()))?;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let link = match &mut self.program {
            Program::Multi([derive, derive_111, go]) => {
                let program = match library.hook {
                    Hook::OpenSsl => derive,
                    Hook::OpenSsl111 => derive_111,
                    Hook::Go => go,
                };
                Some(attach_multi(program, &path, library.offset).map_err(KernelError::system(what()))?)
            }
            Program::Perf(ebpf) => {
                let program = uprobe(ebpf, library.hook)?;
                let attached = program.attach(library.offset, &path, UProbeScope::AllProcesses);
                attached.map_err(KernelError::program(name_of(library.hook)))?;
                None
            }
        };
        self.attached.push(Attached { library, file, _link: link });
        Ok(())
    }

    /// If there are as many as may be, the oldest that was removed goes: a server that has not been restarted since may still
    /// use it, but one that has uses another.
    fn make_room(&mut self) -> io::Result<()> {
        if self.attached.len() < MAX_LIBRARIES {
            return Ok(());
        }
        let is_removed = |attached: &Attached| attached.file.metadata().is_ok_and(|about| about.nlink() == 0);
        let oldest = self.attached.iter().position(is_removed);
        let oldest = oldest
            .ok_or_else(|| io::Error::other(format!("{MAX_LIBRARIES} libraries are probed already")))?;
        self.attached.remove(oldest);
        Ok(())
    }

    /// Probes the processes of these control groups only.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn listen_to(&mut self, groups: &HashSet<u64>) -> Result<(), KernelError> {
        for group in self.known.difference(groups) {
            // It may already be gone.
            let _gone = self.groups.remove(group);
        }
        for group in groups.difference(&self.known) {
            self.groups.insert(group, 1, 0).map_err(KernelError::map(secrets::CGROUPS))?;
        }
        self.known.clone_from(groups);
        Ok(())
    }

    /// The result of `read` for the next record that it can decode; the copy of the secret is wiped.
    pub fn next_secret<T>(&mut self, read: impl Fn(&SecretRecord) -> Option<T>) -> Option<T> {
        loop {
            let item = self.ring.next()?;
            let mut record: SecretRecord = bytemuck::try_pod_read_unaligned(&item).ok()?;
            let secret = read(&record);
            record.secret.zeroize();
            if secret.is_some() {
                return secret;
            }
        }
    }

    /// Totals since it was loaded.
    #[must_use]
    pub fn events(&self) -> SecretEvents {
        let sum = |event: SecretEvent| {
            let values = self.events.get(&(event as u32), 0);
            values.map_or(0, |values| values.iter().fold(0, |sum: u64, value| sum.saturating_add(*value)))
        };
        SecretEvents {
            sent: sum(SecretEvent::Sent),
            filtered: sum(SecretEvent::Filtered),
            unread: sum(SecretEvent::Unread),
            lost: sum(SecretEvent::Lost),
        }
    }
}

fn uprobe(ebpf: &mut Ebpf, hook: Hook) -> Result<&mut UProbe, KernelError> {
    let name = name_of(hook);
    ebpf.program_mut(name).ok_or(KernelError::NoMap(name))?.try_into().map_err(KernelError::program(name))
}

/// The first members of `union bpf_attr` for `BPF_PROG_LOAD`.
#[derive(Default)]
#[repr(C)]
struct LoadAttributes {
    kind: u32,
    instructions: u32,
    at: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    ifindex: u32,
    attach_type: u32,
}

/// The same for `BPF_LINK_CREATE`, with `uprobe_multi`.
#[derive(Default)]
#[repr(C)]
struct LinkAttributes {
    program: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
    path: u64,
    offsets: u64,
    reference_counters: u64,
    cookies: u64,
    count: u32,
    uprobe_flags: u32,
    pid: u32,
    reserved: u32,
}

/// Loads the programs with the attach type that aya does not give them.
fn load_multi(ebpf: &Ebpf) -> io::Result<[OwnedFd; Hook::ALL.len()]> {
    let mut object = aya_obj::Object::parse(SECRETS).map_err(io::Error::other)?;
    let sections: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
    let described = object.maps.clone();
    let mut maps = Vec::new();
    for (name, map) in &described {
        let data = ebpf.map(name).and_then(data_of).ok_or(io::ErrorKind::NotFound)?;
        maps.push((name.as_str(), data.fd().as_fd().as_raw_fd(), map));
    }
    object.relocate_maps(maps.into_iter(), &sections).map_err(io::Error::other)?;
    object.relocate_calls(&sections).map_err(io::Error::other)?;
    let [derive, derive_111, go] = Hook::ALL.map(|hook| load_as_multi(&object, hook));
    Ok([derive?, derive_111?, go?])
}

fn load_as_multi(object: &aya_obj::Object, hook: Hook) -> io::Result<OwnedFd> {
    let program = object.programs.get(name_of(hook)).ok_or(io::ErrorKind::NotFound)?;
    let function = object.functions.get(&program.function_key()).ok_or(io::ErrorKind::NotFound)?;
    let instructions = &function.instructions;
    let mut attributes = LoadAttributes {
        kind: TYPE_KPROBE,
        instructions: u32::try_from(instructions.len()).map_err(io::Error::other)?,
        at: instructions.as_ptr().expose_provenance() as u64,
        license: program.license.as_ptr().expose_provenance() as u64,
        attach_type: TRACE_UPROBE_MULTI,
        ..LoadAttributes::default()
    };
    // SAFETY: the addresses are of the object's instructions, as many as stated, and of its license, which ends in
    // zero; both live until the end of this function.
    let descriptor = unsafe { bpf(PROG_LOAD, &mut attributes) }?;
    own(descriptor)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the probe has maps of three kinds")]
fn data_of(map: &aya::maps::Map) -> Option<&MapData> {
    match map {
        aya::maps::Map::RingBuf(data) | aya::maps::Map::HashMap(data) | aya::maps::Map::PerCpuArray(data) => {
            Some(data)
        }
        _ => None,
    }
}

fn attach_multi(program: &OwnedFd, path: &str, offset: u64) -> io::Result<OwnedFd> {
    let path = CString::new(path)?;
    let offsets = [offset];
    let mut attributes = LinkAttributes {
        program: u32::try_from(program.as_raw_fd()).map_err(io::Error::other)?,
        attach_type: TRACE_UPROBE_MULTI,
        path: path.as_ptr().expose_provenance() as u64,
        offsets: offsets.as_ptr().expose_provenance() as u64,
        count: 1,
        ..LinkAttributes::default()
    };
    // SAFETY: the addresses are of a zero-terminated text and of one number, as stated; both live until the end of this
    // function.
    let descriptor = unsafe { bpf(LINK_CREATE, &mut attributes) }?;
    own(descriptor)
}

fn own(descriptor: libc::c_long) -> io::Result<OwnedFd> {
    let descriptor = i32::try_from(descriptor).map_err(io::Error::other)?;
    // SAFETY: the kernel has just created it, for this call alone.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
