//! Requests over the limit that are answered with `429` instead of being dropped; [`answer`] has the answer itself.
//!
//! XDP decides, but has no view of a socket's sequence numbers and cannot send two packets for one. It hands such a
//! request on to tc by spoiling its IP header: the version becomes 15, and the lifetime says when the client may try
//! again. If no program of this sensor is at tc, the kernel drops the packet for its version, as if XDP had.

use aya_ebpf::bindings::xdp_md;
use aya_ebpf::helpers::generated::bpf_xdp_store_bytes;
use aya_ebpf::programs::XdpContext;
use sensor_common::abi::ClientKey;
use sensor_common::packet::Frame as _;
use sensor_common::table::Places;

use crate::access::Linear;
use crate::{admit, clock, maps};

mod answer;
mod write;

pub(crate) use answer::{Answered, Tuple, answer};
pub(crate) use write::Work;

/// Where the IP header starts: frames with tags are not answered.
const ETHERNET: u32 = 14;
/// The upper half of the first byte of a spoiled IP header.
const SPOILED: u8 = 0xf0;
/// In the lifetime: the rest of it are minutes, not seconds.
const MINUTES: u8 = 0x80;

const SECOND: u64 = 1_000_000_000;
const TCP: u8 = 6;

/// How long a client has to wait until its next request conforms.
#[inline(always)]
fn wait_ns(source: ClientKey) -> Option<u64> {
    let settings = maps::settings()?;
    let mask = if source.is_v4() { settings.mask_v4 } else { settings.mask_v6 };
    let key = source.client(mask);
    let client = admit::find(key, &Places::of(key, settings.seed, settings.buckets))?;
    // SAFETY: a slot of the table.
    let scope = unsafe { (*client.slot).scope };
    // SAFETY: array entries live as long as the program.
    let [.., quota] = &maps::SCOPES.get_ptr(scope as u32).map(|limits| unsafe { &*limits })?.quotas;
    // SAFETY: a field of a map value.
    let tat = unsafe { (&raw const (*client.details()?).requests_tat).read_volatile() };
    let conforms = tat.wrapping_add(quota.cost(1)).wrapping_sub(quota.depth());
    let ahead = conforms.wrapping_sub(clock::now(settings).ns);
    if ahead >> 63 == 0 { Some(ahead) } else { None }
}

/// Rounded up, to minutes from 128 seconds on, and at most 127 minutes.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "bounded just before")]
const fn in_lifetime(wait: u64) -> u8 {
    let seconds = wait.wrapping_add(SECOND - 1) / SECOND;
    if seconds < 1 {
        return 1;
    }
    if seconds < MINUTES as u64 {
        return seconds as u8;
    }
    let minutes = seconds.wrapping_add(59) / 60;
    if minutes < MINUTES as u64 { MINUTES | minutes as u8 } else { u8::MAX }
}

/// Spoils the IP header of a frame, so that tc knows it; 1 if that is done, else 0.
///
/// Exported: the verifier checks it once and on its own. It reads the source anew: what the caller keeps for it would be on
/// the caller's stack all the time, which has no room for it on Linux 6.1.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn hand_over(context: *mut xdp_md) -> u32 {
    spoil(context).is_some() as u32
}

#[inline(always)]
fn spoil(context: *mut xdp_md) -> Option<()> {
    let of_frame = XdpContext::new(context);
    let frame = Linear::<_, false>::new(&of_frame);
    let header: &[u8; 38] = frame.bytes(0)?;
    let (first, at, source) = match (header[12], header[13], header[14]) {
        (0x08, 0x00, 0x45) if header[23] == TCP => {
            let source = u32::from_be_bytes([header[26], header[27], header[28], header[29]]);
            (0x45, 22, ClientKey::from_v4(source))
        }
        (0x86, 0xdd, first) if first >> 4 == 6 && header[20] == TCP => {
            let [.., a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *header;
            let (hi, lo) = ([a, b, c, d, e, f, g, h], [i, j, k, l, m, n, o, p]);
            (first, 21, ClientKey { hi: u64::from_be_bytes(hi), lo: u64::from_be_bytes(lo) })
        }
        _ => return None,
    };
    store(context, at, in_lifetime(wait_ns(source).unwrap_or(0)))?;
    store(context, ETHERNET, SPOILED | first & 0x0f)
}

#[inline(always)]
fn store(context: *mut xdp_md, at: u32, byte: u8) -> Option<()> {
    let mut byte = byte;
    // SAFETY: the buffer has one byte.
    let stored = unsafe { bpf_xdp_store_bytes(context, at, (&raw mut byte).cast(), 1) };
    (stored == 0).then_some(())
}
