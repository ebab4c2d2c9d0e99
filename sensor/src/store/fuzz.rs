//! Fuzz entry: the files of the state directory.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Saved;
use crate::clock::Timestamp;
use crate::detect::{self, Detectors};
use crate::printable::to_json;
use crate::route::{self, Learned, Routes};
use crate::suggest::{History, Observer};

/// The first byte selects the file whose content is the rest: commands, routes, detectors' learning, clients' bursts.
/// Asserts that what is accepted is written so that it reads back the same.
///
/// # Panics
/// If it does not.
pub fn state(data: &[u8]) {
    let Some((file, text)) = data.split_first() else { return };
    match file % 4 {
        0 => {
            if let Some(saved) = read::<Saved>(text) {
                assert_eq!(reread(&saved).as_ref(), Some(&saved), "commands");
            }
        }
        1 => routes(text),
        2 => baselines(text),
        _ => {
            if let Some(history) = read::<History>(text) {
                let now = Timestamp::from_unix_micros(1_764_000_000_000_000);
                let kept = Observer::new(history).kept(now);
                assert!(reread(&kept).is_some(), "what clients did");
            }
        }
    }
}

fn routes(text: &[u8]) {
    let Some(learned) = read::<Learned>(text) else { return };
    let config = route::Config { max_nodes: 64, max_templates: 32, ..route::Config::default() };
    let (Ok(mut first), Ok(mut second)) = (Routes::new(&config), Routes::new(&config)) else { return };
    if first.import(&learned).is_err() {
        assert!(first.is_empty(), "nothing of what is refused is taken");
        return;
    }
    assert!(first.nodes() <= 64, "the bound");
    let kept = first.export();
    let read = reread(&kept);
    assert_eq!(read.as_ref(), Some(&kept), "routes are read again");
    assert_eq!(second.import(&kept), Ok(()));
    assert_eq!(second.export(), kept, "and say the same");
}

fn baselines(text: &[u8]) {
    let Some(learned) = read::<BTreeMap<String, serde_json::Value>>(text) else { return };
    let config = detect::Config { seed: Some(0), ..detect::Config::default() };
    let (mut first, mut second) = (Detectors::new(&config), Detectors::new(&config));
    let _unread = first.restore(&learned);
    let kept = first.learned();
    assert_eq!(second.restore(&kept), None, "what is learned can be read");
    assert_eq!(second.learned(), kept, "what is learned stays");
}

fn read<T: DeserializeOwned>(text: &[u8]) -> Option<T> {
    serde_json::from_slice(text).ok()
}

fn reread<T: Serialize + DeserializeOwned>(value: &T) -> Option<T> {
    read(to_json(value).ok()?.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    const SEEDS: [&str; 5] = [
        r#"0{"commands":{"mode":"enforce","limits":{"default":{"packets":"5/s"}},"allows":{},"blocks":{}},"pending":[]}"#,
        r#"1{"version":1,"segments":[{"parent":0,"text":"","hits":0,"confirmed":true},{"parent":0,"text":"users","hits":3,"confirmed":true},{"parent":1,"text":"{id}","hits":2,"confirmed":true,"collapsed":1}]}"#,
        r#"2{"credentials":{"/login":{"control":null,"strangers":null}}}"#,
        r#"2{"spikes":{"version":1,"host":{"usual":0,"rate":"","errors":"","latency":""},"routes":{}}}"#,
        r#"3{"today":{"day":20416},"past":[]}"#,
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn mutated_files(
            seed in prop::sample::select(SEEDS.to_vec()),
            edits in prop::collection::vec((any::<prop::sample::Index>(), 32_u8..127), 0..6),
        ) {
            let mut data = seed.as_bytes().to_vec();
            for (place, byte) in edits {
                let place = place.index(data.len());
                data[place] = byte;
            }
            super::state(&data);
        }
    }
}
