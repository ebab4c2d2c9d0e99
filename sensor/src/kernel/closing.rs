//! Ends open TCP connections of blocked clients.
//!
//! A block drops packets; the connection stays at the server until that gives up. An iterator over this host's TCP
//! sockets (`iter/tcp`) ends those whose peer is in a trie, with `bpf_sock_destroy` (Linux 6.5), as if they had been
//! aborted: the application sees ECONNABORTED. The program is loaded at the start; running it needs no privilege.
//!
//! Sockets of other network namespaces, such as those of containers, are not reached.
//!
//! The program is put together here: the compiler for eBPF has no calls of kernel functions, and the offsets are those
//! of the running kernel.
#![expect(unsafe_code, reason = "system calls")]

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use ipnet::IpNet;
use nix::libc;

use super::bpf::{self, bpf};
use super::btf;

/// `BPF_MAP_TYPE_LPM_TRIE`.
const LPM_TRIE: u32 = 11;
/// `BPF_F_NO_PREALLOC`, which a trie must have.
const NO_PREALLOC: u32 = 1;
/// Prefixes whose connections are ended in one run.
const MAX_PREFIXES: u32 = 1_024;
/// `BPF_PROG_TYPE_TRACING` and `BPF_TRACE_ITER`.
const TRACING: u32 = 26;
const TRACE_ITER: u32 = 28;

/// Ends connections.
#[derive(Debug)]
pub struct Closer {
    prefixes: OwnedFd,
    link: OwnedFd,
    _program: OwnedFd,
}

impl Closer {
    /// Loads the program.
    ///
    /// # Errors
    /// If the kernel has no BTF or no `bpf_sock_destroy`, or refuses.
    pub fn new() -> io::Result<Self> {
        let facts = Facts::read()
            .ok_or_else(|| io::Error::other("the kernel has no bpf_sock_destroy (Linux 6.5)"))?;
        let prefixes = trie()?;
        let program = load(&facts, &prefixes)?;
        let link = link(&program)?;
        Ok(Self { prefixes, link, _program: program })
    }

    /// Ends the connections with peers in these prefixes, of which only the first [`MAX_PREFIXES`] count. Returns how
    /// many were ended.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn close(&self, prefixes: &[IpNet]) -> io::Result<u64> {
        let keys: Vec<Key> =
            prefixes.iter().take(MAX_PREFIXES as usize).map(|prefix| Key::of(*prefix)).collect();
        let mut ended = 0_u64;
        for key in &keys {
            self.entry(bpf::MAP_UPDATE, key, &mut 0)?;
        }
        let run = self.run();
        for key in &keys {
            let mut count = 0;
            self.entry(bpf::MAP_LOOKUP, key, &mut count)?;
            ended = ended.saturating_add(count);
            self.entry(bpf::MAP_DELETE, key, &mut 0)?;
        }
        run.map(|()| ended)
    }

    fn run(&self) -> io::Result<()> {
        let mut attributes = IterCreate { link: descriptor(&self.link), flags: 0 };
        // SAFETY: the attributes contain no address.
        let created = unsafe { bpf(bpf::ITER_CREATE, &mut attributes) }?;
        let mut iterator = File::from(owned(created)?);
        // The program prints nothing: the end comes once it has run for every socket.
        iterator.read_to_end(&mut Vec::new()).map(drop)
    }

    fn entry(&self, command: libc::c_long, key: &Key, count: &mut u64) -> io::Result<()> {
        let mut attributes = MapEntry {
            map: descriptor(&self.prefixes),
            reserved: 0,
            key: std::ptr::from_ref(key) as u64,
            value: if command == bpf::MAP_DELETE { 0 } else { std::ptr::from_mut(count) as u64 },
            flags: 0,
        };
        // SAFETY: both addresses are of values of the map's sizes, alive and exclusive during the call; the kernel only
        // reads the key.
        unsafe { bpf(command, &mut attributes) }.map(drop)
    }
}

/// Whether this kernel can end connections.
#[must_use]
pub fn can_close() -> bool {
    Facts::read().is_some()
}

/// A key of the trie: IPv4 is IPv4-mapped, as in the sockets of servers that listen on both families.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Key {
    bits: u32,
    address: [u8; 16],
}

