//! A peer that sends what it is told, and an application that reads.

use std::error::Error;
use std::fs::File;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt, socket,
};
use nix::sys::time::TimeVal;
use sensor_tests::process::unique;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const SERVER: [u8; 4] = [10, 77, 0, 1];
const PEER: [u8; 4] = [10, 77, 0, 2];
const PEER_MAC: &str = "02:00:00:00:00:02";
const PORT: u16 = 80;

/// One segment of the peer.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Place in the stream.
    pub(crate) offset: u32,
    pub(crate) data: Vec<u8>,
    pub(crate) flags: u8,
    pub(crate) urgent: u16,
}

impl Step {
    pub(crate) fn data(offset: u32, data: &[u8]) -> Self {
        Self { offset, data: data.to_vec(), flags: 0x10, urgent: 0 }
    }

    pub(crate) fn end(&self) -> u32 {
        self.offset.saturating_add(u32::try_from(self.data.len()).unwrap_or_default())
    }
}

/// A namespace; dropping it removes it.
struct Namespace(String);

impl Namespace {
    fn new(name: String) -> Result<Self> {
        run(&["netns", "add", &name])?;
        Ok(Self(name))
    }

    fn ip(&self, arguments: &str) -> Result<()> {
        let arguments: Vec<&str> = ["-n", &self.0].into_iter().chain(arguments.split(' ')).collect();
        run(&arguments)
    }

    /// Runs `work` in here; the sockets that it opens stay in here.
    fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let inside = || {
            setns(File::open(format!("/run/netns/{}", self.0))?, CloneFlags::CLONE_NEWNET)?;
            work()
        };
        thread::scope(|scope| scope.spawn(inside).join()).map_err(|_panic| "the work panicked")?
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Nothing more can be done where this fails.
        let _removed = run(&["netns", "del", &self.0]);
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(arguments).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

/// The two namespaces and their sockets.
pub(crate) struct Net {
    _server: Namespace,
    _world: Namespace,
    listener: TcpListener,
    wire: OwnedFd,
    mac: [u8; 6],
    port: u16,
}

impl Net {
    pub(crate) fn new(role: &str) -> Result<Self> {
        let name = |side: &str| format!("sensor-{}-{role}-{side}", unique());
        let (server, world) = (Namespace::new(name("server"))?, Namespace::new(name("world"))?);
        server.ip(&format!("link add veth0 type veth peer name veth0 netns {}", world.0))?;
        for command in [
            "link set veth0 up".to_owned(),
            "addr add 10.77.0.1/24 dev veth0".to_owned(),
            format!("neigh add 10.77.0.2 lladdr {PEER_MAC} dev veth0 nud permanent"),
        ] {
            server.ip(&command)?;
        }
        world.ip("link set veth0 up")?;
        let mac = server.enter(|| Ok(interface()?.1))?;
        let listener = server.enter(|| Ok(TcpListener::bind(("10.77.0.1", PORT))?))?;
        let wire = world.enter(open_wire)?;
        Ok(Self { _server: server, _world: world, listener, wire, mac, port: 20_000 })
    }

    /// Sends the steps over a new connection and reads `length` bytes, and what else there is.
    pub(crate) fn read(&mut self, steps: &[Step], length: usize) -> Result<Vec<u8>> {
        self.port = self.port.wrapping_add(1);
        let isn = u32::MAX - 10;
        self.send(isn, 0, 0x02, 0, &[])?;
        let answer = self.answer(0x12)?.ok_or("no answer to the SYN")?;
        let (next, acknowledge) = (isn.wrapping_add(1), answer.wrapping_add(1));
        self.send(next, acknowledge, 0x10, 0, &[])?;
        let (mut application, _) = self.listener.accept()?;
        for step in steps {
            let sequence = next.wrapping_add(step.offset);
            let acknowledge = if step.flags & 0x10 == 0 { 0 } else { acknowledge };
            self.send(sequence, acknowledge, step.flags, step.urgent, &step.data)?;
            // Most are answered; either way they are taken in order, since they were sent by one thread.
            let _seen = self.answer(0x10)?;
        }
        read_all(&mut application, length)
    }

