//! Interfaces that go and come back while the daemon runs.
//!
//! Attaching again takes no capability: since Linux 5.19 (and 5.9 for XDP, if `unprivileged_bpf_disabled` is 0),
//! `BPF_LINK_CREATE` for XDP and tcx requires none from a process that holds a descriptor of a loaded program
//! (`net/core/dev.c`, `bpf_xdp_link_attach`; `kernel/bpf/tcx.c`, `tcx_link_attach`). The tc filters of kernels before
//! 6.6 do require one.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use serde::{Deserialize, Serialize};

use super::attach::{Attachment, index_of};
use super::error::KernelError;
use super::link::{LinkLayer, link_facts};

/// State of an interface that should be served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// It is up, and has the program.
    #[default]
    Up,
    /// It is down, and has the program.
    Down,
    /// There is no interface of its name.
    Gone,
    /// It came back, and the program could not be attached.
    Refused,
    /// Its frames start with a header that no program here can parse, so it is not served.
    Unreadable,
}

impl Presence {
    /// The word that operators see.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Gone => "gone",
            Self::Refused => "refused",
            Self::Unreadable => "unreadable",
        }
    }
}

/// A change of an interface that should be served.
#[derive(Debug)]
pub struct PresenceChange {
    /// Its name.
    pub interface: String,
    /// Its state now.
    pub presence: Presence,
    /// Whether the program was attached again.
    pub reattached: bool,
    /// Whether a pattern selects it, so that it may come and go.
    pub is_matched: bool,
    /// Why the program, or the mirror, could not be attached.
    pub error: Option<KernelError>,
}

/// State of an interface as found.
pub(super) enum Look {
    Gone,
    There {
        is_up: bool,
        layer: LinkLayer,
        /// Whether it is the interface that was attached to, and still has the program.
        is_served: bool,
    },
}

pub(super) fn look(attachment: &Attachment) -> Look {
    let found = index_of(&attachment.interface).and_then(|ifindex| Ok((ifindex, link_facts(ifindex)?)));
    // If it is deleted between two queries, it is gone, too.
    let Ok((ifindex, facts)) = found else { return Look::Gone };
    let is_served = ifindex == attachment.ifindex && facts.program_id.is_some();
    Look::There { is_up: facts.is_up, layer: facts.layer, is_served }
}

impl Presence {
    pub(super) const fn of(is_up: bool) -> Self {
        if is_up { Self::Up } else { Self::Down }
    }
}

/// `RTNLGRP_LINK` as a bit: interfaces created, changed and removed.
const LINKS: u32 = 1;

/// Reports that interfaces of this network namespace changed, but not what changed.
pub struct LinkEvents {
    socket: Socket,
}

impl LinkEvents {
    /// Events from now on.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn subscribe() -> Result<Self, KernelError> {
        let subscribe = || {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind(&SocketAddr::new(0, LINKS))?;
            socket.set_non_blocking(true)?;
            Ok(socket)
        };
        Ok(Self { socket: subscribe().map_err(KernelError::system("listening for changes of interfaces"))? })
    }

    /// Discards the events so far. If some were lost, the others tell as much.
    pub fn drain(&mut self) {
        let mut start = bytes::BytesMut::with_capacity(64);
        loop {
            start.clear();
            match self.socket.recv(&mut start, 0) {
                Ok(_) => {}
                Err(error) if error.raw_os_error() == Some(nix::libc::ENOBUFS) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_empty) => return,
            }
        }
    }
}

impl AsRawFd for LinkEvents {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
