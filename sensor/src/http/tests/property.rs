//! Properties over many conversations.

use proptest::prelude::*;

use super::super::fuzz;
use super::*;

#[derive(Clone, Debug)]
enum Body {
    None,
    Length(Vec<u8>),
    Chunked(Vec<Vec<u8>>, bool),
}

fn body() -> impl Strategy<Value = Body> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        Just(Body::None),
        bytes().prop_map(Body::Length),
        (prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 0..4), any::<bool>())
            .prop_map(|(chunks, extended)| Body::Chunked(chunks, extended)),
    ]
}

impl Body {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::None => out.extend(b"Content-Length: 0\r\n\r\n"),
            Self::Length(bytes) => {
                out.extend(format!("Content-Length: {}\r\n\r\n", bytes.len()).bytes());
                out.extend(bytes);
            }
            Self::Chunked(chunks, extended) => {
                let extension = if *extended { ";a=b" } else { "" };
                out.extend(b"Transfer-Encoding: chunked\r\n\r\n");
                for chunk in chunks {
                    out.extend(format!("{:x}{extension}\r\n", chunk.len()).bytes());
                    out.extend(chunk);
                    out.extend(b"\r\n");
                }
                out.extend(if *extended { &b"0\r\nX: y\r\n\r\n"[..] } else { b"0\r\n\r\n" });
            }
        }
    }
}

/// Bytes of client and server, and how many exchanges they are.
fn conversation() -> impl Strategy<Value = (Vec<u8>, Vec<u8>, usize)> {
    let exchange = (
        0_usize..4,
        "[a-z?=/]{0,12}",
        prop::collection::vec("[A-Za-z]{1,8}", 0..6),
        body(),
        body(),
        0_u8..3,
        any::<bool>(),
    );
    prop::collection::vec(exchange, 1..5).prop_map(|exchanges| {
        let (mut client, mut server) = (Vec::new(), Vec::new());
        for (kind, path, headers, request, response, interim, lenient) in &exchanges {
            let method = ["GET", "POST", "HEAD", "PUT"][*kind];
            let space = if *lenient { " " } else { "" };
            client.extend(format!("{method} {space}/{path} HTTP/1.1\r\nHost: a\r\n").bytes());
            server.extend(b"HTTP/1.1 100 Continue\r\n\r\n".repeat(usize::from(*interim)));
            server.extend(b"HTTP/1.1 200 OK\r\n");
            for (index, header) in headers.iter().enumerate() {
                let line = format!("X-{index}: {header}\r\n");
                client.extend(line.bytes());
                server.extend(line.bytes());
            }
            let bodiless = matches!(method, "GET" | "HEAD");
            if bodiless { &Body::None } else { request }.write(&mut client);
            if method == "HEAD" { &Body::None } else { response }.write(&mut server);
        }
        (client, server, exchanges.len())
    })
}

fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.dedup();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

