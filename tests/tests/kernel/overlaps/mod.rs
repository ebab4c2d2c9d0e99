//! What the Linux kernel delivers to an application, compared with reassembly of the same segments.
//!
//! ```text
//!   namespace `server`                       namespace `world`
//!   veth 10.77.0.1, a listening socket <---> veth without an address, a packet socket
//!   neighbour 10.77.0.2 is 02:…:02           plays 10.77.0.2: nothing answers but what is sent here
//! ```
//!
//! Needs root, as all tests of this package do.

mod peer;
mod reassembly;

use std::error::Error;

use peer::{Net, Step};

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

const FIN: u8 = 0x11;
const URG: u8 = 0x30;

/// Names, and segments of data in the order of sending: offset in the stream, length. Those from 4 on wait until
/// the first bytes come, which is last. Segment `n` consists of the `n`th letter.
const SHAPES: &[(&str, &[(u32, usize)])] = &[
    ("before the start, to the start", &[(8, 8), (4, 4)]),
    ("before the start, into it", &[(8, 8), (4, 8)]),
    ("before the start, to the end", &[(8, 8), (4, 12)]),
    ("before the start, beyond the end", &[(8, 8), (4, 16)]),
    ("at the start, into it", &[(8, 8), (8, 4)]),
    ("the same extent", &[(8, 8), (8, 8)]),
    ("at the start, beyond the end", &[(8, 8), (8, 12)]),
    ("within", &[(8, 8), (10, 4)]),
    ("after the start, to the end", &[(8, 8), (12, 4)]),
    ("after the start, beyond the end", &[(8, 8), (12, 8)]),
    ("at the end", &[(8, 8), (16, 4)]),
    ("after the end", &[(8, 8), (20, 4), (16, 4)]),
    ("one over several", &[(8, 4), (16, 4), (24, 4), (6, 24)]),
    ("one over several and into the last", &[(8, 4), (16, 4), (24, 8), (6, 20)]),
    ("one from within the first into the last", &[(8, 8), (20, 8), (12, 12)]),
    ("one across the hole between two", &[(8, 8), (20, 8), (10, 14)]),
    ("one that fills the hole between two", &[(8, 4), (20, 4), (12, 8)]),
    ("three that begin at the same byte, ever longer", &[(8, 4), (8, 8), (8, 12)]),
    ("three that begin at the same byte, ever shorter", &[(8, 12), (8, 8), (8, 4)]),
    ("three that each begin before the last", &[(16, 8), (12, 8), (8, 8)]),
    ("three that each begin after the last", &[(8, 8), (12, 8), (16, 8)]),
    ("a neighbour and one across both", &[(8, 4), (12, 4), (10, 8)]),
    ("a neighbour and one that begins where they do", &[(8, 4), (12, 4), (8, 6)]),
    ("a neighbour of one that others overlap", &[(8, 8), (12, 12), (16, 4)]),
    ("what is next over what waits", &[(8, 8), (0, 16)]),
    ("what is next into what waits", &[(8, 8), (0, 12)]),
    ("what is next over two that wait, and between", &[(4, 4), (12, 4), (0, 14)]),
    ("what is known and more, over what waits", &[(0, 4), (8, 8), (2, 10)]),
    ("what is known, with other content", &[(0, 8), (0, 8)]),
    ("what is known in part, with other content", &[(0, 8), (2, 4), (4, 8)]),
    ("byte by byte, twice", &[(5, 1), (4, 1), (5, 1), (4, 2), (6, 1), (4, 3)]),
];

fn steps(segments: &[(u32, usize)]) -> Vec<Step> {
    let mut steps: Vec<Step> = segments
        .iter()
        .zip(b'a'..)
        .map(|((offset, length), letter)| Step::data(*offset, &vec![letter; *length]))
        .collect();
    let end = steps.iter().map(Step::end).max().unwrap_or(0);
    // Whatever is still missing in front, and in between, in one-byte segments that overlap nothing.
    for offset in 0..end {
        if !steps.iter().any(|step| (step.offset..step.end()).contains(&offset)) {
            steps.push(Step::data(offset, b"."));
        }
    }
    steps
}

