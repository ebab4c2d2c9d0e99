//! A process of its own for what takes a privilege that the daemon does not keep: starting it, and the files that it hands
//! over. They go through a socket that keeps messages apart (`SOCK_SEQPACKET`).
//!
//! The daemon sends one byte: look. The helper answers with any number of messages of a name and an open file, and ends with a
//! zero byte. Nothing else is ever sent, so a daemon in somebody else's hands can ask for nothing else.
#![expect(unsafe_code, reason = "starting a process, and taking over descriptors that the kernel made")]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::socket::{
    AddressFamily, Backlog, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr,
    accept4, bind, connect, getsockopt, listen, recv, recvmsg, send, sendmsg, socket, socketpair, sockopt,
};
use nix::unistd::{ForkResult, Uid, fork};

use super::lookout::Found;

/// Longest name of a file (`PATH_MAX`).
const MAX_NAME: usize = 4_096;
/// What is asked.
const LOOK: &[u8] = b"?";
/// How a look ends.
const END: &[u8] = b"\0";

/// One end of the socket.
#[derive(Debug)]
pub struct Channel(OwnedFd);

/// What comes from the helper.
#[derive(Debug)]
pub enum Answer {
    /// A file.
    File(Found),
    /// The end of a look.
    End,
}

const fn kind() -> (AddressFamily, SockType, SockFlag) {
    (AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC)
}

/// Starts `work` in a child process, which ends with it, or with this one; returns this end of the socket between them.
///
/// # Errors
/// If this process has other threads, whose locks would stay locked in the child, or the kernel refuses.
pub fn start_helper(work: impl FnOnce(Channel)) -> io::Result<Channel> {
    if fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("this process has several threads"));
    }
    let (family, kind, flags) = kind();
    let (ours, theirs) = socketpair(family, kind, None, flags)?;
    // SAFETY: there is no other thread, so that the child may do whatever this process may (fork(2)).
    match unsafe { fork() }? {
        ForkResult::Parent { .. } => Ok(Channel(ours)),
        ForkResult::Child => {
            drop(ours);
            // It also ends when the socket closes.
            let _signalled = prctl::set_pdeathsig(Signal::SIGKILL);
            work(Channel(theirs));
            std::process::exit(0)
        }
    }
}

/// A socket that a helper listens on.
#[derive(Debug)]
pub struct Door(OwnedFd);

impl Door {
    /// Makes it anew.
    ///
    /// # Errors
    /// If it cannot be made there.
    pub fn open(path: &Path) -> io::Result<Self> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let (family, kind, flags) = kind();
        let door = socket(family, kind, flags, None)?;
        bind(door.as_raw_fd(), &UnixAddr::new(path)?)?;
        listen(&door, Backlog::new(1)?)?;
        Ok(Self(door))
    }

    /// Waits for a daemon: one of the same user.
    ///
    /// # Errors
    /// If the socket fails.
    pub fn wait(&self) -> io::Result<Channel> {
        loop {
            let accepted = accept4(self.0.as_raw_fd(), SockFlag::SOCK_CLOEXEC)?;
            // SAFETY: the kernel has just made it, for this call alone.
            let channel = Channel(unsafe { OwnedFd::from_raw_fd(accepted) });
            if channel.is_trusted() {
                return Ok(channel);
            }
        }
    }
}

