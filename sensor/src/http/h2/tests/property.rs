//! Whatever is cut anywhere is read the same.

use proptest::prelude::*;

use super::super::hpack;
use super::*;

/// A conversation that has everything in it: many streams, bodies, trailers, control frames, indexed fields.
fn conversation(streams: u32) -> (Vec<u8>, Vec<u8>) {
    let (mut client, mut server) = ([&PREFACE[..], &settings()].concat(), settings());
    for number in 0..streams {
        let id = number * 2 + 1;
        let path = format!("/item/{}", number % 5);
        let coded = hpack::encode(path.as_bytes());
        let mut fields = vec![
            if number % 3 == 0 { 0x83 } else { 0x82 },
            0x87,
            0x44,
            0x80 | u8::try_from(coded.len()).unwrap(),
        ];
        fields.extend(coded);
        fields.extend(if number == 0 { b"\x41\x01h".to_vec() } else { b"\x01\x01h".to_vec() });
        let (head, rest) = fields.split_at(fields.len() / 2);
        if number % 3 == 0 {
            client.extend(frame(HEADERS, 0, id, head));
            client.extend(frame(CONTINUATION, END_HEADERS, id, rest));
            client.extend(frame(
                DATA,
                PADDED,
                id,
                [&[3], "x".repeat(number as usize).as_bytes(), &[0; 3]].concat(),
            ));
            client.extend(frame(DATA, END_STREAM, id, []));
        } else {
            client.extend(frame(HEADERS, END_HEADERS | END_STREAM, id, &fields));
        }
        client.extend(frame(PING, 0, 0, [0; 8]));
    }
    for number in (0..streams).rev() {
        let id = number * 2 + 1;
        server.extend(frame(
            HEADERS,
            END_HEADERS,
            id,
            [&[0x88, 0x40, 1, b'x'], &string("value")[..]].concat(),
        ));
        server.extend(frame(DATA, 0, id, "body".repeat(number as usize)));
        server.extend(frame(HEADERS, END_HEADERS | END_STREAM, id, [0xbe]));
    }
    (client, server)
}

fn read(pieces: impl Iterator<Item = (Side, Vec<u8>)>) -> Vec<String> {
    let mut talk = Talk::new();
    for (side, bytes) in pieces.filter(|(_, bytes)| !bytes.is_empty()) {
        let _advice = talk.data(side, &bytes);
    }
    talk.finish()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn frames_cut_anywhere_are_read_the_same(streams in 1_u32..20, cuts in prop::collection::vec(1_usize..200, 1..80)) {
        let (client, server) = conversation(streams);
        let cut = |side: Side, bytes: &[u8]| {
            let (mut pieces, mut rest) = (Vec::new(), bytes);
            for size in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at((*size).min(rest.len()));
                pieces.push((side, piece.to_vec()));
                rest = after;
            }
            pieces
        };
        let whole = read([(Side::Client, client.clone()), (Side::Server, server.clone())].into_iter());
        prop_assert_eq!(whole.len(), streams as usize);
        prop_assert!(whole.iter().all(|line| line.contains(" -> 200 ") && !line.contains('_') && !line.contains("GAPS")), "{:?}", whole);
        let pieces = cut(Side::Client, &client).into_iter().chain(cut(Side::Server, &server));
        prop_assert_eq!(whole, read(pieces));
    }

    #[test]
    fn any_bytes_keep_to_the_bounds(bytes in prop::collection::vec(any::<u8>(), 0..2_000), selector in any::<u8>()) {
        let script = [&[selector][..], &bytes].concat();
        crate::http::fuzz::frames(&script);
        crate::http::fuzz::hpack(&bytes);
        crate::http::fuzz::grpc(&script);
        crate::http::fuzz::websocket(&script);
    }

    /// Frames of a conversation, damaged in places, in pieces and with holes between them.
    #[test]
    fn damaged_frames_keep_to_the_bounds(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        pieces in prop::collection::vec((any::<u8>(), 1_usize..255), 1..60),
        selector in any::<u8>(),
    ) {
        let (client, server) = conversation(9);
        let (mut client, mut server) = (client[PREFACE.len()..].to_vec(), server);
        for (place, byte) in &damage {
            let side = if byte & 1 == 0 { &mut client } else { &mut server };
            let place = place.index(side.len());
            side[place] = *byte;
        }
        let mut script = vec![selector & !4];
        let (mut client, mut server) = (&client[..], &server[..]);
        for (control, length) in pieces.iter().cycle().take(400) {
            let rest = if control & 1 == 0 { &mut client } else { &mut server };
            let (piece, after) = rest.split_at((*length).min(rest.len()));
            *rest = after;
            script.extend([*control, u8::try_from(piece.len()).unwrap()]);
            script.extend(piece);
        }
        crate::http::fuzz::frames(&script);
    }

    #[test]
    fn holes_anywhere_cost_what_they_hold_and_nothing_is_made_up(
        at in 0_usize..4_000,
        length in 1_usize..600,
        is_client in any::<bool>(),
    ) {
        let (client, server) = conversation(12);
        let mut talk = Talk::new();
        for (side, bytes) in [(Side::Client, &client), (Side::Server, &server)] {
            if (side == Side::Client) != is_client {
                let _advice = talk.data(side, bytes);
                continue;
            }
            let at = at % bytes.len();
            let end = (at + length).min(bytes.len());
            if at > 0 {
                let _advice = talk.data(side, &bytes[..at]);
            }
            let _advice = talk.missing(side, (end - at) as u64, Missing::Lost);
            for piece in bytes[end..].chunks(700) {
                let _advice = talk.data(side, piece);
            }
        }
        // Each line is one of those without the hole, or says that something is missing.
        let whole = read([(Side::Client, client), (Side::Server, server)].into_iter());
        for line in talk.finish() {
            prop_assert!(line.contains("GAPS") || line.contains("_") || whole.contains(&line), "{}", line);
        }
    }
}
