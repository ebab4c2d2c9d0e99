//! Messages: tiny ones in a row, chunks, what is looked for behind a loss, paths.

use super::{Kind, Wire, response, single};
use crate::hostile::Side;

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "pipelined",
        what: "3,000 requests of 18 bytes without an answer",
        fill: |wire, number| pipelined(wire, number, "GET / HTTP/1.1\r\n\r\n", 3_000, ""),
    },
    Kind {
        name: "pipelined_answered",
        what: "the same, all answered at the end",
        fill: |wire, number| {
            pipelined(wire, number, "GET / HTTP/1.1\r\n\r\n", 3_000, "HTTP/1.1 204 a\r\n\r\n");
        },
    },
    Kind {
        name: "pipelined_tiny",
        what: "requests of 16 bytes with bare line feeds",
        fill: |wire, number| pipelined(wire, number, "GET / HTTP/1.1\n\n", 3_000, ""),
    },
    Kind {
        name: "http09",
        what: "requests of HTTP/0.9, seven bytes each",
        fill: |wire, number| pipelined(wire, number, "GET /\r\n", 8_000, ""),
    },
    Kind {
        name: "http09_answered",
        what: "the same, with responses",
        fill: |wire, number| pipelined(wire, number, "GET /\r\n", 8_000, "HTTP/1.1 400 a\r\n\r\n"),
    },
    Kind {
        name: "empty_lines",
        what: "nothing but line ends between two requests",
        fill: |wire, number| {
            single(wire, number, format!("{}GET / HTTP/1.1\r\n\r\n", "\r\n".repeat(30_000)), 200);
        },
    },
    Kind {
        name: "interim",
        what: "thousands of interim responses",
        fill: |wire, number| {
            let mut peer = wire.open(number);
            wire.up(&mut peer, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            wire.down(&mut peer, "HTTP/1.1 102 a\r\n\r\n".repeat(3_000));
            wire.down(&mut peer, response(200, b"ok"));
            wire.close(&mut peer);
        },
    },
    Kind {
        name: "unasked",
        what: "thousands of responses that no request asked for",
        fill: |wire, number| {
            let mut peer = wire.open(number);
            wire.down(&mut peer, "HTTP/1.1 204 a\r\n\r\n".repeat(3_000));
            wire.close(&mut peer);
        },
    },
    Kind {
        name: "chunks",
        what: "10,000 chunks of one byte",
        fill: |wire, number| chunked(wire, number, &("1\r\nx\r\n".repeat(10_000) + "0\r\n\r\n")),
    },
    Kind {
        name: "chunks_tiny_segments",
        what: "chunks of one byte, one byte in a segment",
        fill: |wire, number| {
            let mut peer = wire.open(number);
            wire.up(&mut peer, "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
            let chunks = b"1\nx\n".repeat(500);
            wire.send(&mut peer, Side::Client, &chunks, 1);
            wire.close(&mut peer);
        },
    },
    Kind {
        name: "chunk_extensions",
        what: "chunks of one byte with extensions of 4 KB",
        fill: |wire, number| {
            let chunk = format!("1;{}\r\nx\r\n", "a=b;".repeat(1_000));
            chunked(wire, number, &chunk.repeat(15));
        },
    },
    Kind {
        name: "trailers",
        what: "trailers up to their bound",
        fill: |wire, number| chunked(wire, number, &format!("0\r\n{}\r\n", "host:a\r\n".repeat(1_000))),
    },
    Kind {
        name: "broken_chunks",
        what: "chunk sizes that are none, each followed by what may be a request",
        fill: |wire, number| {
            let request = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n";
            pipelined(wire, number, request, 800, "");
        },
    },
    Kind {
        name: "resynchronised_lines",
        what: "after a loss, lines that begin like requests",
        fill: |wire, number| {
            let mut peer = wire.open(number);
            wire.up(&mut peer, "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n");
            wire.up(&mut peer, "GET /x HTTP/1.1 \n".repeat(3_500));
            wire.close(&mut peer);
        },
    },
    Kind {
        name: "resynchronised_pieces",
        what: "after a loss, segments that each end in the beginning of a request",
        fill: |wire, number| {
            let mut peer = wire.open(number);
            wire.up(&mut peer, "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n");
            for _ in 0..40 {
                wire.up(&mut peer, format!("{}GET /", " b\n".repeat(480)));
            }
            wire.close(&mut peer);
        },
    },
    Kind {
        name: "not_http",
        what: "other protocols, and what resembles them",
        fill: |wire, number| {
            for (index, first) in
                ["\x16\x03\x01", "SSH-2.0-a\r\n", "A", "PROXY TCP4 ", "\r\n\r\n\0\r\nQUIT\n"]
                    .into_iter()
                    .enumerate()
            {
                let mut peer = wire.open(number * 5 + index as u32);
                wire.up(&mut peer, format!("{first}{}", "z\n".repeat(500)));
                wire.close(&mut peer);
            }
        },
    },
    Kind { name: "deep_paths", what: "successful paths of 30 words, each another", fill: deep_paths },
    Kind {
        name: "wide_paths",
        what: "successful paths of one word, each another",
        fill: |wire, number| {
            let mut peer = wire.open(number);
            for _ in 0..10 {
                let word = word(wire, 6);
                wire.up(&mut peer, format!("GET /{word} HTTP/1.1\r\n\r\n"));
                wire.down(&mut peer, response(200, b"ok"));
            }
            wire.close(&mut peer);
        },
    },
    Kind {
        name: "refused_paths",
        what: "paths that are refused, each another, two words deep",
        fill: |wire, number| {
            let mut peer = wire.open(number);
            for _ in 0..10 {
                let (first, second) = (word(wire, 2), word(wire, 6));
                wire.up(&mut peer, format!("GET /{first}/{second} HTTP/1.1\r\n\r\n"));
                wire.down(&mut peer, response(403, b"no"));
            }
            wire.close(&mut peer);
        },
    },
    Kind {
        name: "slashes",
        what: "a path of 30,000 segments",
        fill: |wire, number| path(wire, number, "a/", 30_000, 200),
    },
    Kind {
        name: "dots",
        what: "a path of thousands of steps up and down",
        fill: |wire, number| path(wire, number, "../a/", 12_000, 404),
    },
    Kind {
        name: "escapes",
        what: "a path of thousands of escaped steps up",
        fill: |wire, number| path(wire, number, "%2e%2e%2f", 7_000, 404),
    },
    Kind {
        name: "path_parameters",
        what: "a path of thousands of parameters",
        fill: |wire, number| path(wire, number, "a;b=c/", 10_000, 200),
    },
];

fn pipelined(wire: &mut Wire, number: u32, request: &str, count: usize, answer: &str) {
    let mut peer = wire.open(number);
    wire.up(&mut peer, request.repeat(count));
    wire.down(&mut peer, answer.repeat(count));
    wire.close(&mut peer);
}

fn chunked(wire: &mut Wire, number: u32, chunks: &str) {
    let head =
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    single(wire, number, format!("{head}{chunks}"), 200);
}

fn path(wire: &mut Wire, number: u32, part: &str, count: usize, status: u16) {
    single(wire, number, format!("GET /{} HTTP/1.1\r\n\r\n", part.repeat(count)), status);
}

fn word(wire: &mut Wire, length: usize) -> String {
    (0..length).map(|_| char::from(b'a' + wire.random.below(16) as u8)).collect()
}

fn deep_paths(wire: &mut Wire, number: u32) {
    let mut peer = wire.open(number);
    for _ in 0..10 {
        let words: Vec<String> = (0..30)
            .map(|_| {
                let first = ["alpha", "beta", "gam", "delta", "eps"][wire.random.below(5) as usize];
                format!("{first}{}", word(wire, 3))
            })
            .collect();
        wire.up(&mut peer, format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", words.join("/")));
        wire.down(&mut peer, response(200, b"ok"));
    }
    wire.close(&mut peer);
}
