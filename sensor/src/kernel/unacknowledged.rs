//! What of a TCP connection's data the other host has not acknowledged.
#![expect(unsafe_code, reason = "an ioctl with a pointer to a number")]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use nix::libc;

// tcp(7): `SIOCOUTQ`, by the number of which terminals have another name.
nix::ioctl_read_bad!(ask_unsent, libc::TIOCOUTQ, libc::c_int);

/// Bytes written to a TCP socket that its peer has not acknowledged.
///
/// # Errors
/// If it is no socket of a connection.
pub fn unacknowledged(socket: BorrowedFd<'_>) -> io::Result<usize> {
    let mut count: libc::c_int = 0;
    // SAFETY: The kernel writes one number, to a place that lives as long as the call.
    unsafe { ask_unsent(socket.as_raw_fd(), &raw mut count) }?;
    Ok(usize::try_from(count).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd as _;

    use super::*;

    #[test]
    fn what_no_reader_has_room_for_is_not_acknowledged() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_reader, _) = listener.accept().unwrap();
        assert_eq!(unacknowledged(stream.as_fd()).unwrap(), 0);
        stream.set_nonblocking(true).unwrap();
        while stream.write(&[0; 65_536]).is_ok() {}
        assert!(unacknowledged(stream.as_fd()).unwrap() > 0);
    }
}
