//! Writes databases in MaxMind's format, version 2.0 (maxmind.github.io/MaxMind-DB), as small as tests need.
//!
//! The unit tests of `sensor` compile this file, too.

use std::net::IpAddr;

use ipnet::IpNet;

const TEXT: u8 = 2;
const U16: u8 = 5;
const U32: u8 = 6;
const MAP: u8 = 7;

/// A value: a control byte with type and size, then the content. Sizes from 29 to 284 have a byte of their own.
fn value(kind: u8, size: usize, content: &[u8]) -> Vec<u8> {
    let size = u8::try_from(size).expect("small");
    let (size, more) = if size < 29 { (size, vec![]) } else { (29, vec![size - 29]) };
    [&[kind << 5 | size], &*more, content].concat()
}

fn text(text: &str) -> Vec<u8> {
    value(TEXT, text.len(), text.as_bytes())
}

fn number(number: u32) -> Vec<u8> {
    value(U32, 4, &number.to_be_bytes())
}

fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let content: Vec<u8> =
        entries.iter().flat_map(|(key, value)| [text(key), value.clone()].concat()).collect();
    value(MAP, entries.len(), &content)
}

/// The record of an autonomous system.
#[must_use]
pub fn asn(asn: u32, organization: &str) -> Vec<u8> {
    map(&[("autonomous_system_number", number(asn)), ("autonomous_system_organization", text(organization))])
}

/// The record of a country.
#[must_use]
pub fn country(code: &str) -> Vec<u8> {
    map(&[("country", map(&[("iso_code", text(code))]))])
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    Nothing,
    Node(usize),
    Record(usize),
}

/// A database for both families: networks and their records. A later network replaces what earlier ones say of it.
///
/// # Panics
/// If a record has 285 bytes or more.
#[must_use]
pub fn database(kind: &str, networks: &[(IpNet, Vec<u8>)]) -> Vec<u8> {
    let mut nodes = vec![[Link::Nothing; 2]];
    let mut records: Vec<u8> = Vec::new();
    let mut last: Option<(&Vec<u8>, usize)> = None;
    for (network, record) in networks {
        let place = match last {
            Some((before, place)) if before == record => place,
            _ => {
                records.extend(record);
                records.len() - record.len()
            }
        };
        last = Some((record, place));
        insert(&mut nodes, network, place);
    }
    let mut out = Vec::new();
    for node in &nodes {
        for link in node {
            // Records of 32 bits: a node, nothing, or a place behind the separator of 16 bytes.
            let link = match link {
                Link::Nothing => nodes.len(),
                Link::Node(node) => *node,
                Link::Record(place) => nodes.len() + 16 + place,
            };
            out.extend(u32::try_from(link).expect("small").to_be_bytes());
        }
    }
    out.extend([0; 16]);
    out.extend(records);
    out.extend(b"\xab\xcd\xefMaxMind.com");
    // Types above 7 have a byte of their own: an empty array (11), and 64 bits (9).
    let (array, epoch) = (vec![0, 4], [&[8, 2][..], &1_u64.to_be_bytes()].concat());
    let short = |number: u16| value(U16, 2, &number.to_be_bytes());
    out.extend(map(&[
        ("node_count", number(u32::try_from(nodes.len()).expect("small"))),
        ("record_size", short(32)),
        ("ip_version", short(6)),
        ("database_type", text(kind)),
        ("languages", array),
        ("binary_format_major_version", short(2)),
        ("binary_format_minor_version", short(0)),
        ("build_epoch", epoch),
        ("description", map(&[])),
    ]));
    out
}

/// IPv4 networks lie in `::/96`.
fn insert(nodes: &mut Vec<[Link; 2]>, network: &IpNet, place: usize) {
    let (bits, length) = match network.network() {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 96 + usize::from(network.prefix_len())),
        IpAddr::V6(address) => (address.to_bits(), usize::from(network.prefix_len())),
    };
    let mut node = 0;
    for depth in 0..length {
        let side = usize::from(bits >> (127 - depth) & 1 == 1);
        if depth + 1 == length {
            nodes[node][side] = Link::Record(place);
            return;
        }
        node = match nodes[node][side] {
            Link::Node(next) => next,
            above @ (Link::Nothing | Link::Record(_)) => {
                // What was said of the whole is said of both halves.
                nodes.push([above; 2]);
                let next = nodes.len() - 1;
                nodes[node][side] = Link::Node(next);
                next
            }
        };
    }
}
