//! Connections that cannot be read, and those that are none.

use proptest::prelude::*;

use super::*;

fn source() -> Config {
    Config { has_source: true, ..Config::default() }
}

#[test]
fn why_a_connection_is_dark_is_told() {
    let talk = talk(suites()[0], &TURNS);
    for (config, midstream, from, expected) in [
        (Config::default(), false, 0, Outcome::DarkLibrary),
        (source(), false, 0, Outcome::DarkSecret),
        (source(), true, talk.flights.len() - 2, Outcome::DarkBefore),
    ] {
        let mut wire = Wire::new(config, midstream);
        for (side, bytes) in &talk.flights[from..] {
            if !wire.stopped {
                wire.data(*side, bytes);
            }
        }
        wire.now = wire.now.plus(std::time::Duration::from_secs(3));
        while wire.tls.overdue(wire.now).is_some() {
            wire.wake();
        }
        assert!(wire.stopped, "{expected:?}: nothing more is needed of it");
        assert_eq!(wire.tls.held(), 0, "{expected:?}: what waited is dropped");
        assert_eq!(wire.close(), expected);
        assert!(wire.read(Side::Client).is_empty());
        let port = wire.tls.counters().ports()[&443];
        assert_eq!((port.connections, port.dark()), (1, 1), "{expected:?}");
    }
}

#[test]
fn a_handshake_that_is_refused_is_incomplete() {
    let talk = talk(suites()[0], &TURNS);
    let mut wire = Wire::new(source(), false);
    wire.data(Side::Client, &talk.flights[0].1);
    wire.data(Side::Server, &[21, 3, 3, 0, 2, 2, 40]);
    assert!(wire.stopped);
    assert_eq!(wire.close(), Outcome::Incomplete);
}

#[test]
fn another_session_s_secrets_are_of_no_use() {
    let (talk, other) = (talk(suites()[0], &TURNS), talk(suites()[0], &TURNS));
    let mut wire = Wire::knowing(&other);
    wire.play(&talk);
    assert_eq!(wire.close(), Outcome::DarkSecret);
}

#[test]
fn secrets_that_nobody_needs_are_dropped() {
    let talk = talk(suites()[0], &TURNS);
    let mut wire = Wire::knowing(&talk);
    wire.now = wire.now.plus(std::time::Duration::from_secs(11));
    assert!(wire.tls.overdue(wire.now).is_none());
    assert_eq!(wire.tls.counters().secrets_expired, 1);
    wire.play(&talk);
    assert_eq!(wire.close(), Outcome::DarkSecret);
}

/// What waits when a connection ends waits on, for as long as it would have.
#[test]
fn a_secret_may_come_after_the_end() {
    let talk = talk(suites()[0], &TURNS);
    for comes in [true, false] {
        let mut wire = Wire::new(source(), false);
        wire.play(&talk);
        let state = wire.state.take().unwrap();
        wire.tls.close(state, CloseCause::Fin, wire.now);
        assert!(wire.tls.held() > 0 && wire.read(Side::Client).is_empty());
        if comes {
            for secret in &talk.secrets {
                wire.tls.learn(secret.clone(), wire.now);
            }
        }
        let later = wire.now.plus(std::time::Duration::from_secs(11));
        while wire.tls.overdue(later).is_some() {}
        let expected = if comes { Outcome::Decrypted } else { Outcome::DarkSecret };
        assert!(wire.tls.counters().outcomes().any(|ended| ended == (expected, 1)));
        assert_eq!(wire.read(Side::Client), if comes { &talk.inside[0][..] } else { b"" });
        assert_eq!(wire.read(Side::Server), if comes { &talk.inside[1][..] } else { b"" });
        assert_eq!((wire.tls.held(), wire.tls.counters().waiting), (0, 0));
    }
}

/// `Wire::close` sees that nothing is held for a connection that is over.
#[test]
fn what_was_gathered_of_a_record_is_not_held_once_it_is_given_up() {
    let talk = talk(suites()[0], &TURNS[..1]);
    let hello = &talk.flights[0].1;
    let mut wire = Wire::knowing(&talk);
    wire.data(Side::Client, &hello[..hello.len() / 2]);
    assert!(wire.tls.held() > 0);
    wire.data(Side::Server, b"\x15\x03\x03\0\x02\x02\x28");
    assert!(wire.stopped);
    assert_eq!(wire.tls.held(), 0);
    assert_eq!(wire.close(), Outcome::Incomplete);
}

