//! Fuzz entry: lines from the control socket.

use super::wire::{Envelope, MAX_REQUEST};
use crate::printable::to_json;

/// Splits the input into lines as the server does, and asserts for each that is a request: its serialised form is again
/// a request, on one line, and serialises identically.
///
/// # Panics
/// If it does not.
pub fn envelopes(data: &[u8]) {
    let lines = data.split(|byte| *byte == b'\n').filter(|line| line.len() <= MAX_REQUEST);
    for line in lines.filter_map(|line| str::from_utf8(line).ok()) {
        let Ok(envelope) = serde_json::from_str::<Envelope>(line) else { continue };
        let written = to_json(&envelope).unwrap_or_default();
        assert!(!written.is_empty() && !written.contains('\n'), "{written:?}");
        let again = serde_json::from_str::<Envelope>(&written).and_then(|again| to_json(&again));
        assert_eq!(again.ok().as_deref(), Some(written.as_str()), "what was written is read");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    const SEEDS: [&str; 4] = [
        r#"{"request":{"command":"status"},"ssh_peer":"2001:db8::1"}"#,
        r#"{"request":{"command":"limit_set","scope":"10.0.0.0/8","limits":{"packets":"100/min:20","bits":"off"},"confirm_ms":60000}}"#,
        r#"{"request":{"command":"block_add","prefix":"198.51.100.0/24","for_ms":1000,"reason":"why"}}"#,
        r#"{"request":{"command":"records","question":{"explain":{"prefix":"::/0"}}}}"#,
    ];

    #[test]
    fn seeds_are_requests() {
        assert!(serde_json::from_str::<super::Envelope>(SEEDS[0]).is_ok());
        assert!(serde_json::from_str::<super::Envelope>(SEEDS[2]).is_ok());
    }

    proptest! {
        #[test]
        fn mutated_requests(
            seed in prop::sample::select(SEEDS.to_vec()),
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        ) {
            let mut data = seed.as_bytes().to_vec();
            for (place, byte) in edits {
                let place = place.index(data.len());
                data[place] = byte;
            }
            super::envelopes(&data);
        }
    }
}
