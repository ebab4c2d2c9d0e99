use super::frames::{ethernet, v4, v6};
use super::writer::{Ng, ORDERS, Order, Packet, gzip, pcap, pcap_header};
use super::{CaptureFile, FileConfig, Outcome, read, read_from};
use std::io::Cursor;

fn packets() -> [Packet; 3] {
    [
        Packet::new(1_000, ethernet(&v4().datagram())),
        Packet::new(2_000, ethernet(&v6().datagram())),
        Packet::new(3_000, ethernet(&v4().datagram())),
    ]
}

struct Sample {
    name: String,
    bytes: Vec<u8>,
    /// Where its packets end.
    ends: Vec<usize>,
    /// Where it could end as well.
    boundaries: Vec<usize>,
}

/// Small files of each format.
fn samples() -> Vec<Sample> {
    let mut files = Vec::new();
    for order in ORDERS {
        let ends: Vec<usize> = (0..=3).map(|count| pcap(order, true, 1, &packets()[..count]).len()).collect();
        let bytes = pcap(order, true, 1, &packets());
        let name = format!("pcap, {order:?}");
        files.push(Sample { name, bytes, ends: ends[1..].to_vec(), boundaries: ends });
        let [a, b, c] = packets();
        let mut boundaries = Vec::new();
        let mut ends = Vec::new();
        let mut file = Ng::new(order);
        boundaries.push(file.bytes.len());
        file = file.interface(1, 0, &[(9, &[9])]);
        boundaries.push(file.bytes.len());
        file = file.enhanced(0, 1_000, &a, &[(2, &[0; 4])]);
        ends.push(file.bytes.len());
        file = file.block(77, b"something").statistics(0, &[(5, &[0; 8])]);
        boundaries.extend([ends[0] + 24, file.bytes.len()]);
        file = file.simple(&b);
        ends.push(file.bytes.len());
        file = file.section(order);
        boundaries.push(file.bytes.len());
        file = file.interface(1, 0, &[]);
        boundaries.push(file.bytes.len());
        file = file.old(0, 3, &c, &[]);
        ends.push(file.bytes.len());
        boundaries.extend(&ends);
        files.push(Sample { name: format!("pcapng, {order:?}"), bytes: file.bytes, ends, boundaries });
    }
    files
}

#[test]
fn a_file_cut_at_any_byte_gives_all_whole_packets_and_then_an_error() {
    for Sample { name, bytes, ends, boundaries } in samples() {
        let whole = read(&bytes).whole();
        assert_eq!(whole.seen.len(), 3, "{name}");
        for cut in 0..=bytes.len() {
            let outcome = read(&bytes[..cut]);
            let expected = ends.iter().filter(|end| **end <= cut).count();
            assert_eq!(outcome.seen, whole.seen[..expected], "{name}, cut at {cut}");
            assert_eq!(outcome.error.is_none(), boundaries.contains(&cut), "{name}, cut at {cut}");
            let message = outcome.message();
            let about_cut = message.contains("ends after") || message.contains("file is empty");
            assert!(message.is_empty() || about_cut, "{name}, cut at {cut}: {message}");
        }
    }
}

#[test]
fn a_compressed_file_cut_at_any_byte_never_invents() {
    for Sample { name, bytes, .. } in samples() {
        let whole = read(&bytes).whole();
        let compressed = gzip(&bytes);
        for cut in 1..compressed.len() {
            let outcome = read(&compressed[..cut]);
            assert!(whole.seen.starts_with(&outcome.seen), "{name}, cut at {cut}");
            assert!(outcome.error.is_some(), "{name}, cut at {cut}");
        }
        let outcome = read(&compressed[..compressed.len() - 9]);
        assert!(outcome.message().ends_with("the compressed data ends early"), "{}", outcome.message());
    }
}

fn record(length: u32, body: &[u8]) -> Vec<u8> {
    [&[0; 8][..], &length.to_le_bytes(), &length.to_le_bytes(), body].concat()
}

