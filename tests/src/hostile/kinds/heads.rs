//! Heads: folding, many headers, long lists, long lines.

use super::{Kind, Wire, response, single};
use crate::hostile::Side;

/// Just below the bound on heads.
const HEAD: usize = 65_000;

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "fold_blank",
        what: "a value and thousands of blank folded lines",
        fill: |wire, number| folded(wire, number, "X: a\n", " \n"),
    },
    Kind {
        name: "fold_crlf_tab",
        what: "the same with CRLF and tabs",
        fill: |wire, number| folded(wire, number, "X: a", "\r\n\t"),
    },
    Kind {
        name: "fold_pairs",
        what: "thousands of headers, each folded once",
        fill: |wire, number| folded(wire, number, "", "X: a\n b\n"),
    },
    Kind {
        name: "fold_empty",
        what: "an empty value that blank lines go on with",
        fill: |wire, number| folded(wire, number, "X:\n", "\t\n"),
    },
    Kind {
        name: "fold_text",
        what: "a value of thousands of short folded lines",
        fill: |wire, number| folded(wire, number, "X: a\n", " b\n"),
    },
    Kind { name: "fold_tiny_segments", what: "blank folded lines, two bytes in a segment", fill: fold_tiny },
    Kind {
        name: "many_headers",
        what: "12,000 headers of four bytes",
        fill: |wire, number| filled(wire, number, "a:b\r\n"),
    },
    Kind {
        name: "no_colons",
        what: "header lines without a colon",
        fill: |wire, number| filled(wire, number, "aaa\r\n"),
    },
    Kind {
        name: "hundred_headers",
        what: "requests with as many headers as are kept, names one letter apart",
        fill: hundred,
    },
    Kind {
        name: "header_soup",
        what: "names of all headers that mean something, again and again",
        fill: |wire, number| {
            filled(
                wire,
                number,
                "Cookie:a\r\nHost:b\r\nContent-Length:1\r\nConnection:x\r\nAuthorization:y\r\n",
            );
        },
    },
    Kind {
        name: "cookies",
        what: "90 lines of 150 cookies",
        fill: |wire, number| lines(wire, number, "Cookie: ", "a=b;", 150, 90),
    },
    Kind {
        name: "forwarded",
        what: "X-Forwarded-For and Forwarded with thousands of entries",
        fill: forwarded,
    },
    Kind {
        name: "forwarded_quotes",
        what: "Forwarded with quotes that stay open and escapes",
        fill: |wire, number| lines(wire, number, "Forwarded: for=\"", "\\\\\\\\\\\",", 100, 90),
    },
    Kind {
        name: "connection_options",
        what: "Connection with thousands of options",
        fill: |wire, number| lines(wire, number, "Connection: ", "a,", 350, 90),
    },
    Kind {
        name: "transfer_codings",
        what: "Transfer-Encoding with thousands of codings",
        fill: |wire, number| lines(wire, number, "Transfer-Encoding: ", "a,", 350, 90),
    },
    Kind {
        name: "content_lengths",
        what: "Content-Length with thousands of values",
        fill: |wire, number| lines(wire, number, "Content-Length: ", "0,", 350, 90),
    },
    Kind {
        name: "long_target",
        what: "a start line of 64 KB",
        fill: |wire, number| {
            let request = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(HEAD));
            single(wire, number, request, 414);
        },
    },
    Kind {
        name: "spaced_target",
        what: "a start line of 64 KB of spaces",
        fill: |wire, number| {
            let request = format!("GET /{}x HTTP/1.1\r\nHost: a\r\n\r\n", " ".repeat(HEAD));
            single(wire, number, request, 400);
        },
    },
    Kind {
        name: "long_method",
        what: "a first line without whitespace",
        fill: |wire, number| single(wire, number, format!("{}\r\n\r\n", "A".repeat(HEAD)), 400),
    },
    Kind { name: "tokens", what: "bearer tokens and cookies of 8 KB that look like JWTs", fill: tokens },
    Kind {
        name: "query_names",
        what: "a query of 5,000 parameters on a login's path",
        fill: |wire, number| {
            let names: String = (0..5_000).map(|name| format!("p{name}={name}&")).collect();
            single(wire, number, format!("GET /login?{names}password=x HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
        },
    },
    Kind {
        name: "query_escapes",
        what: "a query of escapes on a login's path",
        fill: |wire, number| {
            let escapes = "%70%61%73%73=%78&".repeat(3_500);
            single(wire, number, format!("GET /login?{escapes} HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
        },
    },
];

fn folded(wire: &mut Wire, number: u32, first: &str, line: &str) {
    let head = format!("GET /a HTTP/1.1\r\nHost: a\r\n{first}");
    let lines = line.repeat((HEAD - head.len()) / line.len());
    let end = if line.ends_with('\n') { "\r\n" } else { "\r\n\r\n" };
    single(wire, number, format!("{head}{lines}{end}"), 400);
}

fn fold_tiny(wire: &mut Wire, number: u32) {
    let mut peer = wire.open(number);
    wire.up(&mut peer, "GET /a HTTP/1.1\r\nHost: a\r\nX: a\n");
    wire.send(&mut peer, Side::Client, &b" \n".repeat(3_000), 2);
    wire.up(&mut peer, "\r\n");
    wire.down(&mut peer, response(400, b"ok"));
    wire.close(&mut peer);
}

fn filled(wire: &mut Wire, number: u32, line: &str) {
    let head = "GET /a HTTP/1.1\r\nHost: a\r\n";
    single(wire, number, format!("{head}{}\r\n", line.repeat((HEAD - 100) / line.len())), 400);
}

fn hundred(wire: &mut Wire, number: u32) {
    let headers: String = (0..99).map(|name| format!("X-Api-Ke{name}: a\r\n")).collect();
    let mut peer = wire.open(number);
    for _ in 0..10 {
        wire.up(&mut peer, format!("GET /a HTTP/1.1\r\nHost: a\r\n{headers}\r\n"));
        wire.down(&mut peer, response(200, b"ok"));
    }
    wire.close(&mut peer);
}

/// `count` lines, each with a name and a part again and again.
fn lines(wire: &mut Wire, number: u32, name: &str, part: &str, parts: usize, count: usize) {
    let line = format!("{name}{}\r\n", part.repeat(parts));
    single(wire, number, format!("GET /a HTTP/1.1\r\nHost: a\r\n{}\r\n", line.repeat(count)), 200);
}

fn forwarded(wire: &mut Wire, number: u32) {
    let pair = format!(
        "X-Forwarded-For: {}1.1.1.1\r\nForwarded: {}for=1.1.1.1\r\n",
        "1.2.3.4, ".repeat(70),
        "for=1.2.3.4,".repeat(60)
    );
    single(wire, number, format!("GET /a HTTP/1.1\r\nHost: a\r\n{}\r\n", pair.repeat(45)), 200);
}

fn tokens(wire: &mut Wire, number: u32) {
    let payload = "eyJhIjoi".to_owned() + &"YWFh".repeat(1_800);
    let token = format!("eyJhIjoxfQ.{payload}.c2ln");
    let mut peer = wire.open(number);
    for _ in 0..4 {
        let head = format!(
            "GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nX-Api-Key: {token}\r\nCookie: session={token}\r\n\r\n"
        );
        wire.up(&mut peer, head);
        wire.down(&mut peer, response(200, b"ok"));
    }
    wire.close(&mut peer);
}