fn told(client: &[&[u8]], server: &[&[u8]]) -> Vec<String> {
    let mut talk = Talk::new();
    talk.http.sink_mut().verbose = true;
    for piece in client {
        let _advice = talk.client(piece);
    }
    for piece in server {
        let _advice = talk.server(piece);
    }
    talk.finish()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn cut_anywhere(
        (client, server, count) in conversation(),
        client_cuts in prop::collection::vec(any::<usize>(), 0..12),
        server_cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let whole = told(&[&client], &[&server]);
        prop_assert_eq!(whole.len(), count);
        prop_assert!(!whole.iter().any(|line| line.contains("GAPS") || line.contains("-> -")));
        prop_assert_eq!(told(&pieces(&client, &client_cuts), &pieces(&server, &server_cuts)), whole);
    }

    /// Holes anywhere: nothing is paired wrongly without a mark. A request and its response carry a number.
    #[test]
    fn holes_are_marked(
        count in 1_usize..8,
        holes in prop::collection::vec((any::<bool>(), 0_usize..8, 0_usize..60, 1_usize..60), 0..3),
    ) {
        let mut talk = Talk::new();
        for number in 0..count {
            let messages = [
                (Side::Client, format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n")),
                (Side::Server, format!("HTTP/1.1 {} X\r\nContent-Length: 3\r\n\r\nabc", 210 + number)),
            ];
            for (side, message) in messages {
                let hole = holes.iter().find(|(is_client, at, ..)| *at == number && *is_client == (side == Side::Client));
                let (start, length) = hole.map_or((message.len(), 0), |(_, _, start, length)| (start % message.len(), *length));
                let end = (start + length).min(message.len());
                if start > 0 {
                    let _advice = talk.data(side, &message[..start]);
                }
                if end > start {
                    let _advice = talk.missing(side, (end - start) as u64, Missing::Lost);
                }
                if end < message.len() {
                    let _advice = talk.data(side, &message[end..]);
                }
            }
        }
        for line in talk.finish() {
            let number = line.strip_prefix("GET /").and_then(|rest| rest.split(' ').next()?.parse::<usize>().ok());
            let status = line.split("-> ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<usize>().ok());
            let agrees = matches!((number, status), (Some(number), Some(status)) if status == 210 + number);
            prop_assert!(agrees || line.contains("GAPS"), "{}", line);
        }
    }

    #[test]
    fn fuzz_random(script in prop::collection::vec(any::<u8>(), 0..300)) {
        fuzz::conversation(&script);
        fuzz::body(&script);
    }

    /// Valid conversations, in the form of a script, with bytes changed.
    #[test]
    fn fuzz_mutated(
        (client, server, _) in conversation(),
        selector in any::<u8>(),
        cuts in prop::collection::vec(any::<usize>(), 0..6),
        changes in prop::collection::vec((any::<usize>(), prop_oneof![any::<u8>(), prop::sample::select(b"\r\n :;,0x+-\t".to_vec())]), 0..8),
    ) {
        let mut script = vec![selector];
        for (bit, bytes) in [(0, &client), (1, &server)] {
            for piece in pieces(bytes, &cuts).into_iter().flat_map(|piece| piece.chunks(255)) {
                script.extend([0x0e | bit, u8::try_from(piece.len()).unwrap()]);
                script.extend(piece);
            }
        }
        for (place, byte) in changes {
            let place = place % script.len();
            script[place] = byte;
        }
        fuzz::conversation(&script);
    }

    #[test]
    fn fuzz_proxy(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        version in 0_usize..3,
        line in "(TCP4|TCP6|UNKNOWN|X) ?[0-9a-f.:]{0,12} ?[0-9.:]{0,12} [0-9]{1,5} [0-9]{1,5}\r?\n?",
    ) {
        let start: &[u8] = [&b""[..], b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0"][version];
        fuzz::proxy(&[start, &bytes].concat());
        fuzz::proxy(&[b"PROXY ", line.as_bytes(), &bytes].concat());
    }

    /// Coded bodies with bytes changed, for each coding.
    #[test]
    fn fuzz_coded(
        text in prop::collection::vec(0_u8..4, 0..2_000),
        changes in prop::collection::vec((any::<usize>(), any::<u8>()), 0..4),
        cut in any::<usize>(),
    ) {
        use std::io::Write as _;
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&text).unwrap();
        let zstd = ruzstd::encoding::compress_to_vec(&text[..], ruzstd::encoding::CompressionLevel::Fastest);
        for (selector, mut coded) in [(0, gzip.finish().unwrap()), (3, zstd.clone()), (2, zstd)] {
            coded.truncate(cut % (coded.len() + 1));
            for (place, byte) in &changes {
                let length = coded.len().max(1);
                if let Some(target) = coded.get_mut(place % length) {
                    *target = *byte;
                }
            }
            coded.insert(0, selector);
            fuzz::body(&coded);
        }
    }
}
