//! The probes in the TLS libraries of servers: what `EVP_KDF_derive(context, out, length, parameters)` of OpenSSL 3 and later,
//! `EVP_PKEY_derive(context, out, length)` of OpenSSL 1.1.1 and `crypto/tls.(*Config).writeKeyLog(label, clientRandom, secret)`
//! of Go are called with. They hand on the secrets that connections of a server are protected with.
//!
//! They run at most some twenty times in a handshake and never for data. Nothing leaves them of processes outside the control
//! groups that own watched listening sockets, and nothing but a few kinds of calls of a handshake.
#![no_std]
#![no_main]
#![expect(unsafe_code, reason = "memory of another process is read by helpers of the kernel")]

#[path = "../runtime.rs"]
mod runtime;

use aya_ebpf::EbpfContext as _;
use aya_ebpf::helpers::{bpf_get_current_cgroup_id, bpf_probe_read_user, bpf_probe_read_user_buf};
use aya_ebpf::macros::{map, uprobe};
use aya_ebpf::maps::{HashMap, PerCpuArray, RingBuf};
use aya_ebpf::programs::ProbeContext;
use sensor_common::abi::{SECRET_BYTES, SECRET_EVENTS, SecretEvent, SecretKind, SecretRecord};

/// Room for secrets: 128 bytes each, two per handshake.
#[map]
static SECRETS: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

#[map]
static CGROUPS: HashMap<u64, u8> = HashMap::with_max_entries(4_096, 0);

#[map(name = "SECRET_EVENTS")]
static SECRET_EVENTS_MAP: PerCpuArray<u64> = PerCpuArray::with_max_entries(SECRET_EVENTS, 0);

/// `OSSL_PARAM` (ossl_param(3)), whose layout is part of the library's public interface.
#[derive(Clone, Copy)]
#[repr(C)]
struct Parameter {
    key: u64,
    kind: u64,
    data: u64,
    size: u64,
    return_size: u64,
}

/// Address of an argument in the process.
#[derive(Clone, Copy)]
struct Place {
    at: u64,
    size: u64,
}

const NOWHERE: Place = Place { at: 0, size: 0 };

/// Maximum parameters examined; the library passes ten at most.
const PARAMETERS: u64 = 12;
/// Shorter results are initialisation vectors and short keys.
const LEAST_OUTPUT: u64 = 32;
/// Length of a hello's random value.
const RANDOM: u64 = 32;

#[derive(Clone, Copy)]
struct Found {
    secret: Place,
    label: Place,
    data: Place,
    server: Place,
    client: Place,
    seed: u32,
}

/// Where Go's calling convention (ABIInternal, since Go 1.17) has the arguments behind the receiver: of a string its address
/// and length, of a slice its address, length and capacity. Bytes from the beginning of the registers of a trap.
#[cfg(bpf_target_arch = "x86_64")]
mod go {
    /// RBX and RCX.
    pub(super) const LABEL: [usize; 2] = [40, 88];
    /// RDI and RSI.
    pub(super) const RANDOM: [usize; 2] = [112, 104];
    /// R9 and R10.
    pub(super) const SECRET: [usize; 2] = [64, 56];
}
#[cfg(not(bpf_target_arch = "x86_64"))]
mod go {
    /// R1 and R2, as on arm64.
    pub(super) const LABEL: [usize; 2] = [8, 16];
    /// R3 and R4.
    pub(super) const RANDOM: [usize; 2] = [24, 32];
    /// R6 and R7.
    pub(super) const SECRET: [usize; 2] = [48, 56];
}

#[uprobe]
fn sensor_go_key_log(context: ProbeContext) -> u32 {
    if is_listened_to() && hand_on_logged(&context).is_none() {
        count(SecretEvent::Unread);
    }
    0
}

#[inline(always)]
fn argument(context: &ProbeContext, [at, size]: [usize; 2]) -> Place {
    let registers = context.as_ptr().cast::<u8>();
    // SAFETY: both are aligned words of the registers that the program is given.
    let word = |offset: usize| unsafe { *registers.wrapping_add(offset).cast::<u64>() };
    Place { at: word(at), size: word(size) }
}

/// None where something could not be read.
#[inline(always)]
fn hand_on_logged(context: &ProbeContext) -> Option<()> {
    let (label, random) = (argument(context, go::LABEL), argument(context, go::RANDOM));
    // SAFETY: the helper checks the address.
    let first: u64 = unsafe { bpf_probe_read_user(label.at as *const u64) }.ok()?;
    // The labels of the NSS key log format; those of the same length begin differently.
    let kind = match (label.size, &first.to_le_bytes()) {
        (13, b"CLIENT_R") => SecretKind::LoggedMaster,
        (31, b"SERVER_H") => SecretKind::LoggedServerHandshake,
        (23, b"CLIENT_T") => SecretKind::LoggedClientApplication,
        (23, b"SERVER_T") => SecretKind::LoggedServerApplication,
        _ => return Some(()),
    };
    if random.size != RANDOM {
        return None;
    }
    let mut record = SecretRecord {
        kind: kind as u32,
        secret_length: 0,
        data_length: 32,
        secret: [0; SECRET_BYTES],
        data: [0; 64],
    };
    let (client, _) = record.data.split_at_mut(32);
    // SAFETY: the helper checks the address.
    unsafe { bpf_probe_read_user_buf(random.at as *const u8, client) }.ok()?;
    record.secret_length = read_known(argument(context, go::SECRET), &mut record.secret)?;
    send(&record);
    Some(())
}