impl Channel {
    /// To a helper that listens there, of the same user or of root.
    ///
    /// # Errors
    /// If there is none.
    pub fn to(path: &Path) -> io::Result<Self> {
        let (family, kind, flags) = kind();
        let channel = Self(socket(family, kind, flags, None)?);
        connect(channel.0.as_raw_fd(), &UnixAddr::new(path)?)?;
        if channel.is_trusted() { Ok(channel) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }

    fn is_trusted(&self) -> bool {
        let peer = getsockopt(&self.0, sockopt::PeerCredentials).map(|peer| Uid::from_raw(peer.uid()));
        peer.is_ok_and(|uid| uid == Uid::effective() || uid.is_root())
    }

    /// Asks for a look.
    ///
    /// # Errors
    /// If the helper is gone.
    pub fn ask(&self) -> io::Result<()> {
        send(self.0.as_raw_fd(), LOOK, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL)?;
        Ok(())
    }

    /// What has come from the helper; none if nothing has.
    ///
    /// # Errors
    /// If it is gone.
    pub fn next(&self) -> io::Result<Option<Answer>> {
        let mut name = [0; MAX_NAME];
        let mut control = cmsg_space!([i32; 1]);
        let (length, file) = {
            let mut parts = [IoSliceMut::new(&mut name)];
            let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
            let message = match recvmsg::<()>(self.0.as_raw_fd(), &mut parts, Some(&mut control), flags) {
                Err(Errno::EAGAIN) => return Ok(None),
                message => message?,
            };
            let descriptors = message.cmsgs()?.flat_map(|part| {
                let ControlMessageOwned::ScmRights(descriptors) = part else { return Vec::new() };
                descriptors
            });
            // SAFETY: the kernel has just made them, for this message alone.
            let files = descriptors.map(|descriptor| unsafe { File::from_raw_fd(descriptor) });
            (message.bytes, files.last())
        };
        match (file, name.get(..length)) {
            (_, Some([])) => Err(io::ErrorKind::UnexpectedEof.into()),
            (Some(file), Some(name)) => {
                Ok(Some(Answer::File(Found { path: PathBuf::from(OsStr::from_bytes(name)), file })))
            }
            (None, Some(END)) => Ok(Some(Answer::End)),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Waits until something has come, or so many milliseconds.
    pub fn wait(&self, milliseconds: u16) {
        let mut both = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        let _came = poll(&mut both, PollTimeout::from(milliseconds));
    }

    /// The helper's side: answers each request with what `look` finds, until the daemon is gone.
    pub fn serve(&self, mut look: impl FnMut() -> Vec<Found>) {
        let mut request = [0; 1];
        while let Ok(1..) = recv(self.0.as_raw_fd(), &mut request, MsgFlags::empty()) {
            let handed = look().iter().try_for_each(|found| self.hand(found));
            if handed.and_then(|()| self.say(END, &[])).is_err() {
                return;
            }
        }
    }

    fn hand(&self, found: &Found) -> nix::Result<()> {
        let name = found.path.as_os_str().as_bytes();
        // A longer one can name no file.
        let name = name.get(..name.len().min(MAX_NAME)).unwrap_or_default();
        self.say(name, &[ControlMessage::ScmRights(&[found.file.as_raw_fd()])])
    }

    fn say(&self, name: &[u8], files: &[ControlMessage<'_>]) -> nix::Result<()> {
        let parts = [IoSlice::new(name)];
        sendmsg::<()>(self.0.as_raw_fd(), &parts, files, MsgFlags::MSG_NOSIGNAL, None).map(|_sent| ())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::thread;

    use super::*;

    fn pair() -> (Channel, Channel) {
        let (family, kind, flags) = kind();
        let (one, other) = socketpair(family, kind, None, flags).unwrap();
        (Channel(one), Channel(other))
    }

    fn answer(channel: &Channel) -> io::Result<Answer> {
        channel.wait(5_000);
        channel.next().map(|answer| answer.expect("nothing came"))
    }

    #[test]
    fn files_are_handed_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("libcrypto.so.3");
        fs::write(&path, "its bytes").unwrap();
        let (daemon, helper) = pair();
        assert!(daemon.next().unwrap().is_none(), "nothing was asked");
        let open = path.clone();
        let served = thread::spawn(move || {
            helper.serve(|| vec![Found { path: open.clone(), file: File::open(&open).unwrap() }]);
        });
        for _ in 0..2 {
            daemon.ask().unwrap();
            let Answer::File(mut found) = answer(&daemon).unwrap() else { panic!("no file") };
            let mut text = String::new();
            found.file.read_to_string(&mut text).unwrap();
            assert_eq!((found.path, text.as_str()), (path.clone(), "its bytes"));
            assert!(matches!(answer(&daemon).unwrap(), Answer::End));
        }
        drop(daemon);
        served.join().unwrap();
    }

    #[test]
    fn a_helper_that_is_gone_or_talks_nonsense_is_told() {
        let (daemon, helper) = pair();
        helper.say(b"a name without a file", &[]).unwrap();
        assert_eq!(answer(&daemon).unwrap_err().kind(), io::ErrorKind::InvalidData);
        drop(helper);
        assert_eq!(answer(&daemon).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(daemon.ask().is_err());
    }

    #[test]
    fn a_door_is_opened_to_the_same_user() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("libraries.sock");
        assert!(Channel::to(&path).is_err(), "nobody listens");
        drop(Door::open(&path).unwrap());
        let door = Door::open(&path).unwrap();
        let asks = thread::spawn(move || {
            let channel = Channel::to(&path).unwrap();
            channel.ask().unwrap();
            answer(&channel).unwrap()
        });
        door.wait().unwrap().serve(Vec::new);
        assert!(matches!(asks.join().unwrap(), Answer::End));
    }
}
