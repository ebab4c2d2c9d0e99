//! The same fields by another implementation's encoder, the same blocks by its decoder.

use proptest::prelude::*;

use super::*;

fn decoded(decoder: &mut Decoder, block: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let (mut out, mut found) = (Vec::new(), Vec::new());
    let (_, error) = decoder.decode(block, &mut out, 1 << 20, |bytes, field| {
        found.push((bytes[field.start..field.middle].to_vec(), bytes[field.middle..field.end].to_vec()));
    });
    error.is_none().then_some(found)
}

/// Names and values that repeat, as those of a connection do.
fn field() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    let name = prop_oneof![
        prop::sample::select(vec![":method", ":path", ":status", "cookie", "x-request-id", "etag"])
            .prop_map(|name| name.as_bytes().to_vec()),
        "[a-z-]{1,40}".prop_map(String::into_bytes),
    ];
    let value = prop_oneof![
        prop::sample::select(vec!["GET", "/", "200", "value"]).prop_map(|value| value.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..200),
    ];
    (name, value)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn blocks_of_another_encoder_are_its_fields(
        lists in prop::collection::vec(prop::collection::vec(field(), 0..12), 1..60),
    ) {
        let (mut encoder, mut decoder) = (loona_hpack::Encoder::new(), Decoder::new(false));
        for list in lists {
            let fields = list.iter().map(|(name, value)| (name.as_slice(), value.as_slice()));
            let block = encoder.encode(fields);
            prop_assert_eq!(decoded(&mut decoder, &block), Some(list));
            prop_assert!(decoder.is_complete());
        }
    }

    /// Any bytes: what the other one decodes is decoded to the same.
    #[test]
    fn blocks_that_another_decoder_takes_are_the_same_fields(
        blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..20),
    ) {
        let (mut other, mut decoder) = (loona_hpack::Decoder::new(), Decoder::new(false));
        for block in blocks {
            let theirs = other.decode(&block).ok();
            let ours = decoded(&mut decoder, &block);
            if let (Some(theirs), Some(ours)) = (&theirs, &ours) {
                prop_assert_eq!(theirs, ours);
            }
            if theirs.is_none() || ours.is_none() {
                break;
            }
        }
    }
}
