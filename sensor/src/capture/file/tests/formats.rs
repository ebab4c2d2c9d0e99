use std::io::{self, Cursor, Read};
use std::path::Path;

use super::frames::{ethernet, v4, v6};
use super::writer::{Ng, ORDERS, Order, Packet, gzip, pcap, pcap_header};
use super::{CaptureFile, FileConfig, Seen, read, read_from};

const TIME: u64 = 1_700_000_000_123_456_789;

fn packets() -> Vec<Packet> {
    vec![
        Packet::new(TIME, ethernet(&v4().datagram())),
        Packet::new(TIME + 1_000_000_000, ethernet(&v6().datagram())),
    ]
}

fn expected(unit: u64) -> Vec<Seen> {
    [v4().seen(TIME, None), v6().seen(TIME + 1_000_000_000, None)]
        .map(|seen| Seen { nanos: seen.nanos / unit * unit, ..seen })
        .to_vec()
}

#[test]
fn pcap_of_both_byte_orders_and_resolutions() {
    for order in ORDERS {
        for (nanos, unit) in [(false, 1_000), (true, 1)] {
            let outcome = read(pcap(order, nanos, 1, &packets())).whole();
            assert_eq!(outcome.seen, expected(unit), "{order:?}, nanoseconds {nanos}");
            assert_eq!(outcome.counters.packets, 2);
            assert_eq!(outcome.counters.segments, 2);
            assert_eq!(outcome.counters.interfaces, 1);
        }
    }
}

#[test]
fn pcap_with_the_longer_records_of_a_patched_libpcap() {
    let mut bytes = pcap_header(Order::Little, 0xa1b2_cd34, 65_535, 1);
    for record in pcap(Order::Little, false, 1, &packets()[..1])[24..].chunks(usize::MAX) {
        bytes.extend_from_slice(&record[..16]);
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&record[16..]);
    }
    assert_eq!(read(bytes).whole().seen, expected(1_000)[..1]);
}

#[test]
fn the_upper_half_of_the_link_type_is_about_checksums() {
    let mut bytes = pcap_header(Order::Big, 0xa1b2_c3d4, 65_535, 0x4400_0001);
    bytes.extend_from_slice(&pcap(Order::Big, false, 1, &packets())[24..]);
    assert_eq!(read(bytes).whole().seen, expected(1_000));
}

#[test]
fn a_small_or_absent_snap_length_does_not_refuse_usual_packets() {
    for snap in [0, 1, 96, u32::MAX] {
        let mut bytes = pcap_header(Order::Little, 0xa1b2_c3d4, snap, 1);
        bytes.extend_from_slice(&pcap(Order::Little, false, 1, &packets())[24..]);
        assert_eq!(read(bytes).whole().seen, expected(1_000), "snap length {snap}");
    }
}

#[test]
fn gzip_is_told_by_its_contents_in_one_or_many_members() {
    let plain = pcap(Order::Little, true, 1, &packets());
    assert_eq!(read(gzip(&plain)).whole().seen, expected(1));
    for cut in 0..=plain.len() {
        let (first, second) = plain.split_at(cut);
        let bytes = [gzip(first), gzip(second)].concat();
        assert_eq!(read(bytes).whole().seen, expected(1), "members meet at byte {cut}");
    }
}

#[test]
fn a_capture_without_packets_is_a_capture() {
    for bytes in [pcap(Order::Big, false, 1, &[]), Ng::new(Order::Big).bytes, Ng::new(Order::Little).bytes] {
        let outcome = read(bytes).whole();
        assert_eq!((outcome.seen.len(), outcome.counters.packets), (0, 0));
    }
}

/// Hands out one byte at a time, and is interrupted before each.
struct Dribble(Cursor<Vec<u8>>, bool);

impl Read for Dribble {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let end = buffer.len().min(1);
        self.0.read(&mut buffer[..end])
    }
}

#[test]
fn a_slow_pipe_and_a_narrow_window_change_nothing() {
    let plain = pcap(Order::Little, true, 1, &packets());
    for bytes in [plain.clone(), gzip(&plain)] {
        for window_bytes in [1, 24, 57, 256 * 1024] {
            let config = FileConfig { window_bytes, ..FileConfig::default() };
            let outcome = read_from(Dribble(Cursor::new(bytes.clone()), false), &config).whole();
            assert_eq!(outcome.seen, expected(1), "window of {window_bytes}");
        }
    }
}

#[test]
fn files_are_named_as_they_were_given() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("b.pcap");
    std::fs::write(&path, pcap(Order::Little, true, 1, &packets())).unwrap();
    let mut file = CaptureFile::open(&path).unwrap();
    assert_eq!(file.name(), path.display().to_string());
    assert_eq!(file.next_segment().unwrap().map(Seen::from).as_ref(), expected(1).first());

    let message = |path: &Path| CaptureFile::open(path).err().unwrap().to_string();
    let absent = directory.path().join("absent.pcap");
    assert!(message(&absent).starts_with(&format!("{}: cannot open it: No such file", absent.display())));
    assert!(message(directory.path()).contains(": cannot read it: Is a directory"));
}
