//! How much is kept, and for how long.

use std::time::Duration;

use documented::DocumentedFields;

use crate::config::Section;

/// Bounds of the event store.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct StoreConfig {
    /// Alerts, audit entries and ended decisions older than this are deleted.
    pub max_age: Duration,
    /// Maximum size of the database; the oldest records are deleted before it is reached. Its write-ahead log adds
    /// about 4 MiB.
    #[documented_fields(rename = "max_size_mib")]
    pub max_bytes: u64,
    /// Maximum records queued while the disk is unavailable; further ones are lost and counted in
    /// `sensor_events_lost_total`.
    pub queue: usize,
    /// Pause after the first failed write; it doubles up to [`StoreConfig::MAX_RETRY`].
    pub retry: Duration,
}

impl StoreConfig {
    /// Longest pause between two tries to write.
    pub const MAX_RETRY: Duration = Duration::from_secs(30);

    /// Reads `[store]`.
    #[must_use]
    pub fn read(root: &Section<'_>) -> Self {
        let mut config = Self::default();
        let store = root.section("store").about(ABOUT);
        store.explain::<Self>();
        store.duration("max_age", MIN_AGE, &mut config.max_age);
        store.mebibytes("max_size_mib", 1..=1_048_576, &mut config.max_bytes);
        store.integer("queue", 16..=1_048_576, &mut config.queue);
        store.finish();
        config
    }
}

const ABOUT: &str = "Retention of alerts, decisions and the audit trail: `events.db` in the state directory. \
     Decisions in force are kept.";

/// Shorter ages are a slip: blocks escalate by what is kept.
const MIN_AGE: Duration = Duration::from_hours(1);

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            max_age: Duration::from_hours(90 * 24),
            max_bytes: 256 << 20,
            queue: 8_192,
            retry: Duration::from_secs(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::path::Path;

    use super::*;
    use crate::config::Document;

    fn read(text: &str) -> (StoreConfig, Vec<String>) {
        let mut document = Document::default();
        document.add(Path::new("s.toml"), text).unwrap();
        let problems = RefCell::default();
        let root = Section::root(&document, &problems);
        let config = StoreConfig::read(&root);
        root.finish();
        (config, problems.into_inner().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_is_said_counts_and_the_rest_is_default() {
        assert_eq!(read(""), (StoreConfig::default(), vec![]));
        let (config, problems) = read("[store]\nmax_age = \"7d\"\nmax_size_mib = 16\n");
        assert_eq!(problems, [""; 0]);
        assert_eq!(config.max_age, Duration::from_hours(7 * 24));
        assert_eq!(config.max_bytes, 16 << 20);
    }

    #[test]
    fn mistakes_name_their_key() {
        for (line, expected) in [
            ("max_age = \"5m\"", "s.toml:2: store.max_age: `5m`: expected at least 1h"),
            ("max_age = \"long\"", "s.toml:2: store.max_age: `long`: expected a time such as 5m"),
            ("max_size_mib = 0", "s.toml:2: store.max_size_mib: expected a whole number from 1 to 1048576"),
            ("max_size = 5", "s.toml:2: store.max_size: unknown key; did you mean `max_size_mib`?"),
        ] {
            let (_, problems) = read(&format!("[store]\n{line}\n"));
            assert_eq!(problems.len(), 1);
            assert!(problems[0].starts_with(expected), "{}", problems[0]);
        }
    }
}