#[test]
fn what_comes_after_the_end_of_a_side_is_not_held() {
    let talk = talk(suites()[0], &TURNS);
    let mut wire = Wire::knowing(&talk);
    wire.play(&talk);
    wire.tls.end(wire.state.as_mut().unwrap(), Side::Client, wire.now);
    wire.data(Side::Client, b"\x17\x03\x03\x10\0 part of a record");
    assert!(wire.tls.held() > 0);
    assert_eq!(wire.close(), Outcome::Decrypted);
}

#[test]
fn what_is_no_tls_passes_as_it_is() {
    for (midstream, first) in
        [(false, &b"GET / HTTP/1.1\r\n"[..]), (true, b"rest of a body"), (false, b"\x17\x03\x03\0\x20")]
    {
        let mut wire = Wire::new(source(), midstream);
        wire.data(Side::Client, first);
        wire.missing(Side::Server, 7);
        wire.data(Side::Server, b"\x16\x03\x01 is no record here");
        assert_eq!(wire.read(Side::Client), first);
        assert_eq!(wire.tls.inner().told[1][0], Piece::Missing(7));
        assert_eq!(wire.read(Side::Server), b"\x16\x03\x01 is no record here");
        assert!(wire.tls.inner().facts.is_none());
    }
}

#[test]
fn a_header_of_the_proxy_protocol_may_come_first() {
    let talk = talk(suites()[0], &TURNS);
    let binary = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &[1; 12]].concat();
    for header in [&b"PROXY TCP4 192.0.2.9 192.0.2.2 1 443\r\n"[..], &binary] {
        for together in [false, true] {
            let mut wire = Wire::knowing(&talk);
            let mut talk = talk.clone();
            if together {
                talk.flights[0].1.splice(0..0, header.iter().copied());
            } else {
                wire.data(Side::Client, header);
            }
            wire.play(&talk);
            assert_eq!(wire.read(Side::Client), [header, &talk.inside[0]].concat());
            assert_eq!(wire.read(Side::Server), talk.inside[1]);
        }
    }
}

proptest! {
    /// Whatever comes: no panic, bounds hold, and nothing is kept. A fuzz entry does the same, for longer.
    #[test]
    fn any_bytes_are_survived(data in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        fuzz::connection(&data);
    }

    /// One byte of a connection is another one.
    #[test]
    fn a_changed_byte_is_survived(which in 0_usize..9, at in any::<proptest::sample::Index>(), by in 1_u8..=255) {
        let mut talk = talk(suites()[which % suites().len()], &TURNS[..1]);
        let flight = at.index(talk.flights.len());
        let place = at.index(talk.flights[flight].1.len());
        // With another first byte of all it is no TLS.
        prop_assume!((flight, place) != (0, 0));
        talk.flights[flight].1[place] ^= by;
        let mut wire = Wire::knowing(&talk);
        wire.play(&talk);
        wire.close();
        // What is told was said: at most less.
        prop_assert!(talk.inside[0].starts_with(&wire.read(Side::Client)));
        prop_assert!(talk.inside[1].starts_with(&wire.read(Side::Server)));
    }
}

/// A header of the PROXY protocol stands once before TLS. Who sends a hundred thousand of them costs no stack.
#[test]
fn headers_of_proxies_in_a_row_are_data() {
    let bytes = b"PROXY \n".repeat(100_000);
    let mut wire = Wire::new(source(), false);
    wire.data(Side::Client, &bytes);
    assert!(wire.read(Side::Client) == bytes);
}

#[test]
fn tls_behind_a_header_of_a_proxy_is_read() {
    let talk = talk(suites()[0], &TURNS);
    let mut wire = Wire::knowing(&talk);
    let header = b"PROXY TCP4 192.0.2.9 192.0.2.2 4711 443\r\n";
    for (number, (side, bytes)) in talk.flights.iter().enumerate() {
        let first = if number == 0 { &header[..] } else { &[] };
        wire.data(*side, &[first, bytes].concat());
    }
    assert_eq!(wire.close(), Outcome::Decrypted);
    assert_eq!(wire.read(Side::Client), [&header[..], &talk.inside[0]].concat());
}
