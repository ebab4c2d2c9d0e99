//! The mirror on the loopback interface: what is copied of a real connection, with either way of attaching at tc. Runs
//! in its own namespace or in a virtual machine.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use aya::programs::links::LinkOrder;
use aya::programs::tc::TcAttachOptions;
use aya::programs::{SchedClassifier, TcAttachType};
use sensor::kernel::{Dataplane, LoadOptions, Mirror, SegmentRings, XdpChoice, ahead_of_mirror};
use sensor_common::abi::{Event, FlowKey, MirrorDirection, MirrorHeader};

use crate::plane::SMALL;
use crate::wait::wait_until;

/// A program that accepts what it sees.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/testplane"));

const LOOPBACK: &str = "lo";
const REQUEST: &[u8] = b"GET /big HTTP/1.1\r\nHost: example.net\r\n\r\n";

/// Loads the mirror, sends through it over both families, and compares.
///
/// # Errors
/// If the kernel refuses, or something else is mirrored than was sent.
pub fn check() -> Result<()> {
    let mut stage = Stage::new()?;
    for address in [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), SocketAddr::from((Ipv6Addr::LOCALHOST, 0))] {
        stage.copies_both_directions(address)?;
        stage.keeps_to_the_snap_length(address)?;
        stage.keeps_to_instructions(address)?;
        stage.copies_whole_what_is_multiplexed(address)?;
    }
    Ok(())
}

/// Sends three frames out of `lo`, from port 80 to port 80: one whose buffer has the Ethernet header in its linear part and
/// nothing else, a first and a last IP fragment. The kernel keeps so much together as the header of a raw packet says
/// (`PACKET_VNET_HDR`), in frames of a page or more.
const ODD_FRAMES: &str = r#"
import socket, struct
def frame(fragment, payload):
    tcp = struct.pack("!HHIIBBHHH", 80, 80, 1000, 1, 0x50, 0x18, 512, 0, 0)
    data = tcp + payload
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(data), 7, fragment, 64, 6, 0,
                     socket.inet_aton("127.0.0.1"), socket.inet_aton("127.0.0.1"))
    total = sum(struct.unpack("!10H", ip))
    total = (total & 0xffff) + (total >> 16)
    ip = ip[:10] + struct.pack("!H", ~total & 0xffff) + ip[12:]
    return bytes(12) + b"\x08\x00" + ip + data
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
raw.bind(("lo", 0))
raw.setsockopt(263, 15, 1)
for fragment, length in [(0, 6000), (0x2000, 64), (185, 64)]:
    # virtio_net_hdr: no checksum, no aggregate, 14 bytes of header.
    raw.send(struct.pack("=BBHHHH", 0, 0, 14, 0, 0, 0) + frame(fragment, b"x" * length))
"#;

/// Sends frames that nobody sends, and checks that they are mirrored or counted.
///
/// # Errors
/// If the kernel refuses, or something is neither.
pub fn check_odd_frames() -> Result<()> {
    let mut stage = Stage::new()?;
    stage.mirror.set_snap(1 << 16);
    stage.mirror.watch(&BTreeSet::from([80]));
    let events =
        [Event::MirrorUnread, Event::MirrorFragment, Event::MirrorLoadFailed, Event::MirroredDatagrams];
    let python = std::process::Command::new("python3").args(["-c", ODD_FRAMES]).output()?;
    ensure!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
    // Generic XDP may have put the buffer together before it arrives; on its way out it is as it was sent.
    let (arrived, left) = stage.read()?;
    let counters = stage.dataplane.counters();
    let counted = events.map(|event| counters.event(event));
    for copied in [arrived, left] {
        let (bytes, headers) = (copied.bytes(), &copied.headers);
        ensure!(bytes == [b'x'; 6_000], "{} bytes were mirrored: {headers:?}, {counted:?}", bytes.len());
    }
    // Both fragments leave and arrive, and are copied where they do.
    ensure!(matches!(counted, [Ok(0), Ok(2), Ok(0), Ok(2)]), "{counted:?}");
    Ok(())
}