impl Key {
    fn of(prefix: IpNet) -> Self {
        match prefix {
            IpNet::V4(prefix) => Self {
                bits: u32::from(prefix.prefix_len()).saturating_add(96),
                address: prefix.network().to_ipv6_mapped().octets(),
            },
            IpNet::V6(prefix) => {
                Self { bits: u32::from(prefix.prefix_len()), address: prefix.network().octets() }
            }
        }
    }
}

/// What the program needs to know of the running kernel.
struct Facts {
    state: i16,
    family: i16,
    v4: i16,
    v6: i16,
    destroy: u32,
    iterator: u32,
}

impl Facts {
    fn read() -> Option<Self> {
        let kernel = btf::Kernel::read()?;
        let [state, family, v4, v6] =
            kernel.offsets("sock_common", ["skc_state", "skc_family", "skc_daddr", "skc_v6_daddr"])?;
        let [destroy, iterator] = kernel.functions(["bpf_sock_destroy", "bpf_iter_tcp"])?;
        Some(Self { state, family, v4, v6, destroy, iterator })
    }
}

/// States of connections that an application has or had: established, and on the way to their end (`net/tcp_states.h`).
/// Not those without a socket of their own: requests and TIME-WAIT.
const STATES: i32 = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 11;

/// An instruction (RFC 9669, section 3).
fn instruction(code: u8, destination: u8, source: u8, offset: i16, immediate: i32) -> u64 {
    let [o0, o1] = offset.to_le_bytes();
    let [i0, i1, i2, i3] = immediate.to_le_bytes();
    u64::from_le_bytes([code, source << 4 | destination, o0, o1, i0, i1, i2, i3])
}

/// The program; its context is `struct bpf_iter__tcp`, whose second word is the socket.
fn program(facts: &Facts, trie: i32) -> Vec<u64> {
    let destroy = i32::from_le_bytes(facts.destroy.to_le_bytes());
    // Destination, source, offset, immediate; jumps count from the next instruction.
    let mut code = vec![
        instruction(0x79, 7, 1, 8, 0),           // r7 = the socket
        instruction(0x15, 7, 0, 33, 0),          // the last call has none
        instruction(0x71, 1, 7, facts.state, 0), // its state
        instruction(0xb7, 2, 0, 0, 1),
        instruction(0x6f, 2, 1, 0, 0),
        instruction(0x57, 2, 0, 0, STATES),
        instruction(0x15, 2, 0, 28, 0),
        instruction(0x69, 1, 7, facts.family, 0),
        instruction(0x15, 1, 0, 6, libc::AF_INET6),
        instruction(0x55, 1, 0, 25, libc::AF_INET),
        instruction(0x7a, 10, 0, -16, 0), // ::ffff:0:0/96
        instruction(0x62, 10, 0, -8, i32::from_ne_bytes([0, 0, 0xff, 0xff])),
        instruction(0x61, 1, 7, facts.v4, 0),
        instruction(0x63, 10, 1, -4, 0),
        instruction(0x05, 0, 0, 8, 0),
    ];
    code.extend((0_i16..4).flat_map(|part| {
        let step = part.saturating_mul(4);
        [
            instruction(0x61, 1, 7, facts.v6.saturating_add(step), 0),
            instruction(0x63, 10, 1, step.saturating_sub(16), 0),
        ]
    }));
    code.extend([
        instruction(0x62, 10, 0, -20, 128),
        instruction(0xbf, 2, 10, 0, 0),
        instruction(0x07, 2, 0, 0, -20),
        instruction(0x18, 1, 1, 0, trie),
        0,
        instruction(0x85, 0, 0, 0, 1), // bpf_map_lookup_elem
        instruction(0x15, 0, 0, 5, 0),
        instruction(0xbf, 8, 0, 0, 0),
        instruction(0xbf, 1, 7, 0, 0),
        instruction(0x85, 0, 2, 0, destroy),
        instruction(0xb7, 1, 0, 0, 1),
        instruction(0xdb, 8, 1, 0, 0), // counted
        instruction(0xb7, 0, 0, 0, 0),
        instruction(0x95, 0, 0, 0, 0),
    ]);
    code
}

