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

/// The cases of a story, as the public ones are written: a size of the table, a block, and its fields in order.
fn told_as_written(story: &serde_json::Value) -> Result<usize, String> {
    let mut decoder = Decoder::new(false);
    let cases = story["cases"].as_array().ok_or("no cases")?;
    for (number, case) in cases.iter().enumerate() {
        if let Some(size) = case["header_table_size"].as_u64() {
            decoder.allow(u32::try_from(size).ok().ok_or("a size")?);
        }
        let wire = tests::hex(case["wire"].as_str().ok_or("no block")?);
        let fields = case["headers"].as_array().ok_or("no fields")?;
        let pairs = fields.iter().flat_map(|field| field.as_object().into_iter().flatten());
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().as_bytes().to_vec();
        let expected: Vec<_> = pairs.map(|(name, value)| (name.as_bytes().to_vec(), text(value))).collect();
        if decoded(&mut decoder, &wire) != Some(expected) {
            return Err(format!("case {number}"));
        }
    }
    Ok(cases.len())
}

/// As the public stories are: one connection's heads, with the size of the table changed on the way.
#[test]
fn stories_are_told_as_they_are_written() {
    let hex = |block: &[u8]| block.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (mut encoder, mut cases) = (loona_hpack::Encoder::new(), Vec::new());
    for number in 0..200_u32 {
        let path = format!("/api/v1/orders/{}", number % 7);
        let fields = [
            (":method", if number % 5 == 0 { "POST" } else { "GET" }),
            (":path", path.as_str()),
            (":authority", "shop.example.net"),
            ("cookie", "session=0123456789abcdef"),
            ("x-empty", ""),
        ];
        let block = encoder.encode(fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        let fields: Vec<_> = fields.iter().map(|(name, value)| serde_json::json!({ *name: value })).collect();
        cases.push(serde_json::json!({ "wire": hex(&block), "headers": fields }));
    }
    // To nothing and back: the entries are gone, and what the encoder still believes in is not there.
    let mut story = serde_json::json!({ "cases": cases });
    assert_eq!(told_as_written(&story), Ok(200));
    story["cases"][100]["wire"] = format!("20{}", story["cases"][100]["wire"].as_str().unwrap()).into();
    assert_eq!(told_as_written(&story), Err("case 100".to_owned()));
}

/// The public stories, where somebody has them: `HPACK_STORIES` names their directory.
#[test]
#[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
fn public_stories_are_told_as_they_are_written() {
    let Some(directory) = std::env::var_os("HPACK_STORIES") else {
        return eprintln!("SKIPPED: HPACK_STORIES names no directory of stories");
    };
    let (mut stories, mut blocks) = (0, 0);
    for encoder in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        for path in std::fs::read_dir(&encoder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            let is_story = path.extension().is_some_and(|extension| extension == "json");
            let text = is_story.then(|| std::fs::read_to_string(&path).unwrap());
            let Some(story) = text.and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok())
            else {
                continue;
            };
            if story["cases"][0]["wire"].is_string() {
                stories += 1;
                blocks += told_as_written(&story).unwrap_or_else(|what| panic!("{}: {what}", path.display()));
            }
        }
    }
    assert!(stories > 0, "no story was found");
    eprintln!("{stories} stories, {blocks} blocks");
}