/// After a program that accepts every packet: the mirror still sees all of them.
///
/// # Errors
/// If the kernel refuses, or something is missing.
pub fn check_comes_first() -> Result<()> {
    let mut behind = aya::Ebpf::load(OBJECT)?;
    let accept: &mut SchedClassifier = behind.program_mut("accept").context("no such program")?.try_into()?;
    accept.load()?;
    for place in [TcAttachType::Ingress, TcAttachType::Egress] {
        accept.attach(LOOPBACK, place)?;
    }
    let mut stage = Stage::new()?;
    stage.copies_both_directions(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    ensure!(ahead_of_mirror(LOOPBACK).is_none(), "{:?}", ahead_of_mirror(LOOPBACK));
    // The kernel takes a program once in each place.
    let mut object = aya::Ebpf::load(OBJECT)?;
    let accept: &mut SchedClassifier = object.program_mut("accept").context("no such program")?.try_into()?;
    accept.load()?;
    let first = TcAttachOptions::TcxOrder(LinkOrder::first());
    accept.attach_with_options(LOOPBACK, TcAttachType::Egress, first)?;
    let ahead = ahead_of_mirror(LOOPBACK);
    ensure!(ahead == Some(("egress", "accept".to_owned())), "{ahead:?}");
    Ok(())
}

struct Stage {
    dataplane: Dataplane,
    mirror: Mirror,
    rings: SegmentRings,
}

/// One connection's two ends.
struct Connection {
    client: TcpStream,
    server: TcpStream,
}

/// What the rings held of one direction: bytes by sequence number, and totals of the headers.
#[derive(Default)]
struct Copied {
    pieces: BTreeMap<u32, Vec<u8>>,
    length: u64,
    headers: Vec<MirrorHeader>,
}

impl Copied {
    fn bytes(&self) -> Vec<u8> {
        self.pieces.values().flatten().copied().collect()
    }
}

impl Stage {
    fn new() -> Result<Self> {
        let options = LoadOptions {
            capacities: SMALL,
            segment_ring_bytes: 4 << 20,
            inner: true,
            ..LoadOptions::default()
        };
        let mut dataplane = Dataplane::load(&options).context("loading the data plane")?;
        dataplane.attach(&[LOOPBACK.to_owned()], XdpChoice::Generic)?;
        dataplane.attach_mirror().context("attaching the mirror")?;
        let (mirror, rings) = dataplane.take_mirror().context("the mirror was taken already")?;
        Ok(Self { dataplane, mirror, rings })
    }

    fn copies_both_directions(&mut self, address: SocketAddr) -> Result<()> {
        self.mirror.set_snap(1 << 16);
        let mut connection = self.connect(address)?;
        // The loopback interface hands on aggregates beyond 64 KiB, of which the mirror copies the first 64.
        let response: Vec<u8> = (0..60_000_u32).map(|byte| (byte % 251) as u8).collect();
        connection.exchange(REQUEST, &response)?;
        let (requests, responses) = self.read()?;
        ensure!(requests.bytes() == REQUEST, "of the request {} bytes were mirrored", requests.length);
        let copied = responses.bytes();
        let differs = copied.iter().zip(&response).position(|(copied, sent)| copied != sent);
        ensure!(
            copied == response,
            "of the response {} bytes of {} were mirrored, byte {differs:?} differs: {:?}",
            copied.len(),
            responses.length,
            responses.headers
        );
        ensure!(requests.headers.iter().any(|header| header.flags & 2 != 0), "no SYN was mirrored");
        let header = responses.headers.first().context("no response")?;
        ensure!(header.source_port == connection.server.local_addr()?.port(), "{header:?}");
        Ok(())
    }

    fn keeps_to_the_snap_length(&mut self, address: SocketAddr) -> Result<()> {
        self.mirror.set_snap(100);
        let mut connection = self.connect(address)?;
        let response = vec![b'x'; 50_000];
        connection.exchange(REQUEST, &response)?;
        let (requests, responses) = self.read()?;
        ensure!(requests.bytes() == REQUEST, "short segments are copied whole");
        ensure!(responses.length == 50_000, "the headers speak of {} bytes", responses.length);
        ensure!(responses.headers.iter().all(|header| header.captured <= 100), "more than the snap length");
        ensure!(!responses.bytes().is_empty(), "nothing was copied");
        Ok(())
    }

    fn keeps_to_instructions(&mut self, address: SocketAddr) -> Result<()> {
        self.mirror.set_snap(1 << 16);
        let mut connection = self.connect(address)?;
        connection.exchange(REQUEST, b"first")?;
        let (requests, responses) = self.read()?;
        let flow = flow_of(requests.headers.first().context("no request")?);
        let next = responses.headers.last().context("no response")?;
        let next = next.sequence.wrapping_add(next.length);
        self.mirror.skip_until(&flow, MirrorDirection::Egress, next.wrapping_add(1_000))?;
        connection.exchange(REQUEST, &[b'y'; 1_000])?;
        let (requests, responses) = self.read()?;
        ensure!(requests.bytes() == REQUEST && responses.length == 0, "the bytes to skip were mirrored");
        connection.exchange(REQUEST, b"second")?;
        ensure!(self.read()?.1.bytes() == b"second", "what follows the skipped bytes was not mirrored");
        self.mirror.stop(&flow)?;
        let skipped = self.dataplane.counters().event(Event::MirrorSkipped)?;
        connection.exchange(REQUEST, b"third")?;
        let (requests, responses) = self.read()?;
        ensure!(requests.length + responses.length == 0, "a stopped connection was mirrored");
        ensure!(self.dataplane.counters().event(Event::MirrorSkipped)? > skipped, "and not counted");
        Ok(())
    }

    /// A connection that starts with HTTP/2's preface or a `ClientHello` is copied beyond the snap length, until it is said
    /// that this is not needed.
    fn copies_whole_what_is_multiplexed(&mut self, address: SocketAddr) -> Result<()> {
        const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        const HELLO: &[u8] =
            &[22, 3, 1, 0, 40, 1, 0, 0, 36, 3, 3, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7];
        self.mirror.set_snap(100);
        let response: Vec<u8> = (0..50_000_u32).map(|byte| (byte % 251) as u8).collect();
        for first in [PREFACE, HELLO] {
            let mut connection = self.connect(address)?;
            connection.exchange(first, &response)?;
            let (requests, responses) = self.read()?;
            ensure!(requests.bytes() == first, "of the first bytes {} were mirrored", requests.length);
            ensure!(responses.bytes() == response, "{} bytes were copied", responses.bytes().len());
            let flow = flow_of(requests.headers.first().context("no request")?);
            // Options count as well: a segment may be longer than the snap length only because of them.
            for length in [80, 88, 89, 99, 100, 101] {
                let response = &response[..length];
                connection.exchange(REQUEST, response)?;
                let copied = self.read()?.1;
                ensure!(copied.bytes() == response, "{} of {length} bytes were copied", copied.bytes().len());
            }
            self.mirror.copy_whole(&flow, false)?;
            connection.exchange(REQUEST, &response)?;
            let (_, responses) = self.read()?;
            ensure!(responses.headers.iter().all(|header| header.captured <= 100), "{:?}", responses.headers);
            self.mirror.copy_whole(&flow, true)?;
            connection.exchange(REQUEST, &response)?;
            let (_, responses) = self.read()?;
            ensure!(responses.bytes() == response, "{} bytes were copied", responses.bytes().len());
        }
        ensure!(self.dataplane.counters().event(Event::MirrorTruncated)? == 0, "the budget was spent");
        Ok(())
    }

    fn connect(&mut self, address: SocketAddr) -> Result<Connection> {
        let listener = TcpListener::bind(address)?;
        self.mirror.watch(&BTreeSet::from([listener.local_addr()?.port()]));
        // What the connection before this one had still to say when it was closed.
        self.read()?;
        let client = TcpStream::connect(listener.local_addr()?)?;
        let (server, _) = listener.accept()?;
        Ok(Connection { client, server })
    }

    /// What came until nothing more comes: the peers are done, so all of it is in the rings.
    fn read(&mut self) -> Result<(Copied, Copied)> {
        let mut copied = [Copied::default(), Copied::default()];
        let mut quiet = 0;
        let all = wait_until(Duration::from_secs(5), || {
            let read = self.rings.read(usize::MAX, |header, payload| {
                let Some(copied) = copied.get_mut(usize::from(header.direction)) else { return };
                copied.length += u64::from(header.length);
                copied.headers.push(*header);
                let payload = payload.get(usize::from(header.options)..).unwrap_or_default();
                if !payload.is_empty() {
                    copied.pieces.insert(header.sequence, payload.to_vec());
                }
            });
            let read = read.expect("the rings can be mapped");
            if read == 0 {
                // What comes after a rest is read all the same.
                self.rings.rest();
            }
            quiet = if read == 0 { quiet + 1 } else { 0 };
            quiet > 3
        });
        ensure!(all, "the rings never became empty");
        Ok(copied.into())
    }
}

impl Connection {
    fn exchange(&mut self, request: &[u8], response: &[u8]) -> Result<()> {
        self.client.write_all(request)?;
        let mut got = vec![0; request.len()];
        self.server.read_exact(&mut got)?;
        let mut got = vec![0; response.len()];
        let Self { client, server } = self;
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| server.write_all(response));
            client.read_exact(&mut got)?;
            writer.join().expect("the writer ends")
        })?;
        Ok(())
    }
}

fn flow_of(request: &MirrorHeader) -> FlowKey {
    FlowKey {
        client: request.source,
        server: request.destination,
        client_port: request.source_port,
        server_port: request.destination_port,
        reserved: 0,
    }
}
