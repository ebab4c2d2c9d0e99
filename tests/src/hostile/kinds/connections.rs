//! Connections and clients: tables under churn.

use super::{Kind, Wire, post, response, response_with, single};
use crate::hostile::Side;
use crate::packet::flags::{ACK, PSH, RST, SYN};

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "syn_flood",
        what: "connections that nobody goes on with",
        fill: |wire, number| {
            for index in 0..1_000 {
                let peer = wire.peer(number * 1_000 + index);
                wire.put(&peer, Side::Client, SYN, b"");
            }
        },
    },
    Kind {
        name: "syn_data_flood",
        what: "the same with data in the SYN",
        fill: |wire, number| {
            for index in 0..1_000 {
                let peer = wire.peer(number * 1_000 + index);
                wire.put(&peer, Side::Client, SYN, b"GET / HTTP/1.1\r\n\r\n");
            }
        },
    },
    Kind {
        name: "midstream_flood",
        what: "requests of connections without a handshake",
        fill: |wire, number| {
            for index in 0..1_000 {
                let peer = wire.peer(number * 1_000 + index);
                wire.put(&peer, Side::Client, PSH | ACK, b"GET /.env HTTP/1.1\r\n\r\n");
            }
        },
    },
    Kind {
        name: "short_connections",
        what: "handshakes, one byte, resets",
        fill: |wire, number| {
            let mut peer = wire.open(number);
            wire.up(&mut peer, b"G");
            wire.put(&peer, Side::Client, RST, b"");
        },
    },
    Kind {
        name: "reused_ports",
        what: "the same addresses and ports again and again",
        fill: |wire, _| {
            let mut peer = wire.open(1);
            wire.up(&mut peer, b"GET / HTTP/1.1\r\n");
        },
    },
    Kind {
        name: "probes",
        what: "scanners, each request from another client",
        fill: |wire, number| single(wire, number * 8, "GET /.env HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    },
    Kind {
        name: "agents",
        what: "another User-Agent with each request",
        fill: |wire, number| {
            let mut peer = wire.open(number);
            for index in 0..20 {
                let agent = format!("sqlmap/{number}.{index} {}", "nikto ".repeat(40));
                wire.up(&mut peer, format!("GET /a HTTP/1.1\r\nHost: a\r\nUser-Agent: {agent}\r\n\r\n"));
                wire.down(&mut peer, response(404, b"no"));
            }
            wire.close(&mut peer);
        },
    },
    Kind {
        name: "objects",
        what: "objects that are refused, one after the other",
        fill: |wire, number| {
            let mut peer = wire.open(number);
            for index in 0..20 {
                let object = number * 20 + index;
                wire.up(&mut peer, format!("GET /api/users/{object} HTTP/1.1\r\nHost: a\r\n\r\n"));
                wire.down(&mut peer, response(403, b"no"));
            }
            wire.close(&mut peer);
        },
    },
    Kind {
        name: "principals",
        what: "another token with each request, for objects that are refused",
        fill: |wire, number| {
            let mut peer = wire.open(number);
            for index in 0..20 {
                let (object, token) = (wire.random.below(100_000), number * 20 + index);
                wire.up(
                    &mut peer,
                    format!("GET /api/users/{object} HTTP/1.1\r\nHost: a\r\nX-Api-Key: {token}\r\n\r\n"),
                );
                wire.down(&mut peer, response(403, b"no"));
            }
            wire.close(&mut peer);
        },
    },
    Kind {
        name: "stuffing",
        what: "failed logins, each of another account by another client",
        fill: |wire, number| login(wire, number * 8, &format!("user=u{number}&password=p{number}"), 1),
    },
    Kind {
        name: "spraying",
        what: "failed logins, each of another account by one client",
        fill: |wire, number| {
            let mut peer = wire.open(1);
            for index in 0..20 {
                let body = format!("user=u{}&password=p", number * 20 + index);
                wire.up(&mut peer, post("/login", FORM, body.as_bytes()));
                wire.down(&mut peer, response(401, b"no"));
            }
            wire.close(&mut peer);
        },
    },
    Kind {
        name: "guessing",
        what: "failed logins of one account by many clients",
        fill: |wire, number| login(wire, number * 8, &format!("user=admin&password=p{number}"), 3),
    },
    Kind {
        name: "cookies_set",
        what: "responses with 30 KB of cookies",
        fill: |wire, number| {
            let mut peer = wire.open(number);
            wire.up(&mut peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            wire.down(&mut peer, response_with(200, &"Set-Cookie: a=b; Path=/\r\n".repeat(1_200), b"ok"));
            wire.close(&mut peer);
        },
    },
];

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

fn login(wire: &mut Wire, number: u32, body: &str, count: usize) {
    let mut peer = wire.open(number);
    for _ in 0..count {
        wire.up(&mut peer, post("/login", FORM, body.as_bytes()));
        wire.down(&mut peer, response(401, b"no"));
    }
    wire.close(&mut peer);
}
