//! Which TCP segment signatures a kernel checks.

use std::ffi::c_int;
use std::os::fd::AsRawFd as _;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::probe::kernel_release;

/// Checks of signed segments by a server's kernel; `None` if unknown, as in a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignatureChecks {
    /// It has TCP MD5 (RFC 2385; `CONFIG_TCP_MD5SIG`), and drops a signed segment if it has no key for its sender. HTTP
    /// servers have none.
    pub md5: Option<bool>,
    /// The same for TCP-AO (RFC 5925; `CONFIG_TCP_AO`).
    pub ao: Option<bool>,
    /// It drops a segment whose options are malformed while it looks for either (since Linux 6.7).
    pub strict: Option<bool>,
}

/// `TCP_AO_ADD_KEY` of `linux/tcp.h`.
const AO_ADD_KEY: c_int = 38;
/// The version that added TCP-AO, and with it one parser of options for both (`tcp_parse_auth_options`).
const STRICT_SINCE: (u32, u32) = (6, 7);

/// Probes this kernel.
#[must_use]
pub fn signature_checks() -> SignatureChecks {
    let (md5, ao) = (is_known(libc::TCP_MD5SIG), is_known(AO_ADD_KEY));
    let version = kernel_release().version;
    let is_new = (version != (0, 0)).then_some(version >= STRICT_SINCE);
    let strict = match (is_new, md5.zip(ao)) {
        (Some(false), _) => Some(false),
        (Some(true), Some((md5, ao))) => Some(md5 || ao),
        _ => None,
    };
    SignatureChecks { md5, ao, strict }
}

/// Whether the kernel implements a TCP socket option: it refuses an unknown one as such, and the value given is too
/// short for a key.
fn is_known(option: c_int) -> Option<bool> {
    let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).ok()?;
    const LENGTH: libc::socklen_t = 4;
    let value: c_int = 0;
    #[expect(unsafe_code, reason = "neither std nor nix knows these options")]
    // SAFETY: the value is as long as stated.
    let done = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, option, (&raw const value).cast(), LENGTH)
    };
    match Errno::result(done) {
        Ok(_) | Err(Errno::EINVAL) => Some(true),
        Err(Errno::ENOPROTOOPT) => Some(false),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_every_kernel_and_of_none_are_told_apart() {
        assert_eq!(is_known(libc::TCP_USER_TIMEOUT), Some(true));
        assert_eq!(is_known(30_000), Some(false));
    }
}
