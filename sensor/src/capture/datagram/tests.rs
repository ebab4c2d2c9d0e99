//! Bounds and time; that the rules are Linux's is shown by `tests/tests/kernel/datagrams`.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const SERVER: [u8; 4] = [10, 0, 0, 1];

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_micros(seconds * 1_000_000)
}

/// A TCP segment from 10.0.0.`host` of 20 bytes and the data.
fn tcp(host: u8, data: &[u8]) -> Vec<u8> {
    let mut tcp = vec![0x10, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 1, 0, 0, 0, 0, 0];
    tcp.extend(data);
    let pseudo =
        [&[10, 0, 0, host][..], &SERVER, &[0, 6], &u16::try_from(tcp.len()).unwrap().to_be_bytes()].concat();
    let sum = !fold(sum(sum(0, &pseudo), &tcp));
    tcp.splice(16..18, sum.to_be_bytes());
    tcp
}

fn packet(host: u8, identification: u16, field: u16, bytes: &[u8]) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend(u16::try_from(bytes.len() + 20).unwrap().to_be_bytes());
    header.extend(identification.to_be_bytes());
    header.extend(field.to_be_bytes());
    header.extend([64, 6, 0, 0, 10, 0, 0, host]);
    header.extend(SERVER);
    let sum = !fold(sum(0, &header));
    header.splice(10..12, sum.to_be_bytes());
    [header, bytes.to_vec()].concat()
}

const MORE: u16 = 0x2000;

/// The two fragments of a segment.
fn halves(host: u8, identification: u16) -> [Vec<u8>; 2] {
    let tcp = tcp(host, b"GET / HTTP/1.1\r\n");
    [packet(host, identification, MORE, &tcp[..24]), packet(host, identification, 3, &tcp[24..])]
}

fn take(datagrams: &mut Datagrams, seconds: u64, packet: &[u8]) -> Result<Option<Vec<u8>>, Refusal> {
    let plain = datagrams.take(at(seconds), packet, packet.len())?;
    Ok(plain.map(|plain| plain.bytes.to_vec()))
}

#[test]
fn what_comes_out_is_a_frame_for_the_ordinary_parsers() {
    let mut datagrams = Datagrams::default();
    let [first, last] = halves(2, 7);
    assert_eq!(take(&mut datagrams, 1, &last), Ok(None));
    let plain = take(&mut datagrams, 1, &first).unwrap().unwrap();
    let segment = sensor_common::packet::segment(&*plain).unwrap();
    assert_eq!((segment.source_port, segment.destination_port, segment.sequence), (0x1000, 80, 1));
    assert_eq!(&plain[segment.payload..segment.end.unwrap()], b"GET / HTTP/1.1\r\n");
    assert_eq!(fold(sum(0, &plain[14..34])), 0xffff, "the header's checksum");
    assert_eq!(datagrams.counters().assembled, 1);
}

#[test]
fn datagrams_wait_as_long_as_linux_does_from_their_first_fragment_on() {
    let mut datagrams = Datagrams::default();
    let [first, last] = halves(2, 7);
    assert_eq!(take(&mut datagrams, 100, &first), Ok(None));
    assert_eq!(take(&mut datagrams, 120, &first), Err(Refusal::Ignored));
    assert!(take(&mut datagrams, 129, &last).unwrap().is_some());

    assert_eq!(take(&mut datagrams, 200, &first), Ok(None));
    assert_eq!(take(&mut datagrams, 230, &last), Ok(None), "the first one is gone");
    assert_eq!(datagrams.counters().incomplete, 1);
    datagrams.expire(at(259));
    assert_eq!(datagrams.counters().incomplete, 1);
    datagrams.expire(at(260));
    assert_eq!(datagrams.counters().incomplete, 2);
    assert_eq!(datagrams.reassembly.waiting(), (0, 0));
    // A clock that goes back makes nothing old.
    assert_eq!(take(&mut datagrams, 300, &first), Ok(None));
    assert!(take(&mut datagrams, 10, &last).unwrap().is_some());
}

