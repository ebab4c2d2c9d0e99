//! Segments of connections that this host opened, against limits that would drop them: which sockets count, and that
//! nothing else does. Each test has its own network namespace.
#![expect(clippy::unwrap_used, reason = "a test may panic: that is how it fails")]

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};

use sensor_common::abi::{Reason, Verdict};
use sensor_tests::flow::segment;
use sensor_tests::netns::Namespace;
use sensor_tests::packet::Frame;
use sensor_tests::packet::flags::{ACK, SYN};
use sensor_tests::plane::{Limits, Plane, Policy, SMALL};
use sensor_tests::process::stay_on_one_cpu;

/// A connection within the namespace, seen from both ends.
struct Connection {
    listener: TcpListener,
    /// The end that opened it.
    opener: TcpStream,
    /// The end that accepted it.
    _acceptor: TcpStream,
}

impl Connection {
    fn new(address: &str) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let opener = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (acceptor, _) = listener.accept().unwrap();
        Self { listener, opener, _acceptor: acceptor }
    }

    fn server(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    fn client(&self) -> SocketAddr {
        self.opener.local_addr().unwrap()
    }
}

/// Does the work in a namespace of its own, on one CPU: each has its own budget of look-ups.
fn apart(work: impl FnOnce() + Send) {
    let namespace = Namespace::new("answers").unwrap();
    namespace.enter(|| {
        stay_on_one_cpu().unwrap();
        work();
    });
}

/// Every limit of one an hour, used up by the source.
fn exhausted(source: IpAddr, enforce: bool) -> Plane {
    let one = Some("1/h:1".parse().unwrap());
    let default = Limits { packets: one, connections: one, ..Limits::default() };
    let mut plane = Plane::load(SMALL).unwrap();
    plane.apply(&Policy { enforce, default, ..Policy::default() }).unwrap();
    let frame = segment((source, 9).into(), (source, 10).into(), SYN);
    plane.run(&frame, 4).unwrap();
    plane.settle().unwrap();
    plane
}

#[test]
fn answers_pass_over_a_limit_and_nothing_else_does() {
    for (address, enforce) in [("127.0.0.1", true), ("127.0.0.1", false), ("::1", true)] {
        apart(move || {
            let open = Connection::new(address);
            let (server, client) = (open.server(), open.client());
            let other = SocketAddr::new(client.ip(), client.port() ^ 1);
            let refused = if enforce { Verdict::Drop } else { Verdict::WouldDrop };
            let mut plane = exhausted(client.ip(), enforce);
            for (what, frame, expected) in [
                ("from the server of an open connection", segment(server, client, ACK), None),
                ("from a client of this host", segment(client, server, ACK), Some(Reason::PacketRate)),
                ("to a port without a socket", segment(server, other, ACK), Some(Reason::PacketRate)),
                ("from another port", segment(other, client, ACK), Some(Reason::PacketRate)),
                ("to open the connection again", segment(server, client, SYN), Some(Reason::PacketRate)),
                ("to a listener, from nowhere", segment(other, server, ACK), Some(Reason::PacketRate)),
            ] {
                let seen = plane.judge(&frame).unwrap();
                let wanted = expected.map_or((Verdict::Pass, Reason::Answer), |reason| (refused, reason));
                assert_eq!((seen.verdict, seen.reason), wanted, "{address}, enforce {enforce}: {what}");
            }
            // It is over with the connection.
            let answer = segment(server, client, ACK);
            drop(open);
            assert_eq!(plane.judge(&answer).unwrap().reason, Reason::PacketRate, "{address}: after its end");
        });
    }
}

