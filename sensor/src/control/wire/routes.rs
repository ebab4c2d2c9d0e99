//! `sensor routes`, and how a client stands.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::groups::Whom;
use crate::pipeline::RouteCounts;

/// Order of `sensor routes`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteSort {
    /// Requests per second.
    #[default]
    Requests,
    /// Requests per second that were answered with a status of 400 or more.
    Errors,
    /// The 99th percentile of recent latencies.
    Latency,
}

/// One method and route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteRow {
    /// The method, or `other`; empty for [`RoutesReport::rest`].
    pub method: String,
    /// The template; empty for [`RoutesReport::rest`].
    pub route: String,
    /// The systemd unit or container that serves it, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Per second, now.
    pub rates: RouteCounts,
    /// Of the last half minute to minute.
    pub recent: RouteCounts,
    /// The median latency of the recent ones, in microseconds, from the first byte of the request to the first of
    /// the response; to a sixteenth.
    pub p50_us: Option<u64>,
    /// The 99th percentile.
    pub p99_us: Option<u64>,
    /// Since the daemon started.
    pub total: RouteCounts,
}

impl RouteRow {
    /// What rows are sorted by.
    #[must_use]
    pub fn by(&self, sort: RouteSort) -> u64 {
        match sort {
            RouteSort::Requests => self.rates.requests,
            RouteSort::Errors => self.rates.errors(),
            RouteSort::Latency => self.p99_us.unwrap_or(0),
        }
    }
}

/// `sensor routes`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutesReport {
    /// The first ones in the order asked for.
    pub routes: Vec<RouteRow>,
    /// Methods and routes that are told apart now.
    pub tracked: u64,
    /// All that found no place among those, together.
    pub rest: RouteRow,
}

/// What the policy says about a client besides the limits of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum Standing {
    /// Nothing.
    #[default]
    Plain,
    /// It is allowed.
    Allowed {
        /// By the rule of this prefix or group.
        by: Whom,
    },
    /// It is blocked.
    Blocked {
        /// By the rule of this prefix or group.
        by: Whom,
        /// When that ends.
        until: Option<Timestamp>,
    },
    /// It has limits of its own.
    Limited {
        /// By the rule of this prefix or group.
        by: Whom,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_that_scripts_read() {
        let by = "192.0.2.0/24".parse().unwrap();
        for (standing, text) in [
            (Standing::Plain, r#"{"is":"plain"}"#),
            (Standing::Blocked { by, until: None }, r#"{"is":"blocked","by":"192.0.2.0/24","until":null}"#),
            (Standing::Limited { by }, r#"{"is":"limited","by":"192.0.2.0/24"}"#),
        ] {
            assert_eq!(serde_json::to_string(&standing).unwrap(), text);
            assert_eq!(serde_json::from_str::<Standing>(text).unwrap(), standing);
        }
        assert_eq!(serde_json::to_string(&RouteSort::Latency).unwrap(), r#""latency""#);
    }
}
