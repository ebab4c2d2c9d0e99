//! CrowdSec, as far as a host knows it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The connection to CrowdSec, and what came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrowdsecReport {
    /// Host and port of its local API.
    pub server: String,
    /// Whether the last request was answered.
    pub connected: bool,
    /// Why it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Milliseconds since the last answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
    /// Decisions that are known.
    pub decisions: u64,
    /// Of these, those that are in force here.
    pub blocks: u64,
    /// Requests that failed since the start.
    pub failures: u64,
    /// Whether decisions are pulled.
    #[serde(default)]
    pub pulls: bool,
    /// Whether it takes usage metrics; absent before it was told any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_metrics: Option<bool>,
    /// Alerts for it; absent if none are pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushes: Option<CrowdsecPushes>,
    /// Decisions since the start that were not carried out, by reason.
    #[serde(default)]
    pub left: BTreeMap<String, u64>,
}

/// Alerts for CrowdSec since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrowdsecPushes {
    /// Alerts that it has.
    pub sent: u64,
    /// Alerts about clients that it allows, which were not sent.
    pub allowed: u64,
    /// Alerts that it refused, or that had no room in the queue.
    pub lost: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// Whether it has allow lists; absent before it was asked. Versions before 1.6.6 have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_lists: Option<bool>,
    /// Why the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}
