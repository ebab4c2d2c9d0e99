//! Recognisers under any input.

use super::super::{graphql, leak, personal, secret, token};

/// Reads a token twice and asserts that it looks the same, and that what is shown of it is bounded.
///
/// # Panics
/// If that does not hold.
pub fn jwt(data: &[u8]) {
    let mut reader = token::Reader::default();
    let first = reader.read(data).map(|read| (read.skeleton, read.issuer.len()));
    let again = reader.read(data).map(|read| (read.skeleton, read.issuer.len()));
    assert_eq!(first, again, "the same again");
    if let Some((skeleton, issuer)) = first {
        assert!(issuer <= data.len());
        assert!(skeleton.misuses.iter().count() <= token::Misuse::ALL.len());
        assert!(format!("{skeleton:?}").len() < 512, "a skeleton has no value");
        let _ = skeleton.is_expired(0) | skeleton.is_endless(u64::MAX);
    }
}

/// Measures a document and asserts that its measures are within what its bytes can hold.
///
/// # Panics
/// If that does not hold.
pub fn document(data: &[u8]) {
    const MOST: u32 = 2_000;
    let Ok(text) = std::str::from_utf8(data) else { return };
    let measures = graphql::measure(text, &|_| Some(3), MOST);
    assert_eq!(measures, graphql::measure(text, &|_| Some(3), MOST), "the same again");
    assert!(measures.tokens <= MOST && u64::from(measures.tokens) <= text.len() as u64);
    assert!(u64::from(measures.depth) <= measures.fields, "each level has a field");
    assert!(measures.aliases <= measures.fields, "an alias is a field's");
    assert!(measures.fields <= measures.cost, "a field is executed once at least");
    let _ = graphql::suggests_fields(data);
}

/// Scans a text and asserts that all that is found lies in it, and that public keys are the only ones of their class.
///
/// # Panics
/// If that does not hold.
pub fn scan(data: &[u8]) {
    if let Some(secrets) = secret::Scanner::new() {
        secrets.scan(data, |hit| {
            assert!(data.get(hit.at..hit.at.saturating_add(hit.length)).is_some(), "{hit:?}")
        });
    }
    let mut personal = personal::Scanner::default();
    let (mut first, mut again) = (Vec::new(), Vec::new());
    personal.scan(data, |item| first.push(item));
    personal.scan(data, |item| again.push(item));
    assert_eq!(first, again, "nothing of a text stays");
    for item in first {
        assert!(data.get(item.at..item.at.saturating_add(item.length)).is_some(), "{item:?}");
    }
    if let Some(leaks) = leak::Scanner::new() {
        let mut found = 0_usize;
        leaks.scan(data, |_| found = found.saturating_add(1));
        assert!(found <= data.len());
    }
    let _ = leak::given(data);
    let name = data.get(..data.len().min(8)).unwrap_or_default();
    let _ = secret::query_credential(b"/", name, data) | secret::is_secret_value(data);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    const SEEDS: [&str; 5] = [
        "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLCJleHAiOjEzMDA4MTkzODB9.",
        "query Q($a:[Int!]=1){a(first:$a,s:\"x\"){...F b:c @d{e}}}fragment F on T{...F x}",
        "{\"card\":\"4556 7375 8689 9855\",\"iban\":\"DE89370400440532013000\",\"h\":\"$2b$12$abcdefghijklmnopqrstuv\"}",
        "postgres://a:hunter22@b/c -----BEGIN RSA PRIVATE KEY-----\nMIIE AKIAQYLPMN5HFIQR7XYA SG.a.b a@b.org",
        "DB_PASSWORD=hunter22\nroot:x:0:0:root:/root:/bin/sh\nORA-00933 \\n123-45-6789 $6$a$b",
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

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
            super::jwt(&data);
            super::document(&data);
            super::scan(&data);
        }
    }
}