    fn send(&self, sequence: u32, acknowledge: u32, flags: u8, urgent: u16, data: &[u8]) -> Result<()> {
        let frame = self.frame(sequence, acknowledge, flags, urgent, data)?;
        let sent = send(self.wire.as_raw_fd(), &frame, MsgFlags::empty())?;
        if sent == frame.len() { Ok(()) } else { Err("a frame was cut off".into()) }
    }

    /// The sequence number of the next segment of the server that has these control bits, if one comes soon.
    fn answer(&self, flags: u8) -> Result<Option<u32>> {
        let mut frame = [0; 2048];
        loop {
            let length = match recv(self.wire.as_raw_fd(), &mut frame, MsgFlags::empty()) {
                Ok(length) => length,
                Err(nix::Error::EAGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let Some(frame) = frame.get(..length) else { continue };
            let ours = frame.get(12..14) == Some(&[8, 0])
                && frame.get(23) == Some(&6)
                && frame.get(26..30) == Some(&SERVER)
                && frame.get(36..38) == Some(&self.port.to_be_bytes())
                && frame.get(47).is_some_and(|bits| bits & flags == flags);
            if let Some(sequence) = frame.get(38..42).filter(|_| ours) {
                return Ok(Some(u32::from_be_bytes(sequence.try_into()?)));
            }
        }
    }

    fn frame(&self, sequence: u32, acknowledge: u32, flags: u8, urgent: u16, data: &[u8]) -> Result<Vec<u8>> {
        let mut tcp = [self.port.to_be_bytes(), PORT.to_be_bytes()].concat();
        tcp.extend(sequence.to_be_bytes());
        tcp.extend(acknowledge.to_be_bytes());
        tcp.extend([5 << 4, flags, 0xff, 0xff, 0, 0]);
        tcp.extend(urgent.to_be_bytes());
        tcp.extend(data);
        let length = u16::try_from(tcp.len())?;
        let pseudo = [&PEER[..], &SERVER, &[0, 6], &length.to_be_bytes(), &tcp].concat();
        let sum = checksum(&pseudo).to_be_bytes();
        tcp.splice(16..18, sum);
        let total = length.saturating_add(20).to_be_bytes();
        let mut ip = [&[0x45, 0], &total[..], &[0, 0, 0x40, 0, 64, 6, 0, 0], &PEER, &SERVER].concat();
        let sum = checksum(&ip).to_be_bytes();
        ip.splice(10..12, sum);
        Ok([&self.mac[..], &[2, 0, 0, 0, 0, 2, 8, 0], &ip, &tcp].concat())
    }
}

/// Reads `length` bytes, and what else there is at once.
fn read_all(application: &mut TcpStream, length: usize) -> Result<Vec<u8>> {
    let mut read = Vec::new();
    let mut chunk = [0; 4096];
    application.set_read_timeout(Some(Duration::from_millis(500)))?;
    loop {
        if read.len() >= length {
            application.set_nonblocking(true)?;
        }
        match application.read(&mut chunk) {
            Ok(0) | Err(_) => return Ok(read),
            Ok(count) => read.extend(chunk.iter().take(count)),
        }
    }
}

fn open_wire() -> Result<OwnedFd> {
    let wire = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)?;
    bind(wire.as_raw_fd(), &interface()?.0)?;
    setsockopt(&wire, ReceiveTimeout, &TimeVal::new(0, 50_000))?;
    Ok(wire)
}

/// The address of this namespace's end, for a packet socket, and its MAC address.
fn interface() -> Result<(nix::sys::socket::LinkAddr, [u8; 6])> {
    let all = nix::ifaddrs::getifaddrs()?.filter(|one| one.interface_name == "veth0");
    let link = all.filter_map(|one| one.address?.as_link_addr().copied()).next().ok_or("no interface")?;
    Ok((link, link.addr().ok_or("no address")?))
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let sum = bytes.chunks(2).fold(0_u32, |sum, pair| {
        let [high, low] = [pair.first(), pair.get(1)].map(|byte| byte.copied().unwrap_or_default());
        sum.saturating_add(u32::from(u16::from_be_bytes([high, low])))
    });
    let folded = (sum & 0xffff).saturating_add(sum >> 16);
    let [.., high, low] = folded.saturating_add(folded >> 16).to_be_bytes();
    !u16::from_be_bytes([high, low])
}
