//! Features enabled on an interface, as `ethtool -k` lists them.
//!
//! By ioctl and not by generic netlink: three calls with plain numbers, no family to look up, and the same on every
//! kernel.
#![expect(unsafe_code, reason = "an ioctl with a pointer to a buffer")]

use std::collections::BTreeSet;
use std::ffi::c_void;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

/// `struct ifreq`, as far as this ioctl uses it; its union has at least 16 bytes, 24 with 64-bit pointers.
#[repr(C)]
struct Request {
    name: [u8; 16],
    data: *mut c_void,
    rest: [u8; 16],
}

const SIOCETHTOOL: u16 = 0x8946;
nix::ioctl_readwrite_bad!(ask_ethtool, SIOCETHTOOL, Request);

// Commands of linux/ethtool.h, and its set of strings with the names of features.
const GDRVINFO: u32 = 0x03;
const GSTRINGS: u32 = 0x1b;
const GSSET_INFO: u32 = 0x37;
const GFEATURES: u32 = 0x3a;
const GCHANNELS: u32 = 0x3c;
const SS_FEATURES: u32 = 4;

/// Bytes of a name, including trailing zeros (`ETH_GSTRING_LEN`).
const NAME: usize = 32;
const NAME_WORDS: usize = NAME / size_of::<u32>();
/// Bytes after the command in `struct ethtool_drvinfo`: 192.
const DRVINFO_WORDS: usize = 48;
/// More features than any kernel has; there are 64 or a few more.
const MAX_FEATURES: u32 = 1_024;

/// The enabled features, by the kernel's names, such as `rx-lro`.
///
/// # Errors
/// If there is no such interface, or its features cannot be queried.
pub fn active_features(interface: &str) -> io::Result<BTreeSet<String>> {
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    let ask = |words: Vec<u32>| ask(&socket, interface, words);
    // struct ethtool_sset_info: the set as one bit of 64; the answer is the number of its strings.
    let bits = (1_u64 << SS_FEATURES).to_ne_bytes();
    let (low, high) = (word(&bits, 0), word(&bits, 1));
    let count = ask(vec![GSSET_INFO, 0, low, high, 0])?.get(4).copied().unwrap_or(0).min(MAX_FEATURES);
    let count_wide = usize::try_from(count).unwrap_or(0);
    // struct ethtool_gstrings, then the names.
    let names = with_room(&[GSTRINGS, SS_FEATURES, count], count_wide.saturating_mul(NAME_WORDS));
    let names = ask(names)?;
    let names: Vec<u8> = names.iter().skip(3).flat_map(|word| word.to_ne_bytes()).collect();
    // struct ethtool_gfeatures, then for each 32 features: available, requested, active, and never changed.
    let blocks = count.div_ceil(u32::BITS);
    let room = usize::try_from(blocks).unwrap_or(0).saturating_mul(4);
    let features = ask(with_room(&[GFEATURES, blocks], room))?;
    let active: Vec<u32> = features.iter().skip(2).skip(2).step_by(4).copied().collect();
    let is_on = |index: usize| {
        let shift = u32::try_from(index % 32).unwrap_or(0);
        active.get(index / 32).is_some_and(|word| word.wrapping_shr(shift) & 1 != 0)
    };
    let names = names.chunks_exact(NAME).enumerate().filter(|(index, _)| is_on(*index));
    Ok(names.map(|(_, name)| text(name)).filter(|name| !name.is_empty()).collect())
}

/// Number of queues of an interface, as `ethtool -l` lists them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queues {
    /// Receive queues, including combined ones.
    pub receiving: u32,
    /// Their maximum.
    pub most: u32,
    /// Transmit queues, including combined ones.
    pub sending: u32,
    /// Their maximum.
    pub most_sending: u32,
}

/// The queues of an interface; none for a device without this setting.
#[must_use]
pub fn queues(interface: &str) -> Option<Queues> {
    // struct ethtool_channels: maximum receive, transmit, other and combined channels, then the current numbers.
    let words = ask_once(interface, with_room(&[GCHANNELS], 8)).ok()?;
    let word = |place: usize| words.get(place).copied().unwrap_or(0);
    let with_combined = |own: usize, combined: usize| word(own).saturating_add(word(combined));
    Some(Queues {
        receiving: with_combined(5, 8),
        most: with_combined(1, 4),
        sending: with_combined(6, 8),
        most_sending: with_combined(2, 4),
    })
}

/// The driver of an interface.
#[must_use]
pub fn driver(interface: &str) -> Option<String> {
    // struct ethtool_drvinfo: the name comes first, in 32 bytes; the rest is skipped.
    let words = ask_once(interface, with_room(&[GDRVINFO], DRVINFO_WORDS)).ok()?;
    let name: Vec<u8> = words.iter().skip(1).take(NAME_WORDS).flat_map(|word| word.to_ne_bytes()).collect();
    Some(text(&name)).filter(|name| !name.is_empty())
}

fn ask_once(interface: &str, words: Vec<u32>) -> io::Result<Vec<u32>> {
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)?;
    ask(&socket, interface, words)
}

fn with_room(head: &[u32], words: usize) -> Vec<u32> {
    let mut all = head.to_vec();
    all.resize(head.len().saturating_add(words), 0);
    all
}

fn word(bytes: &[u8], index: usize) -> u32 {
    bytes.as_chunks().0.get(index).map_or(0, |word| u32::from_ne_bytes(*word))
}

fn text(name: &[u8]) -> String {
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    String::from_utf8_lossy(name.get(..end).unwrap_or_default()).into_owned()
}

/// One command; `words` has room for the answer, which the kernel never exceeds because it is given the size.
fn ask(socket: &OwnedFd, interface: &str, mut words: Vec<u32>) -> io::Result<Vec<u32>> {
    let mut request = Request { name: [0; 16], data: words.as_mut_ptr().cast(), rest: [0; 16] };
    // The last byte stays zero.
    let place = request.name.get_mut(..interface.len()).filter(|place| place.len() < 16);
    let place = place.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    place.copy_from_slice(interface.as_bytes());
    // SAFETY: the request and the buffer that it points to live until the call returns; each command writes at most
    // the counts that its buffer holds, and the buffer is as long as they say.
    unsafe { ask_ethtool(socket.as_raw_fd(), &raw mut request) }?;
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_has_features() {
        let features = active_features("lo").unwrap();
        for feature in ["tx-checksum-ip-generic", "tx-scatter-gather", "loopback"] {
            assert!(features.contains(feature), "{feature} in {features:?}");
        }
        assert!(!features.contains("rx-lro") && !features.contains("rx-gro-hw"), "{features:?}");
    }

    #[test]
    fn the_loopback_interface_has_neither_driver_nor_queues() {
        assert_eq!((driver("lo"), queues("lo")), (None, None));
        assert_eq!((driver("nosuch0"), queues("a-name-that-is-too-long")), (None, None));
    }

    #[test]
    fn other_interfaces_have_none() {
        assert!(active_features("nosuch0").is_err());
        assert!(active_features("a-name-that-is-too-long").is_err());
    }
}