fn compare(net: &mut Net, name: &str, steps: &[Step]) -> Outcome {
    let ours = reassembly::read(steps);
    let linux = net.read(steps, ours.len())?;
    if ours == linux {
        return Ok(());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let sent: Vec<_> = steps.iter().map(|step| (step.offset, text(&step.data))).collect();
    Err(format!("{name}: Linux reads {}, we read {}; sent {sent:?}", text(&linux), text(&ours)).into())
}

#[test]
fn shapes_are_read_as_linux_reads_them() -> Outcome {
    let mut net = Net::new("shapes")?;
    for (name, segments) in SHAPES {
        compare(&mut net, name, &steps(segments))?;
    }
    Ok(())
}

/// Where several waiting segments touch a new one, the shape of the kernel's tree decides; see
/// `OverlapPolicy::Linux`. That takes four segments with different content in the same place.
#[test]
fn random_segments_are_read_as_linux_reads_them() -> Outcome {
    let mut net = Net::new("random")?;
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for (count, cases, tolerated) in [(2, 200, 0), (3, 300, 0), (5, 200, 8)] {
        let mut failures = Vec::new();
        for _ in 0..cases {
            let segments: Vec<(u32, usize)> = (0..count).map(|_| random.segment()).collect();
            let compared = compare(&mut net, &format!("{count} segments"), &steps(&segments));
            failures.extend(compared.err().map(|error| error.to_string()));
        }
        if failures.len() > tolerated {
            return Err(format!("{} of {cases}: {}", failures.len(), failures.join("\n")).into());
        }
    }
    Ok(())
}

/// Marsaglia's xorshift: the same segments in every run.
struct Random(u64);

impl Random {
    fn segment(&mut self) -> (u32, usize) {
        let mut next = |below: u16| {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            let [.., high, low] = (self.0 >> 16).to_be_bytes();
            u16::from_be_bytes([high, low]).checked_rem(below).unwrap_or_default().saturating_add(1)
        };
        (u32::from(next(20)), usize::from(next(10)))
    }
}

/// Control bits: the application reads what we deliver.
#[test]
fn control_bits_are_read_as_linux_reads_them() -> Outcome {
    let mut net = Net::new("control")?;
    let data = Step::data;
    let urgent = |offset, bytes: &[u8], pointer| Step { flags: URG, urgent: pointer, ..data(offset, bytes) };
    let cases = [
        ("urgent in the middle", vec![urgent(0, b"abXcd", 3), data(5, b"ef")]),
        ("urgent at the end", vec![urgent(0, b"abX", 3), data(3, b"cd")]),
        ("urgent at the start", vec![urgent(0, b"Xab", 1), data(3, b"cd")]),
        ("urgent to come", vec![urgent(0, b"ab", 4), data(2, b"cXd")]),
        ("urgent with pointer 0", vec![data(0, b"ab"), urgent(2, b"Xcd", 0)]),
        ("urgent out of order", vec![urgent(3, b"dXe", 2), data(0, b"abc")]),
        (
            "two urgent, the first not yet passed",
            vec![urgent(2, b"Xc", 1), urgent(4, b"Yd", 1), data(0, b"ab")],
        ),
        ("urgent behind", vec![data(0, b"abcd"), urgent(2, b"cdef", 1)]),
        ("data without ACK", vec![Step { flags: 0, ..data(0, b"EVIL") }, data(0, b"good")]),
        ("data after FIN", vec![Step { flags: FIN, ..data(0, b"abc") }, data(4, b"evil"), data(3, b"evil")]),
        ("a FIN out of order", vec![Step { flags: FIN, ..data(3, b"def") }, data(0, b"abc")]),
        ("a FIN that data run over", vec![Step { flags: FIN, ..data(4, b"") }, data(0, b"abcdefgh")]),
        (
            "a FIN that data come up to",
            vec![Step { flags: FIN, ..data(4, b"") }, data(0, b"abcd"), data(4, b"efgh")],
        ),
        ("a reset in the window", vec![data(0, b"ab"), Step { flags: 0x14, ..data(9, b"") }, data(2, b"cd")]),
        ("a SYN in the window", vec![data(0, b"ab"), Step { flags: 0x02, ..data(9, b"") }, data(2, b"cd")]),
        ("a keep-alive with a byte", vec![data(0, b"ab"), data(1, b"?"), data(2, b"cd")]),
    ];
    for (name, steps) in cases {
        compare(&mut net, name, &steps)?;
    }
    Ok(())
}