#[test]
fn beyond_its_bounds_nothing_is_taken_and_all_is_counted() {
    let config = DatagramConfig { max_datagrams: 100, max_bytes: 1 << 20 };
    let mut datagrams = Datagrams::new(config);
    for identification in 0..150 {
        let expected = if identification < 100 { Ok(None) } else { Err(Refusal::Room) };
        assert_eq!(take(&mut datagrams, 1, &halves(2, identification)[0]), expected);
    }
    assert!(take(&mut datagrams, 1, &halves(2, 99)[1]).unwrap().is_some(), "what waits is completed");
    assert_eq!(datagrams.counters().refused(Refusal::Room), 50);
    datagrams.expire(at(40));
    assert_eq!((datagrams.counters().incomplete, datagrams.reassembly.waiting()), (99, (0, 0)));

    let mut datagrams = Datagrams::new(DatagramConfig { max_datagrams: 100, max_bytes: 1_000 });
    assert_eq!(take(&mut datagrams, 1, &packet(2, 1, MORE, &[0; 800])), Ok(None));
    assert_eq!(take(&mut datagrams, 1, &packet(2, 2, MORE, &[0; 800])), Err(Refusal::Room));
}

#[test]
fn a_wrong_checksum_is_told_once_all_is_there() {
    let mut datagrams = Datagrams::default();
    let [first, mut last] = halves(2, 7);
    *last.last_mut().unwrap() ^= 1;
    assert_eq!(take(&mut datagrams, 1, &first), Ok(None));
    assert_eq!(take(&mut datagrams, 1, &last), Err(Refusal::Checksum));
    assert_eq!(datagrams.counters().assembled, 0);
}

#[test]
fn what_was_not_captured_is_told_from_what_was_not_there() {
    let mut datagrams = Datagrams::default();
    let [first, _] = halves(2, 7);
    assert_eq!(datagrams.take(at(1), &first[..30], first.len()), Err(Refusal::Cut));
    assert_eq!(datagrams.take(at(1), &first[..30], 30), Err(Refusal::Header));
    assert_eq!(datagrams.take(at(1), &first[..10], first.len()), Err(Refusal::Cut));
    assert_eq!(datagrams.take(at(1), &[], 0), Err(Refusal::Header));
}

/// Headers take time in proportion to their bytes, and a fragment to the logarithm of what waits.
#[test]
fn the_longest_chain_is_followed_to_its_end() {
    let mut packet = vec![0x60, 0, 0, 0, 0xff, 0xf8, 60, 64];
    packet.extend([0xfd; 32]);
    packet.extend([60, 0, 1, 4, 0, 0, 0, 0].repeat(0xfff8 / 8));
    let mut datagrams = Datagrams::default();
    assert_eq!(datagrams.take(at(1), &packet, packet.len()), Err(Refusal::Extension));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    /// Whatever comes, what waits is within the bounds, is accounted for, and is gone in the end.
    #[test]
    fn nothing_is_kept_beyond_bounds_or_for_ever(
        parts in prop::collection::vec((0..3_u8, 0..4_u16, 0..12_u16, 0..70_usize, any::<bool>(), 0..9_u64), 0..200),
    ) {
        let mut datagrams = Datagrams::new(DatagramConfig { max_datagrams: 5, max_bytes: 1_500 });
        let mut now = 0;
        for (host, identification, offset, length, more, pause) in parts {
            now += pause;
            let field = offset | if more { MORE } else { 0 };
            let bytes = packet(host, identification, field, &vec![0; length]);
            // One without others, of zeros, is no segment that anybody reads; the checksum is not asked about.
            let _taken = datagrams.take(at(now), &bytes, bytes.len());
            let (count, bytes) = datagrams.reassembly.waiting();
            prop_assert!(count <= 5 && bytes <= 1_500, "{count} {bytes}");
        }
        datagrams.expire(at(now).plus(Duration::from_secs(31)));
        prop_assert_eq!(datagrams.reassembly.waiting(), (0, 0));
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 0..20)) {
        let mut datagrams = Datagrams::default();
        for mut bytes in packets {
            if let Some(first) = bytes.first_mut() {
                *first = if *first & 1 == 0 { 0x45 } else { 0x60 };
            }
            for wire in [bytes.len(), bytes.len() + 50] {
                if let Ok(Some(plain)) = datagrams.take(at(1), &bytes, wire) {
                    prop_assert!(plain.bytes.len() <= plain.wire.max(plain.bytes.len()));
                    prop_assert!(plain.bytes.len() >= 34);
                }
            }
        }
    }
}
