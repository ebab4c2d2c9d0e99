//! Content codings: bombs, bombs in bombs, and streams that cost more than what they hold.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

use super::{Kind, Wire, post, response_with};

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "gzip_bomb",
        what: "logins of 60 KB in some hundred bytes",
        fill: |wire, number| logins(wire, number, "gzip", &gzip(&bomb()), 40),
    },
    Kind {
        name: "gzip_bomb_alone",
        what: "the same, each on a connection of its own",
        fill: |wire, number| logins(wire, number, "gzip", &gzip(&bomb()), 1),
    },
    Kind {
        name: "gzip_twice",
        what: "16 MB, compressed twice",
        fill: |wire, number| {
            let once = gzip_zeros();
            logins(wire, number, "gzip, gzip", &gzip(&once), 40);
        },
    },
    Kind {
        name: "gzip_twice_alone",
        what: "the same, each on a connection of its own",
        fill: |wire, number| {
            let once = gzip_zeros();
            logins(wire, number, "gzip, gzip", &gzip(&once), 1);
        },
    },
    Kind {
        name: "gzip_members",
        what: "700 empty members",
        fill: |wire, number| logins(wire, number, "gzip", &gzip(b"").repeat(700), 4),
    },
    Kind {
        name: "gzip_tables",
        what: "hundreds of blocks, each with tables of its own",
        fill: |wire, number| {
            let blocks = blocks(wire);
            logins(wire, number, "deflate", &blocks, 4);
        },
    },
    Kind {
        name: "gzip_answers",
        what: "logins answered with bombs",
        fill: |wire, number| {
            let mut peer = wire.open(number);
            let page = gzip(&[b"<p>".as_slice(), &[b'a'; 100_000]].concat());
            for _ in 0..20 {
                wire.up(&mut peer, post("/login", "Content-Type: application/json\r\n", LOGIN));
                wire.down(&mut peer, response_with(200, "Content-Encoding: gzip\r\n", &page));
            }
            wire.close(&mut peer);
        },
    },
    Kind {
        name: "zstd_bomb",
        what: "blocks of one byte again and again, 128 KB in four bytes",
        fill: |wire, number| {
            // RFC 8878, section 3.1.1.2: size 0x20000, kind RLE.
            let block = [0x02, 0x00, 0x10, b'a'];
            let frame = [&[0x28, 0xb5, 0x2f, 0xfd, 0, 0x38][..], &block.repeat(50), &[1, 0, 0]].concat();
            logins(wire, number, "zstd", &frame, 40);
        },
    },
    Kind {
        name: "zstd_blocks",
        what: "thousands of empty blocks",
        fill: |wire, number| {
            let frame =
                [&[0x28, 0xb5, 0x2f, 0xfd, 0, 0x38][..], &[0, 0, 0].repeat(5_000), &[1, 0, 0]].concat();
            logins(wire, number, "zstd", &frame, 4);
        },
    },
    Kind {
        name: "zstd_window",
        what: "a large window for nothing, on a connection of its own",
        fill: |wire, number| logins(wire, number, "zstd", &[0x28, 0xb5, 0x2f, 0xfd, 0, 0x38, 1, 0, 0], 40),
    },
    Kind {
        name: "brotli_blocks",
        what: "thousands of empty metadata blocks",
        fill: |wire, number| {
            // RFC 7932, section 9.2: a window of 16 bits, then meta-blocks without data; each is skipped.
            logins(wire, number, "br", &[0x0c].repeat(14_000), 4);
        },
    },
    Kind {
        name: "brotli_windows",
        what: "the largest window for nothing",
        fill: |wire, number| logins(wire, number, "br", &[0x0f, 0x00, 0x80, 0x61, 0x03], 40),
    },
    Kind {
        name: "uploads",
        what: "compressed bodies that are no login",
        fill: |wire, number| {
            let mut peer = wire.open(number);
            let body = gzip(&bomb());
            for _ in 0..40 {
                let headers = "Content-Type: application/octet-stream\r\nContent-Encoding: gzip\r\n";
                wire.up(&mut peer, post("/upload", headers, &body));
                wire.down(&mut peer, super::response(200, b"ok"));
            }
            wire.close(&mut peer);
        },
    },
];

const LOGIN: &[u8] = b"{\"user\":\"a\",\"password\":\"b\"}";

fn bomb() -> Vec<u8> {
    format!("{{\"a\":\"{}\"}}", "a".repeat(60_000)).into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// 16 MB of one letter.
fn gzip_zeros() -> Vec<u8> {
    static ONCE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    ONCE.get_or_init(|| gzip(&vec![b'a'; 16 << 20])).clone()
}

/// Some 16 KB of short blocks.
fn blocks(wire: &mut Wire) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    for _ in 0..350 {
        let letters: Vec<u8> = (0..40).map(|_| b'!' + wire.random.below(90) as u8).collect();
        encoder.write_all(&letters).unwrap();
        encoder.flush().unwrap();
    }
    let mut bytes = encoder.finish().unwrap();
    bytes.truncate(16_000);
    bytes
}

fn logins(wire: &mut Wire, number: u32, coding: &str, body: &[u8], count: usize) {
    let headers = format!("Content-Type: application/json\r\nContent-Encoding: {coding}\r\n");
    let request = post("/login", &headers, body);
    let mut peer = wire.open(number);
    for _ in 0..count {
        wire.up(&mut peer, &request);
        wire.down(&mut peer, super::response(200, b"ok"));
    }
    wire.close(&mut peer);
}