fn after_one(bytes: &[u8]) -> Outcome {
    let mut file = pcap(Order::Little, true, 1, &packets()[..1]);
    file.extend_from_slice(bytes);
    read(file)
}

#[test]
fn pcap_lengths_that_lie_are_reported() {
    for (damage, message) in [
        (
            record(u32::MAX, &[0; 400]),
            "packet 2: the record says 4,294,967,295 bytes, more than the limit of 262,144 (snap length 262,144)",
        ),
        (
            record(262_145, &[0; 300_000]),
            "packet 2: the record says 262,145 bytes, more than the limit of 262,144 (snap length 262,144)",
        ),
        (record(262_144, &[0; 9]), "packet 2: the file ends after 25 of the 262,160 bytes of the record"),
        (vec![0; 15], "packet 2: the file ends after 15 of the 16 bytes of the record header"),
    ] {
        let outcome = after_one(&damage);
        assert_eq!(outcome.message(), format!("a.pcap: {message}"));
        assert_eq!(outcome.seen.len(), 1);
    }
    // Records of length zero are packets, if useless ones.
    let outcome = after_one(&record(0, &[]).repeat(1_000)).whole();
    assert_eq!((outcome.counters.packets, outcome.counters.segments), (1_001, 1));
}

#[test]
fn memory_stays_within_its_bound_whatever_the_header_allows() {
    let mut file = pcap_header(Order::Little, 0xa1b2_c3d4, u32::MAX, 1);
    file.extend(record(20 << 20, &[0; 100]));
    let outcome = read(file);
    let expected = "packet 1: the record says 20,971,520 bytes, more than the limit of 16,777,216";
    assert!(outcome.message().contains(expected), "{}", outcome.message());

    let mut file = pcap_header(Order::Little, 0xa1b2_c3d4, u32::MAX, 1);
    file.extend(record(16 << 20, &vec![0; 16 << 20]));
    file.extend(record(60, &[0; 60]).repeat(1_000));
    let mut file = CaptureFile::from_reader("a", Cursor::new(file), &FileConfig::default()).unwrap();
    assert!(file.next_segment().unwrap().is_none());
    assert_eq!(file.counters().packets, 1_001);
    assert!(file.window_size() <= (16 << 20) + 24, "{}", file.window_size());
}

#[test]
fn pcapng_lengths_that_lie_are_reported() {
    let raw = |kind: u32, length: u32, body: &[u8], end: u32| {
        [&kind.to_le_bytes()[..], &length.to_le_bytes(), body, &end.to_le_bytes()].concat()
    };
    let packet = |captured: u32| {
        let fields = [[0; 12].as_slice(), &captured.to_le_bytes(), &captured.to_le_bytes()].concat();
        [&fields[..], &[0; 8]].concat()
    };
    for (damage, message) in [
        (raw(6, 0, &[], 0), "packet 2: the enhanced packet block says 0 bytes, but it cannot be so short"),
        (raw(77, 8, &[], 0), "after packet 1: the block says 8 bytes, but it cannot be so short"),
        (raw(77, 13, &[0; 1], 13), "after packet 1: the block says 13 bytes, but lengths are multiples of 4"),
        (
            raw(3, 0xffff_fffc, &[0; 40], 0),
            "packet 2: the simple packet block says 4,294,967,292 bytes, but that is longer than is read",
        ),
        (raw(77, 16, &[0; 4], 20), "after packet 1: the block says 16 bytes at its start and 20 at its end"),
        (
            raw(77, 4_000_000_000, &[0; 16], 0),
            "after packet 1: the file ends after 28 of the 4,000,000,000 bytes of block",
        ),
        (raw(6, 40, &packet(9), 40), "packet 2: the captured length of 9 bytes does not fit its block of 40"),
        (
            raw(2, 40, &packet(u32::MAX), 40),
            "packet 2: the captured length of 4,294,967,295 bytes does not fit its block of 40",
        ),
        (
            raw(3, 20, &[9, 0, 0, 0, 1, 2, 3, 4], 20),
            "packet 2: the captured length of 9 bytes does not fit its block of 20",
        ),
        (
            raw(6, 44, &packet(8)[..28], 44),
            "packet 2: the file ends after 40 of the 44 bytes of enhanced packet block",
        ),
        (
            raw(0x0a0d_0d0a, 28, &[0; 16], 28),
            "after packet 1: the byte-order magic of the section header is malformed",
        ),
        (
            raw(0x0a0d_0d0a, 28, &[0x4d, 0x3c, 0x2b, 0x1a, 2, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0], 28),
            "after packet 1: pcapng version 2.3 is not supported",
        ),
        (vec![6, 0, 0, 0, 0], "after packet 1: the file ends after 5 of the 8 bytes of a block header"),
    ] {
        let mut file = Ng::new(Order::Little).interface(1, 0, &[]).enhanced(0, 0, &packets()[0], &[]).bytes;
        file.extend_from_slice(&damage);
        let outcome = read(file);
        assert_eq!(outcome.message(), format!("a.pcap: {message}"));
        assert_eq!(outcome.seen.len(), 1);
        assert_eq!(outcome.counters.packets, 1);
    }
}

