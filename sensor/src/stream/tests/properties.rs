//! Properties over many small examples.

use proptest::prelude::*;

use super::*;

/// Cuts, order, and repetition of a stream's segments: each is an offset, a length, and when it is sent.
fn pieces(length: usize) -> impl Strategy<Value = Vec<(usize, usize)>> {
    let cuts = proptest::collection::btree_set(1..length, 0..12);
    let extra = proptest::collection::vec((0..length, 1..length), 0..8);
    (cuts, extra)
        .prop_map(move |(cuts, extra)| {
            let starts: Vec<usize> = std::iter::once(0).chain(cuts.iter().copied()).collect();
            let ends: Vec<usize> = cuts.into_iter().chain([length]).collect();
            let whole = starts.into_iter().zip(ends);
            let extra = extra.into_iter().map(|(start, more)| (start, (start + more).min(length)));
            whole.chain(extra).collect::<Vec<_>>()
        })
        .prop_shuffle()
}

/// Everything of both sides that was told as data, and whether anything was missing.
fn sorted(told: &[Told]) -> (Vec<u8>, Vec<u8>, bool) {
    let mut sides = (Vec::new(), Vec::new(), false);
    for told in told {
        match told {
            Told::Data(Side::Client, data) => sides.0.extend_from_slice(data),
            Told::Data(Side::Server, data) => sides.1.extend_from_slice(data),
            Told::Missing(..) => sides.2 = true,
            Told::Open { .. } | Told::End(_) | Told::Close(_) => {}
        }
    }
    sides
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn however_it_is_cut_and_mixed_a_stream_stays_the_same(
        data in proptest::collection::vec(any::<u8>(), 40),
        one in pieces(40),
        other in pieces(40),
        turns in proptest::collection::vec(any::<bool>(), 60),
        isn in prop_oneof![Just(u32::MAX - 20), any::<u32>()],
        policy in 0_usize..14,
    ) {
        let mut wire = Wire::new(Config { overlap: OverlapPolicy::ALL[policy], ..Config::default() });
        wire.isn = [isn, isn.wrapping_mul(7)];
        wire.handshake();
        wire.take();
        let (mut one, mut other, mut turns) = (one.into_iter(), other.into_iter(), turns.into_iter());
        loop {
            let side = if turns.next().unwrap_or(true) { Side::Client } else { Side::Server };
            let next = if side == Side::Client { one.next() } else { other.next() };
            let rest = if side == Side::Client { &mut other } else { &mut one };
            let (side, (start, end)) = match next {
                Some(next) => (side, next),
                None => match rest.next() {
                    Some(next) => (side.other(), next),
                    None => break,
                },
            };
            wire.send(side, u32::try_from(start).unwrap(), ACK, &data[start..end]);
        }
        let (client, server, missing) = sorted(&wire.finish());
        prop_assert_eq!(&client, &data);
        prop_assert_eq!(&server, &data);
        prop_assert!(!missing);
        prop_assert_eq!(wire.counters().conflicting_overlaps, 0);
    }

    #[test]
    fn a_conversation_stays_in_the_order_of_cause_and_effect(
        lengths in proptest::collection::vec((1_usize..30, 1_usize..30), 1..6),
        swaps in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        lost in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        // Requests and responses, each acknowledging what came before, with neighbours swapped and one lost.
        let mut segments = Vec::new();
        let mut sent = [0_usize; 2];
        for (request, response) in &lengths {
            segments.push((Side::Client, sent, *request));
            sent[0] += request;
            segments.push((Side::Server, sent, *response));
            sent[1] += response;
        }
        let whole = segments.clone();
        let lost = lost.map(|lost| lost.index(segments.len()));
        if let Some(lost) = lost {
            segments.remove(lost);
        }
        for swap in swaps {
            if segments.len() > 1 {
                let at = swap.index(segments.len() - 1);
                segments.swap(at, at + 1);
            }
        }
        let mut wire = Wire::established(Config::default());
        for (side, sent, length) in segments {
            let [client, server] = sent.map(|sent| u32::try_from(sent).unwrap());
            wire.acknowledged = [client, server];
            let offset = if side == Side::Client { client } else { server };
            let name = vec![u8::try_from(length).unwrap(); length];
            wire.send(side, offset, ACK, &name);
            wire.wait(1);
        }
        wire.advance(100_000);
        let told = wire.finish();
        let mut expected = Vec::new();
        for (n, (side, _, length)) in whole.iter().enumerate() {
            if lost == Some(n) {
                // A loss at the very end leaves no trace; that of a server's last is told by nobody else.
                expected.push(Told::Missing(*side, *length as u64, Missing::Lost));
            } else {
                expected.push(Told::Data(*side, vec![u8::try_from(*length).unwrap(); *length]));
            }
        }
        if lost == Some(whole.len() - 1) {
            expected.pop();
        }
        expected.push(Told::Close(CloseCause::EndOfCapture));
        // A lost response is believed once the server goes on, so what acknowledges it may come before.
        let server_lost = lost.is_some_and(|lost| whole[lost].0 == Side::Server);
        if server_lost {
            let only = |told: &[Told], side: Side| -> Vec<u8> {
                let part = |told: &Told| {
                    if let Told::Data(of, data) = told
                        && *of == side
                    {
                        return data.clone();
                    }
                    if let Told::Missing(of, length, _) = told
                        && *of == side
                    {
                        return vec![b'?'; usize::try_from(*length).unwrap()];
                    }
                    Vec::new()
                };
                told.iter().flat_map(part).collect()
            };
            prop_assert_eq!(only(&told, Side::Client), only(&expected, Side::Client));
            prop_assert_eq!(only(&told, Side::Server), only(&expected, Side::Server));
        } else {
            prop_assert_eq!(told, expected);
        }
    }

    #[test]
    fn any_bytes_keep_the_contract(input in proptest::collection::vec(any::<u8>(), 0..1600)) {
        fuzz::streams(&input);
    }

    #[test]
    fn mutated_conversations_keep_the_contract(
        records in proptest::collection::vec((0_u8..4, 0_u8..12, 0_u8..60, 0_u8..4, any::<u8>()), 0..120),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..10),
        policy: u8,
    ) {
        // Mostly in order: two connections whose segments move forward by what they carry.
        let mut input = vec![policy];
        let mut places = [[0_u8; 2]; 2];
        for (who, length, acknowledgement, wait, flags) in records {
            let place = &mut places[usize::from(who >> 1)][usize::from(who & 1)];
            let flags = if flags < 6 { [2, 18, 17, 4, 24, 49][usize::from(flags)] } else { 0xc0 };
            let length = length * 4;
            input.extend([who, flags, *place, 0, acknowledgement, length, 0, wait]);
            *place = place.wrapping_add(length / 4);
        }
        for (at, value) in changes {
            let at = at.index(input.len());
            input[at] = value;
        }
        fuzz::streams(&input);
    }
}
