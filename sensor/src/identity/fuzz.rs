//! Identity under any input.

use std::net::{IpAddr, Ipv4Addr};

use super::{Answered, Config, ForwardedHeader, Identifier, Identity, Key, Mechanism};

pub use super::login::fuzz::login;

/// Takes the first byte as choices, then lines of `name:value`, the last of them the query, and asserts:
///
/// * an untrusted peer is the client, whatever it sends;
/// * a trusted peer's client by `X-Forwarded-For` is what a plain walk over the joined lists finds;
/// * the same input gives the same identity again, so nothing of an earlier exchange leaks into a later one.
///
/// # Panics
/// If one of them does not hold.
pub fn identity(data: &[u8]) {
    let Some((choices, text)) = data.split_first() else { return };
    let trusted = choices & 1 != 0;
    let peer = IpAddr::from(Ipv4Addr::new(if trusted { 10 } else { 192 }, 0, 2, 1));
    let proxied = (choices & 2 != 0).then(|| IpAddr::from(Ipv4Addr::new(203, 0, 113, 1)));
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let (query, headers) = lines.split_last().map_or((&[][..], &[][..]), |(query, lines)| (*query, lines));
    let headers: Vec<(&[u8], &[u8])> = headers.iter().map(|line| split(line)).collect();
    let config = Config {
        trusted_proxies: "10.0.0.0/8".parse().into_iter().collect(),
        forwarded_headers: ["Forwarded", "X-Forwarded-For", "X-Real-IP"].map(ForwardedHeader::named).into(),
        max_token: 256,
        ..Config::default()
    };
    let Ok(mut identifier) = Identifier::new(&config, &Key::from_bytes([1; 32])) else { return };
    let answered = Answered { method: "GET", route: Some("/a"), status: Some(200), proven: true };
    let mut run = || identifier.identify(peer, proxied, headers.iter().copied(), query, &answered);
    let identity = run();
    assert_eq!(identity, run());
    check_client(&identity, peer, trusted, proxied);
    if identity.mechanism == Mechanism::XForwardedFor && lines.len() < 8 && text.len() < 64 {
        let values = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"x-forwarded-for"));
        let list: Vec<&[u8]> = values.map(|(_, value)| *value).collect();
        if let Some(client) = walk(&list.join(&b','), peer) {
            assert_eq!(identity.client, client);
        }
    }
}

fn check_client(identity: &Identity, peer: IpAddr, trusted: bool, proxied: Option<IpAddr>) {
    assert_eq!(identity.peer, (identity.client != peer).then_some(peer));
    match proxied {
        _ if !trusted => assert_eq!((identity.client, identity.mechanism), (peer, Mechanism::Peer)),
        Some(source) => assert_eq!((identity.client, identity.mechanism), (source, Mechanism::Proxy)),
        None => assert!(identity.mechanism != Mechanism::Peer || identity.client == peer),
    }
}

fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
    let (name, value) = line.split_at_checked(colon).unwrap_or_default();
    (name, value.get(1..).unwrap_or_default())
}

/// The slow and obvious way; nothing if an element is too strange for it.
fn walk(list: &[u8], peer: IpAddr) -> Option<IpAddr> {
    let text = String::from_utf8_lossy(list);
    let mut client = peer;
    for element in text.split(',').rev().map(str::trim_ascii).filter(|element| !element.is_empty()) {
        let is_v6 = element.matches(':').count() > 1;
        let (bare, port) = match element.strip_prefix('[') {
            Some(bracketed) => bracketed.split_once(']')?,
            None if is_v6 => (element, ""),
            None => element.split_at(element.find(':').unwrap_or(element.len())),
        };
        let is_plain = |port: &str| port.len() <= 5 && port.parse::<u16>().is_ok();
        if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_plain) {
            return None;
        }
        let Ok(address) = bare.parse::<IpAddr>() else { return Some(client) };
        client = address.to_canonical();
        if !matches!(client, IpAddr::V4(v4) if v4.octets().first() == Some(&10)) {
            break;
        }
    }
    Some(client)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::identity;

    const SEEDS: [&str; 5] = [
        "\x01X-Forwarded-For:203.0.113.9, 10.0.0.2:80\nX-Forwarded-For: 10.0.0.3\nq",
        "\x01Forwarded:for=\"[2001:db8::1]:80\";by=x, for=10.0.0.1\nX-Real-IP: 1.2.3.4\n",
        "\x00Authorization:Basic YWxpY2U6cHc=\nCookie:a=b; sid=c\nCookie:session=\"d\"\napi_key=%61&access_token=x",
        "\x03Authorization:Bearer eyJhbGciOiJub25lIn0.eyJpc3MiOiJhIiwic3ViIjoiYiJ9.\n\n",
        "\x01x-api-key:null\nX-FORWARDED-FOR:unknown,[::1]:1,::ffff:10.0.0.1\n",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn random_input(data in any::<Vec<u8>>()) {
            identity(&data);
        }

        #[test]
        fn mutated_input(
            seed in prop::sample::select(SEEDS.to_vec()),
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..3), 0..8),
        ) {
            let mut data = seed.as_bytes().to_vec();
            for (place, byte, edit) in edits {
                let place = place.index(data.len());
                match edit {
                    0 => data[place] = byte,
                    1 => data.insert(place, byte),
                    _ => data.truncate(place.max(1)),
                }
            }
            identity(&data);
        }

        #[test]
        fn lists_of_addresses(
            choices in 0_u8..4,
            hops in prop::collection::vec(
                prop::sample::select(vec!["10.0.0.2", "203.0.113.9", "[::1]:8", "x", "", "1.2.3.4:5", ",", "\nX-Forwarded-For:"]),
                0..6,
            ),
        ) {
            let mut data = vec![choices];
            data.extend_from_slice(format!("X-Forwarded-For:{}\n", hops.join(",")).as_bytes());
            identity(&data);
        }
    }
}
