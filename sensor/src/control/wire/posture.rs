//! `sensor posture`.

use serde::{Deserialize, Serialize};

use crate::posture::Report;

/// `sensor posture`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PostureReport {
    /// The report.
    #[serde(flatten)]
    pub report: Report,
    /// A draft OpenAPI document, if one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openapi: Option<serde_json::Value>,
}
