//! SYNs and acknowledgements of newcomers over a limit: which are answered with a cookie, and which are dropped as ever.
//! Each test has its own network namespace.
#![expect(clippy::unwrap_used, reason = "a test may panic: that is how it fails")]

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpListener};

use sensor_common::abi::{Event, Reason, Verdict};
use sensor_tests::flow::segment;
use sensor_tests::netns::Namespace;
use sensor_tests::packet::flags::{ACK, FIN, RST, SYN};
use sensor_tests::plane::{Plane, Policy, SMALL};

/// Does the work in a namespace whose kernel takes SYN cookies as the sysctl says.
fn apart(setting: &str, work: impl FnOnce() + Send) {
    let namespace = Namespace::new("cookies").unwrap();
    namespace.enter(|| {
        fs::write("/proc/sys/net/ipv4/tcp_syncookies", setting).unwrap();
        work();
    });
}

/// The newcomers' rate is used up.
fn exhausted(policy: Policy) -> Plane {
    let mut plane = Plane::load(SMALL).unwrap();
    plane.apply(&Policy { newcomers: Some("1/h:1".parse().unwrap()), ..policy }).unwrap();
    let other: SocketAddr = "198.18.0.1:9".parse().unwrap();
    plane.run(&segment(other, other, SYN), 1).unwrap();
    plane.settle().unwrap();
    plane
}

fn with_cookies() -> Policy {
    Policy { syn_cookies: true, ..Policy::default() }
}

/// A client's address, one for each number.
fn client(server: SocketAddr, number: u16) -> SocketAddr {
    let address: IpAddr = if server.is_ipv4() {
        format!("203.0.113.{number}").parse().unwrap()
    } else {
        format!("2001:db8:0:{number}::1").parse().unwrap()
    };
    SocketAddr::new(address, 4_242)
}

#[test]
fn a_syn_for_a_listener_is_answered_and_nothing_else_is() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        apart("2", move || {
            let listener = TcpListener::bind(address).unwrap();
            let server = listener.local_addr().unwrap();
            let closed = SocketAddr::new(server.ip(), server.port() ^ 1);
            let mut plane = exhausted(with_cookies());
            let answered = (Verdict::Answer, Reason::SynCookie);
            let dropped = (Verdict::Drop, Reason::NewcomerRate);
            for (number, (what, to, flags, expected)) in (1..).zip([
                ("a SYN", server, SYN, answered),
                ("a SYN for a port without a listener", closed, SYN, dropped),
                ("a SYN with FIN", server, SYN | FIN, dropped),
                ("a SYN with RST", server, SYN | RST, dropped),
                ("a SYN-ACK", server, SYN | ACK, dropped),
                ("an acknowledgement of no cookie", server, ACK, dropped),
                ("a RST", server, RST, dropped),
            ]) {
                let seen = plane.judge(&segment(client(server, number), to, flags)).unwrap();
                assert_eq!((seen.verdict, seen.reason), expected, "{address}: {what}");
            }
            assert_eq!(plane.event(Event::CookieAccepted).unwrap(), 0);
        });
    }
}

#[test]
fn without_consent_nothing_is_answered() {
    let monitor = Policy { enforce: false, ..with_cookies() };
    for (what, setting, policy, expected) in [
        ("the kernel takes no cookies", "0", with_cookies(), Verdict::Drop),
        ("the listener's queue is not full", "1", with_cookies(), Verdict::Drop),
        ("cookies are off", "2", Policy::default(), Verdict::Drop),
        ("monitor mode", "2", monitor, Verdict::WouldDrop),
    ] {
        apart(setting, move || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let server = listener.local_addr().unwrap();
            let mut plane = exhausted(policy);
            let seen = plane.judge(&segment(client(server, 1), server, SYN)).unwrap();
            assert_eq!((seen.verdict, seen.reason), (expected, Reason::NewcomerRate), "{what}");
        });
    }
}

#[test]
fn blocked_sources_are_not_answered() {
    apart("2", || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let blocks = vec![("203.0.113.0/24".parse().unwrap(), None)];
        let mut plane = exhausted(Policy { blocks, ..with_cookies() });
        let seen = plane.judge(&segment(client(server, 1), server, SYN)).unwrap();
        assert_eq!((seen.verdict, seen.reason), (Verdict::Drop, Reason::Blocked));
    });
}