/// A flood to a port that nothing uses may not have a look-up for each of its segments, nor cost an answer.
#[test]
fn look_ups_in_vain_have_a_budget_and_answers_go_on() {
    // As many as the program grants a CPU and tick, and a reserve.
    const FLOOD: u32 = 200;
    for address in ["127.0.0.1", "::1"] {
        apart(move || {
            let (open, later) = (Connection::new(address), Connection::new(address));
            let mut plane = exhausted(open.client().ip(), true);
            let answer = segment(open.server(), open.client(), ACK);
            let of_later = segment(later.server(), later.client(), ACK);
            let stray = segment(open.server(), SocketAddr::new(open.client().ip(), 9), ACK);
            assert_eq!(plane.judge(&answer).unwrap().reason, Reason::Answer);
            plane.run(&stray, FLOOD).unwrap();
            plane.settle().unwrap();
            assert_eq!(plane.judge(&answer).unwrap().reason, Reason::Answer, "{address}: known");
            assert_eq!(
                plane.judge(&of_later).unwrap().reason,
                Reason::PacketRate,
                "{address}: no budget left"
            );
            plane.pass_ticks(1);
            assert_eq!(plane.judge(&of_later).unwrap().reason, Reason::Answer, "{address}: the next tick");
            plane.run(&stray, FLOOD).unwrap();
            plane.settle().unwrap();
            assert_eq!(plane.judge(&of_later).unwrap().reason, Reason::Answer, "{address}: known by now");
        });
    }
}

#[test]
fn a_block_reaches_answers_too() {
    apart(|| {
        let open = Connection::new("127.0.0.1");
        let mut plane = Plane::load(SMALL).unwrap();
        let blocks = vec![("127.0.0.1/32".parse().unwrap(), None)];
        plane.apply(&Policy { blocks, ..Policy::default() }).unwrap();
        let seen = plane.judge(&segment(open.server(), open.client(), ACK)).unwrap();
        assert_eq!(seen.reason, Reason::Blocked);
    });
}

/// A site over its limit is no reason to break what this host downloads from it.
#[test]
fn answers_pass_over_the_limit_of_their_site() {
    for (address, other, sites) in [("127.0.0.1", "127.0.0.2", (1, 0)), ("::1", "0:0:0:1::1", (0, 1))] {
        apart(move || {
            let open = Connection::new(address);
            let (server, client) = (open.server(), open.client());
            let mut plane = Plane::load(SMALL).unwrap();
            let default = Limits { packets: Some("1/h:9".parse().unwrap()), ..Limits::default() };
            plane.apply(&Policy { default, sites, ..Policy::default() }).unwrap();
            let neighbour = SocketAddr::new(other.parse().unwrap(), server.port());
            plane.run(&segment(neighbour, client, ACK), 10).unwrap();
            plane.run(&segment(server, client, ACK), 1).unwrap();
            plane.settle().unwrap();
            assert_eq!(plane.judge(&segment(server, client, ACK)).unwrap().reason, Reason::Answer);
            assert_eq!(plane.judge(&segment(client, server, ACK)).unwrap().reason, Reason::SiteRate);
        });
    }
}

/// In a flood of new sources, what this host itself connects to is new as well.
#[test]
fn the_first_answer_of_a_server_passes_over_the_newcomers_rate() {
    apart(|| {
        let open = Connection::new("127.0.0.1");
        let mut plane = Plane::load(SMALL).unwrap();
        plane.apply(&Policy { newcomers: Some("1/h:1".parse().unwrap()), ..Policy::default() }).unwrap();
        for host in 1..4 {
            plane.run(&Frame::v4([10, 0, 0, host].into()).udp(b"x").bytes(), 1).unwrap();
        }
        plane.settle().unwrap();
        let (server, client) = (open.server(), open.client());
        assert_eq!(plane.judge(&segment(server, client, SYN | ACK)).unwrap().reason, Reason::Answer);
        let stray = SocketAddr::new([10, 0, 0, 9].into(), server.port());
        assert_eq!(plane.judge(&segment(stray, client, SYN | ACK)).unwrap().reason, Reason::NewcomerRate);
    });
}

/// A connection without its link header.
#[test]
fn answers_on_tunnels_are_known() {
    apart(|| {
        let open = Connection::new("127.0.0.1");
        let (server, client) = (open.server(), open.client());
        let mut plane = exhausted(client.ip(), true);
        plane.serve_layer3();
        let without_link = |from, to| segment(from, to, ACK).split_off(14);
        assert_eq!(plane.judge(&without_link(server, client)).unwrap().reason, Reason::Answer);
        assert_eq!(plane.judge(&without_link(client, server)).unwrap().reason, Reason::PacketRate);
    });
}