fn trie() -> io::Result<OwnedFd> {
    let mut attributes = MapCreate {
        kind: LPM_TRIE,
        key_size: u32::try_from(size_of::<Key>()).unwrap_or(0),
        value_size: 8,
        max_entries: MAX_PREFIXES,
        flags: NO_PREALLOC,
    };
    // SAFETY: the attributes contain no address.
    owned(unsafe { bpf(bpf::MAP_CREATE, &mut attributes) }?)
}

fn load(facts: &Facts, trie: &OwnedFd) -> io::Result<OwnedFd> {
    let code = program(facts, trie.as_raw_fd());
    let license = c"GPL";
    let mut attributes = ProgLoad {
        kind: TRACING,
        count: u32::try_from(code.len()).unwrap_or(0),
        code: code.as_ptr() as u64,
        license: license.as_ptr() as u64,
        attach_type: TRACE_ITER,
        attach_to: facts.iterator,
        name: *b"sensor_closing\0\0",
        ..ProgLoad::default()
    };
    // SAFETY: both addresses are of memory as long as the attributes say, which lives until the call returns.
    owned(unsafe { bpf(bpf::PROG_LOAD, &mut attributes) }?)
}

fn link(program: &OwnedFd) -> io::Result<OwnedFd> {
    let mut attributes =
        LinkCreate { program: descriptor(program), attach_type: TRACE_ITER, ..LinkCreate::default() };
    // SAFETY: the attributes contain no address.
    owned(unsafe { bpf(bpf::LINK_CREATE, &mut attributes) }?)
}

fn descriptor(owned: &OwnedFd) -> u32 {
    u32::try_from(owned.as_raw_fd()).unwrap_or(u32::MAX)
}

fn owned(answer: libc::c_long) -> io::Result<OwnedFd> {
    let number = libc::c_int::try_from(answer).map_err(io::Error::other)?;
    // SAFETY: the kernel has just opened it for this process, and nothing else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Parts of `union bpf_attr`, as far as these commands read it (`linux/bpf.h`).
#[repr(C)]
struct MapCreate {
    kind: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
}

#[repr(C)]
struct MapEntry {
    map: u32,
    reserved: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
#[derive(Default)]
struct ProgLoad {
    kind: u32,
    count: u32,
    code: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    attach_type: u32,
    btf: u32,
    function_size: u32,
    functions: u64,
    function_count: u32,
    line_size: u32,
    lines: u64,
    line_count: u32,
    attach_to: u32,
}

#[repr(C)]
#[derive(Default)]
struct LinkCreate {
    program: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
    info: u64,
    info_length: u32,
    padding: u32,
}

#[repr(C)]
struct IterCreate {
    link: u32,
    flags: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_sockets_of_either_family() {
        let key = Key::of("192.0.2.0/24".parse().unwrap());
        assert_eq!((key.bits, &key.address[10..]), (120, &[0xff, 0xff, 192, 0, 2, 0][..]));
        let key = Key::of("2001:db8:1::/48".parse().unwrap());
        assert_eq!((key.bits, &key.address[..6]), (48, &[0x20, 0x01, 0x0d, 0xb8, 0, 1][..]));
    }

    #[test]
    fn jumps_of_the_program_end_at_its_instructions() {
        let facts = Facts { state: 18, family: 16, v4: 0, v6: 56, destroy: 1, iterator: 2 };
        let code = program(&facts, 3);
        let targets = code.iter().enumerate().filter_map(|(place, instruction)| {
            let [code, _, o0, o1, ..] = instruction.to_le_bytes();
            let offset = i16::from_le_bytes([o0, o1]);
            matches!(code, 0x05 | 0x15 | 0x55).then(|| place + 1 + usize::try_from(offset).unwrap())
        });
        let (end, look_up) = (code.len() - 2, 23);
        assert_eq!(targets.collect::<Vec<_>>(), [end, end, 15, end, look_up, end]);
        // What IPv6 begins with, and what both go on with.
        assert_eq!(code[15], instruction(0x61, 1, 7, 56, 0));
        assert_eq!(code[look_up], instruction(0x62, 10, 0, -20, 128));
    }
}
