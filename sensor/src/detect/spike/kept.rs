//! Stores baselines across a restart.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::{Baseline, MAX_ROUTES, Watch};

/// The version that is written; no other is read.
const VERSION: u32 = 1;
/// Longest route name read; routes are bounded elsewhere.
const MAX_NAME: usize = 4_096;

/// All subjects: some 500 KB with the maximum number of routes.
#[derive(Serialize, Deserialize)]
pub(super) struct Learned {
    version: u32,
    host: Kept,
    routes: BTreeMap<String, Kept>,
}

/// One subject: requests in a usual minute, and its baselines, in base64.
#[derive(Serialize, Deserialize)]
struct Kept {
    usual: u32,
    rate: String,
    errors: String,
    latency: String,
}

/// The readable part.
pub(super) struct Watches {
    pub(super) host: Watch,
    pub(super) routes: BTreeMap<String, Watch>,
    /// What is wrong with the rest.
    pub(super) unread: Option<String>,
}

impl Learned {
    pub(super) fn of(host: &Watch, routes: &BTreeMap<String, Watch>) -> Self {
        let routes = routes.iter().map(|(route, watch)| (route.clone(), Kept::of(watch)));
        Self { version: VERSION, host: Kept::of(host), routes: routes.collect() }
    }

    /// The stored data as far as it is usable, and what is wrong with the rest.
    pub(super) fn watches(self) -> Result<Watches, String> {
        if self.version != VERSION {
            return Err(format!("spikes: version {} is not known", self.version));
        }
        let count = self.routes.len();
        let host = self.host.watch();
        let readable = self.routes.into_iter().filter(|(route, _)| route.len() <= MAX_NAME);
        let routes: BTreeMap<String, Watch> =
            readable.filter_map(|(route, kept)| Some((route, kept.watch()?))).take(MAX_ROUTES).collect();
        let unread = count.saturating_sub(routes.len()).saturating_add(usize::from(host.is_none()));
        let why =
            (unread > 0).then(|| format!("spikes: {unread} of {} cannot be read", count.saturating_add(1)));
        Ok(Watches { host: host.unwrap_or_default(), routes, unread: why })
    }
}

impl Kept {
    fn of(watch: &Watch) -> Self {
        let text = |baseline: &Baseline| BASE64_STANDARD.encode(baseline.kept());
        Self {
            usual: rounded(watch.usual),
            rate: text(&watch.rate),
            errors: text(&watch.errors),
            latency: text(&watch.latency),
        }
    }

    fn watch(&self) -> Option<Watch> {
        let baseline = |text: &str| Baseline::from_kept(&BASE64_STANDARD.decode(text).ok()?);
        Some(Watch {
            usual: f64::from(self.usual),
            rate: baseline(&self.rate)?,
            errors: baseline(&self.errors)?,
            latency: baseline(&self.latency)?,
            failing: None,
        })
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what a number holds")]
fn rounded(usual: f64) -> u32 {
    usual.round().clamp(0.0, f64::from(u32::MAX)) as u32
}
