//! Connections whose secrets are known.

use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;
use crate::tls::hello::ClientHello;
use crate::tls::keys::Keys;
use crate::tls::session::Session;

#[test]
fn every_suite_is_read_and_its_facts_are_told() {
    for suite in suites() {
        let talk = talk(suite, &TURNS);
        let mut wire = Wire::knowing(&talk);
        wire.play(&talk);
        for side in [Side::Client, Side::Server] {
            assert_eq!(wire.read(side), talk.inside[side as usize], "{suite:?}");
        }
        let facts = wire.tls.inner().facts.clone().unwrap();
        assert_eq!(facts.version, version_of(suite));
        assert_eq!(facts.sni.as_deref(), Some(&b"test.example"[..]));
        assert_eq!(facts.alpn.as_deref(), Some(&b"http/1.1"[..]));
        let start = if facts.version == TlsVersion::Tls13 { "t13d01" } else { "t12d02" };
        assert!(facts.ja4.unwrap().as_str().starts_with(start), "{facts:?}");
        assert!(!wire.tls.inner().unverified && !wire.stopped);
        assert_eq!(wire.close(), Outcome::Decrypted);
        assert_eq!(wire.tls.inner().ended, [true, true]);
        assert_eq!(wire.tls.counters().ports()[&443].decrypted, 1);
    }
}

#[test]
fn who_wants_no_more_is_told_no_more() {
    let talk = talk(suites()[0], &TURNS);
    let mut wire = Wire::knowing(&talk);
    wire.tls.inner_mut().stops = true;
    wire.play(&talk);
    assert!(wire.stopped);
    assert_eq!(wire.read(Side::Client), TURNS[0].0, "the first message was told, and nothing after it");
}

/// While it is not known what is inside, the source goes on as it does; then it is told what the application needs.
#[test]
fn how_much_is_copied_is_what_the_application_inside_needs() {
    for suite in suites() {
        let talk = talk(suite, &TURNS);
        for (needs_whole, expected) in [(false, Advice::Beginnings), (true, Advice::Whole)] {
            let mut wire = Wire::knowing(&talk);
            wire.tls.inner_mut().needs_whole = needs_whole;
            wire.play(&talk);
            assert_eq!(wire.advice, [Advice::Continue, expected], "{suite:?}");
        }
    }
}

/// Talks are the same for all cases of a property.
fn talks() -> &'static [Talk] {
    static TALKS: OnceLock<Vec<Talk>> = OnceLock::new();
    TALKS.get_or_init(|| {
        let body = vec![b'x'; 40_000];
        let large = [b"HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n", &body[..]].concat();
        let turns = [TURNS[0], (TURNS[2].0, &large[..]), TURNS[1]];
        suites().into_iter().map(|suite| talk(suite, &turns)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    /// Wherever records are cut into segments, and whenever the secrets come.
    #[test]
    fn how_bytes_and_secrets_come_makes_no_difference(
        which in 0_usize..64,
        sizes in proptest::collection::vec(1_usize..3_000, 1..12),
        late in 0_usize..60,
    ) {
        let talk = &talks()[which % talks().len()];
        let mut wire = Wire::new(Config { has_source: true, ..Config::default() }, false);
        let mut step = 0;
        for (side, flight) in &talk.flights {
            let mut rest = &flight[..];
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(sizes[step % sizes.len()].min(rest.len()));
                wire.data(*side, piece);
                rest = after;
                step += 1;
                if step == late {
                    wire.learn(talk);
                }
            }
        }
        if step < late || late == 0 {
            wire.learn(talk);
        }
        prop_assert!(!wire.stopped);
        for side in [Side::Client, Side::Server] {
            prop_assert_eq!(wire.read(side), &talk.inside[side as usize][..]);
        }
        prop_assert_eq!(wire.close(), Outcome::Decrypted);
    }
}

/// A ClientHello with these suites, extensions and signature algorithms, as a browser sends it.
fn hello(suites: &[u16], extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let numbers =
        |numbers: &[u16]| numbers.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>();
    let long = |bytes: Vec<u8>| [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], &bytes].concat();
    let listed =
        extensions.iter().flat_map(|(kind, contents)| [numbers(&[*kind]), long(contents.clone())].concat());
    let parts = [vec![3, 3], vec![7; 32], vec![0], long(numbers(suites)), vec![1, 0], long(listed.collect())];
    parts.concat()
}

#[test]
fn ja4_is_that_of_its_description() {
    // The example of the method's description: a browser, with values that mean nothing in every list.
    let suites = [
        0x1a1a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014,
        0x009c, 0x009d, 0x002f, 0x0035,
    ];
    let algorithms = [0x0403_u16, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601];
    let listed: Vec<u8> = algorithms.iter().flat_map(|number| number.to_be_bytes()).collect();
    let listed = [&[0, 16][..], &listed].concat();
    let extensions: Vec<(u16, Vec<u8>)> = [
        (0x001b, vec![]),
        (0x0000, vec![0, 5, 0, 0, 2, b'a', b'b']),
        (0x0033, vec![]),
        (0x0010, [&[0, 12, 2][..], b"h2\x08http/1.1"].concat()),
        (0x4469, vec![]),
        (0x0017, vec![]),
        (0x002d, vec![]),
        (0x000d, listed),
        (0x0005, vec![]),
        (0x0023, vec![]),
        (0x0012, vec![]),
        (0x002b, vec![6, 0x2a, 0x2a, 3, 4, 3, 3]),
        (0xff01, vec![]),
        (0x000b, vec![]),
        (0x000a, vec![]),
        (0x0015, vec![]),
        (0x3a3a, vec![]),
    ]
    .into();
    let bytes = hello(&suites, &extensions);
    let text = |bytes: &[u8]| Ja4::of(&ClientHello::parse(bytes).unwrap()).as_str().to_owned();
    assert_eq!(text(&bytes), "t13d1516h2_8daaf6152771_e5627efa2ab1");
    // Without anything; and a protocol whose name is no text.
    assert_eq!(text(&hello(&[], &[])), "t12i000000_000000000000_000000000000");
    let strange = hello(&[0x1301], &[(0x0010, vec![0, 3, 2, 0xab, 0xcd])]);
    assert!(text(&strange).starts_with("t12i0101ad_"), "{}", text(&strange));
}

#[test]
fn an_idle_connection_takes_no_more_than_a_kibibyte() {
    // Two keys, two secrets of 56 bytes, the facts with a fingerprint and two short names; 16 bytes around each.
    let heap = 2 * (size_of::<Keys>() + 16) + 2 * (56 + 16) + size_of::<Facts>() + 16 + 64;
    let all = size_of::<Session>() + 16 + heap + size_of::<State<()>>();
    assert!(all <= 1_024, "{all} bytes: {} of the session", size_of::<Session>());
    assert!(size_of::<State<()>>() <= 64, "what a connection in clear takes: {}", size_of::<State<()>>());
}
