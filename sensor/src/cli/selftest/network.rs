//! Two network namespaces without names, joined by a veth pair.
//!
//! ```text
//!   the server's, where the thread moved that made them   the world
//!   veth0 198.18.0.1/16  <------------------------------>  veth0 198.18.0.2 .66 .99
//! ```
//!
//! The addresses are from the range for benchmarks (RFC 2544), which no real client has. Everything, including the
//! mounts that the thread and its children make, ends with the last process in it: there is nothing to remove.

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result};
use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::mount::{MsFlags, mount};
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, setns, unshare};

use crate::kernel::ask_route;

/// The interface at both ends.
pub(super) const INTERFACE: &str = "veth0";
/// The server.
pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
/// A legitimate client.
pub(super) const LEGITIMATE: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);
/// Sends a burst.
pub(super) const FLOODER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 66);
/// Tries stolen passwords.
pub(super) const ATTACKER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 99);

/// The network namespace of the calling thread.
const NAMESPACE: &str = "/proc/thread-self/ns/net";

/// The world, and a scratch directory.
pub(super) struct Network {
    world: File,
    scratch: PathBuf,
}

impl Network {
    /// Moves this thread, and those that it starts, out of the host's network and mounts, and creates the rest.
    pub(super) fn new() -> Result<Self> {
        unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)
            .context("creating namespaces was refused")?;
        let scratch = scratch().context("mounting a tmpfs as scratch directory")?;
        let world = thread::spawn(|| -> Result<File> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            Ok(File::open(NAMESPACE)?)
        });
        let world = joined(world)?.context("creating a second network namespace")?;
        let network = Self { world, scratch };
        up("lo").context("loopback")?;
        add_pair(&network.world).context("creating a veth pair; is the kernel module `veth` available?")?;
        up_with(&[SERVER]).context("the server's end of the pair")?;
        joined(network.spawn(|| up_with(&[LEGITIMATE, FLOODER, ATTACKER])))?
            .context("the clients' end of the pair")?;
        Ok(network)
    }

    /// The inode numbers of both namespaces: the server's, the world's.
    pub(super) fn numbers(&self) -> io::Result<[u64; 2]> {
        Ok([File::open(NAMESPACE)?.metadata()?.ino(), self.world.metadata()?.ino()])
    }

    /// A directory that nobody else can see.
    pub(super) fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Runs `work` in the world, on a thread of its own.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> JoinHandle<io::Result<T>> {
        let world = self.world.try_clone();
        thread::spawn(move || {
            setns(world?, CloneFlags::CLONE_NEWNET)?;
            work()
        })
    }
}

/// A thread's result.
pub(super) fn joined<T>(thread: JoinHandle<T>) -> Result<T> {
    thread.join().map_err(|_panic| anyhow::anyhow!("a thread of the test died"))
}

/// A tmpfs over a directory that every system has, visible only in this mount namespace.
fn scratch() -> io::Result<PathBuf> {
    let place = ["/tmp", "/mnt", "/run"].map(Path::new).into_iter().find(|place| place.is_dir());
    let place = place.ok_or(io::ErrorKind::NotFound)?;
    let nothing = None::<&str>;
    // Otherwise the host would see the mounts.
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("tmpfs"), place, Some("tmpfs"), flags, Some("mode=0700,size=64m"))?;
    Ok(place.to_owned())
}

fn add_pair(world: &File) -> io::Result<()> {
    let end = |more: LinkAttribute| {
        let mut link = LinkMessage::default();
        link.attributes = vec![LinkAttribute::IfName(INTERFACE.to_owned()), more];
        link
    };
    let peer = end(LinkAttribute::NetNsFd(world.as_raw_fd()));
    let pair = vec![LinkInfo::Kind(InfoKind::Veth), LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer)))];
    ask(RouteNetlinkMessage::NewLink(end(LinkAttribute::LinkInfo(pair))), NLM_F_CREATE | NLM_F_EXCL)
}

fn up(interface: &str) -> io::Result<()> {
    let mut link = LinkMessage::default();
    link.header.index = if_nametoindex(interface)?;
    link.header.flags = LinkFlags::Up;
    link.header.change_mask = LinkFlags::Up;
    ask(RouteNetlinkMessage::SetLink(link), 0)
}

fn up_with(addresses: &[Ipv4Addr]) -> io::Result<()> {
    up(INTERFACE)?;
    addresses.iter().copied().try_for_each(add_address)
}

fn add_address(address: Ipv4Addr) -> io::Result<()> {
    let address = IpAddr::V4(address);
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = 16;
    message.header.index = if_nametoindex(INTERFACE)?;
    message.attributes = vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
    ask(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL)
}

/// Executes a kernel operation in this thread's network namespace.
fn ask(request: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
    ask_route(request, NLM_F_ACK | flags).map(drop)
}