/// Whether the process is in a control group that is listened to; counts it where it is not.
#[inline(always)]
fn is_listened_to() -> bool {
    // SAFETY: no arguments.
    let group = unsafe { bpf_get_current_cgroup_id() };
    // SAFETY: the map's values are bytes that user space writes.
    let is_listened_to = unsafe { CGROUPS.get(group) }.is_some();
    if !is_listened_to {
        count(SecretEvent::Filtered);
    }
    is_listened_to
}

#[uprobe]
fn sensor_derive(context: ProbeContext) -> u32 {
    // Two in five calls of a handshake are for short results: they end at a register.
    let (Some(LEAST_OUTPUT..), Some(parameters)) = (context.arg::<u64>(2), context.arg::<u64>(3)) else {
        return 0;
    };
    if is_listened_to() && hand_on(parameters).is_none() {
        count(SecretEvent::Unread);
    }
    0
}

/// OpenSSL 1.1.1, whose structures no longer change: it has been out of support since September 2023.
mod v111 {
    /// Of the method's own data in `EVP_PKEY_CTX`.
    pub(super) const DATA: u64 = 0x28;
    /// Of HKDF's: the key and its length; the information, which is an `HkdfLabel` (RFC 8446, section 7.1).
    pub(super) const KEY: u64 = 32;
    pub(super) const INFO: u64 = 48;
    /// Of the PRF's: the secret and its length; the seed.
    pub(super) const SECRET: u64 = 8;
    pub(super) const SEED: u64 = 24;
    /// In an `HkdfLabel` before the label: two lengths. The label begins with these.
    pub(super) const PREFIX: u64 = 3;
    pub(super) const TLS13: [u8; 6] = *b"tls13 ";
}

#[uprobe]
fn sensor_derive_111(context: ProbeContext) -> u32 {
    if !is_listened_to() {
        return 0;
    }
    if let Some(of_method) = context.arg::<u64>(0)
        && hand_on_111(of_method).is_none()
    {
        count(SecretEvent::Unread);
    }
    0
}

/// As [`hand_on`].
#[inline(always)]
fn hand_on_111(context: u64) -> Option<()> {
    let data = read_word(context.wrapping_add(v111::DATA))?;
    if data == 0 {
        // Of an exchange of keys, which is no derivation.
        return Some(());
    }
    let mut record =
        SecretRecord { kind: 0, secret_length: 0, data_length: 0, secret: [0; SECRET_BYTES], data: [0; 64] };
    // Whatever the method is, its data are on the heap, and what cannot be read there is no label.
    let seed = data.wrapping_add(v111::SEED);
    if is_label(read_word(seed).unwrap_or_default(), *b"key expa") {
        record.kind = SecretKind::Master as u32;
        record.secret_length = read_known(read_place(data.wrapping_add(v111::SECRET))?, &mut record.secret)?;
        // "key expansion", the server's random value, the client's.
        // SAFETY: the helper checks the address.
        unsafe { bpf_probe_read_user_buf(seed.wrapping_add(13) as *const u8, &mut record.data) }.ok()?;
        record.data_length = 64;
        send(&record);
        return Some(());
    }
    let name = data.wrapping_add(v111::INFO).wrapping_add(v111::PREFIX);
    let prefix = read_word(name).unwrap_or_default().to_le_bytes();
    let [a, b, c, d, e, f, ..] = prefix;
    if [a, b, c, d, e, f] != v111::TLS13 {
        return Some(());
    }
    let label = name.wrapping_add(v111::TLS13.len() as u64);
    let first = read_word(label)?;
    let (kind, length) = if is_label(first, *b"s hs tra") {
        (SecretKind::Handshake, 12)
    } else if is_label(first, *b"s ap tra") {
        (SecretKind::Application, 12)
    } else if is_label(first, *b"c e traf") {
        (SecretKind::Early, 11)
    } else {
        return Some(());
    };
    record.kind = kind as u32;
    let key = read_place(data.wrapping_add(v111::KEY))?;
    record.secret_length = read_known(key, &mut record.secret)?;
    // The hash has the length of the key, and its own length before it.
    let hash = Place { at: label.wrapping_add(length).wrapping_add(1), size: key.size };
    let (place, _) = record.data.split_at_mut(SECRET_BYTES);
    record.data_length = read_known(hash, place)?;
    send(&record);
    Some(())
}

#[inline(always)]
fn read_word(at: u64) -> Option<u64> {
    // SAFETY: the helper checks the address.
    unsafe { bpf_probe_read_user(at as *const u64) }.ok()
}

/// An address and a length, one after the other.
#[inline(always)]
fn read_place(at: u64) -> Option<Place> {
    Some(Place { at: read_word(at)?, size: read_word(at.wrapping_add(8))? })
}

