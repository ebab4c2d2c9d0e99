//! Usage metrics: how many decisions are in force here, by origin, as `cscli metrics show bouncers` lists them.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::header::HeaderValue;
use nix::sys::utsname::uname;
use serde_json::{Value, json};
use tracing::debug;

use super::api::Api;
use crate::clock::{self, Timestamp};

/// Most origins that are told; the rest is one.
const MAX_ORIGINS: usize = 32;

/// When usage was told last.
#[derive(Debug)]
pub(super) struct Usage {
    interval: Duration,
    started: Timestamp,
    told: Option<Duration>,
    is_taken: bool,
}

impl Usage {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, started: clock::now(), told: None, is_taken: true }
    }

    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.is_taken && self.told.is_none_or(|told| now.saturating_sub(told) >= self.interval)
    }

    /// Tells it. Returns whether the server takes it; none if it gave no answer. Decisions do not depend on it.
    pub(super) async fn tell(
        &mut self,
        api: &Api,
        key: &HeaderValue,
        origins: &BTreeMap<String, u64>,
    ) -> Option<bool> {
        self.told = Some(clock::monotonic());
        let usage = body(origins, self.started, clock::now(), self.interval);
        let told =
            api.usage(key, &usage).await.inspect_err(|error| debug!(%error, "no usage metrics")).ok()?;
        self.is_taken = told;
        Some(told)
    }
}

fn body(origins: &BTreeMap<String, u64>, started: Timestamp, now: Timestamp, window: Duration) -> Value {
    let seconds = |at: Timestamp| at.since(Timestamp::default()).as_secs();
    let item = |origin: &str, count: u64| json!({"name": "active_decisions", "unit": "ip", "value": count, "labels": {"origin": origin}});
    let mut items: Vec<Value> =
        origins.iter().take(MAX_ORIGINS).map(|(origin, count)| item(origin, *count)).collect();
    let rest = origins.values().skip(MAX_ORIGINS).fold(0_u64, |sum, count| sum.saturating_add(*count));
    if rest > 0 {
        items.push(item("others", rest));
    }
    let names = uname().ok();
    let text = |name: Option<&std::ffi::OsStr>| {
        name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    };
    json!({
        "log_processors": [],
        "remediation_components": [{
            "type": "sensor", "version": concat!("v", env!("CARGO_PKG_VERSION")), "feature_flags": [],
            "utc_startup_timestamp": seconds(started),
            "os": {
                "name": text(names.as_ref().map(|names| names.sysname())),
                "version": text(names.as_ref().map(|names| names.release())),
            },
            "metrics": [{
                "meta": {"utc_now_timestamp": seconds(now), "window_size_seconds": window.as_secs()},
                "items": items,
            }],
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_bounded() {
        let origins = (0..100).map(|number| (format!("list {number:03}"), 2)).collect();
        let at = |seconds: u64| Timestamp::from_unix_micros(seconds * 1_000_000);
        let body = body(&origins, at(10), at(70), Duration::from_secs(1_800));
        let component = &body["remediation_components"][0];
        let items = component["metrics"][0]["items"].as_array().unwrap();
        assert_eq!(items.len(), 33);
        assert_eq!(items[32]["labels"]["origin"], "others");
        assert_eq!(items[32]["value"], 136);
        assert_eq!(component["utc_startup_timestamp"], 10);
        assert_eq!(
            component["metrics"][0]["meta"],
            json!({"utc_now_timestamp": 70, "window_size_seconds": 1_800})
        );
    }
}