#[test]
fn a_file_that_is_no_capture_is_told_by_its_first_bytes() {
    let mut old = pcap(Order::Little, false, 1, &[]);
    old[6] = 2;
    for (bytes, message) in [
        (b"".to_vec(), "the file is empty"),
        (gzip(b""), "the file is empty"),
        (b"GET".to_vec(), "the file ends after 3 of the 4 bytes of the file header"),
        (b"GET / HTTP".to_vec(), "this is neither pcap nor pcapng: it begins with 47 45 54 20"),
        (gzip(b"GET / HTTP"), "this is neither pcap nor pcapng: it begins with 47 45 54 20"),
        (
            vec![0x28, 0xb5, 0x2f, 0xfd, 0],
            "the file is compressed with zstd; decompress it first: only a single layer of gzip is read",
        ),
        (
            gzip(&gzip(b"x")),
            "the file is compressed with gzip within gzip; decompress it first: only a single layer of gzip is read",
        ),
        (
            b"BZh91AY".to_vec(),
            "the file is compressed with bzip2; decompress it first: only a single layer of gzip is read",
        ),
        (
            vec![0xfd, b'7', b'z', b'X', b'Z', 0],
            "the file is compressed with xz; decompress it first: only a single layer of gzip is read",
        ),
        (old, "pcap version 2.2 is not supported"),
        (vec![0x1f, 0x8b, 8], "the compressed data ends early"),
    ] {
        let outcome = read(bytes);
        assert_eq!(outcome.message(), format!("a.pcap: {message}"));
    }
}

#[test]
fn garbage_behind_compressed_data_is_reported_after_all_packets() {
    let mut bytes = gzip(&pcap(Order::Little, true, 1, &packets()));
    bytes.extend_from_slice(b"garbage, more than ten bytes of it");
    let config = FileConfig { window_bytes: 4_096, ..FileConfig::default() };
    let outcome = read_from(Cursor::new(bytes), &config);
    assert_eq!(outcome.seen.len(), 3);
    assert!(outcome.message().starts_with("a.pcap: packet 4: cannot read it: "), "{}", outcome.message());
}

#[test]
fn nothing_follows_an_error() {
    let mut bytes = pcap(Order::Little, true, 1, &packets()[..1]);
    bytes.extend(record(u32::MAX, &[]));
    bytes.extend_from_slice(&pcap(Order::Little, true, 1, &packets())[24..]);
    let mut file = CaptureFile::from_reader("a", Cursor::new(bytes), &FileConfig::default()).unwrap();
    assert!(file.next_segment().unwrap().is_some());
    assert!(file.next_segment().is_err());
    assert!(file.next_segment().unwrap().is_none());
}