/// `None` if something could not be read.
#[inline(always)]
fn hand_on(parameters: u64) -> Option<()> {
    let found = find(parameters)?;
    let mut record =
        SecretRecord { kind: 0, secret_length: 0, data_length: 0, secret: [0; SECRET_BYTES], data: [0; 64] };
    if found.label.at == 0 || found.secret.at == 0 {
        return Some(());
    }
    // SAFETY: the helper checks the address.
    let label: u64 = unsafe { bpf_probe_read_user(found.label.at as *const u64) }.ok()?;
    let kind = if is_label(label, *b"s hs tra") {
        SecretKind::Handshake
    } else if is_label(label, *b"s ap tra") {
        SecretKind::Application
    } else if is_label(label, *b"c e traf") {
        SecretKind::Early
    } else if is_label(label, *b"key expa") {
        SecretKind::Master
    } else {
        return Some(());
    };
    record.kind = kind as u32;
    record.secret_length = read_known(found.secret, &mut record.secret)?;
    if let SecretKind::Master = kind {
        let (server, client) = (found.server, found.client);
        if server.size != RANDOM || client.size != RANDOM {
            return None;
        }
        let (first, second) = record.data.split_at_mut(32);
        // SAFETY: the helper checks the addresses.
        unsafe { bpf_probe_read_user_buf(server.at as *const u8, first) }.ok()?;
        // SAFETY: as above.
        unsafe { bpf_probe_read_user_buf(client.at as *const u8, second) }.ok()?;
        record.data_length = 64;
    } else {
        let (hash, _) = record.data.split_at_mut(SECRET_BYTES);
        record.data_length = read_known(found.data, hash)?;
    }
    send(&record);
    Some(())
}

#[inline(always)]
fn send(record: &SecretRecord) {
    // Segments wake the reader, and it looks here first.
    const NO_WAKEUP: u64 = 1;
    let sent = SECRETS.output::<SecretRecord>(record, NO_WAKEUP).is_ok();
    count(if sent { SecretEvent::Sent } else { SecretEvent::Lost });
}

/// Reads a value that has one of the two lengths of the protocol's hashes.
#[inline(always)]
fn read_known(place: Place, out: &mut [u8]) -> Option<u16> {
    // Constants, which every verifier can follow.
    match place.size {
        32 => {
            let (short, _) = out.split_at_mut(32);
            // SAFETY: the helper checks the address.
            unsafe { bpf_probe_read_user_buf(place.at as *const u8, short) }.ok()?;
            Some(32)
        }
        48 => {
            // SAFETY: as above.
            unsafe { bpf_probe_read_user_buf(place.at as *const u8, out) }.ok()?;
            Some(48)
        }
        _ => None,
    }
}

/// Addresses of the parameters of interest.
#[inline(always)]
fn find(parameters: u64) -> Option<Found> {
    let mut found =
        Found { secret: NOWHERE, label: NOWHERE, data: NOWHERE, server: NOWHERE, client: NOWHERE, seed: 0 };
    for index in 0..PARAMETERS {
        let at = parameters.wrapping_add(index.wrapping_mul(size_of::<Parameter>() as u64));
        // SAFETY: the helper checks the address.
        let parameter = unsafe { bpf_probe_read_user(at as *const Parameter) }.ok()?;
        if parameter.key == 0 {
            break;
        }
        // SAFETY: as above. The longest name of interest has seven bytes including its end.
        let name: u64 = unsafe { bpf_probe_read_user(parameter.key as *const u64) }.unwrap_or_default();
        let place = Place { at: parameter.data, size: parameter.size };
        if is(name, *b"key\0\0\0\0\0", 4) || is(name, *b"secret\0\0", 7) {
            found.secret = place;
        } else if is(name, *b"label\0\0\0", 6) {
            found.label = place;
        } else if is(name, *b"data\0\0\0\0", 5) {
            found.data = place;
        } else if is(name, *b"seed\0\0\0\0", 5) {
            match found.seed {
                0 => found.label = place,
                1 => found.server = place,
                2 => found.client = place,
                _ => {}
            }
            found.seed = found.seed.wrapping_add(1);
        }
    }
    Some(found)
}

#[inline(always)]
const fn is_label(label: u64, wanted: [u8; 8]) -> bool {
    label == u64::from_le_bytes(wanted)
}

/// Whether a name, of which the first eight bytes were read, starts with these.
#[inline(always)]
const fn is(name: u64, wanted: [u8; 8], length: u32) -> bool {
    // Shorter than eight, so that the shift is within bounds.
    let mask = (1_u64 << (length & 7).wrapping_mul(8)).wrapping_sub(1);
    name & mask == u64::from_le_bytes(wanted)
}

#[inline(always)]
fn count(event: SecretEvent) {
    if let Some(counter) = SECRET_EVENTS_MAP.get_ptr_mut(event as u32) {
        // SAFETY: a value of this CPU's.
        let before = unsafe { counter.read() };
        // SAFETY: as above.
        unsafe { counter.write(before.wrapping_add(1)) };
    }
}
