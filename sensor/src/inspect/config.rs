//! Configuration of inspection.

use documented::DocumentedFields;

use super::exposure::Limits;
use super::schema::Schemas;

/// What inspection may take.
#[derive(Clone, Debug, PartialEq, Eq, DocumentedFields)]
pub struct Config {
    /// Whether values of requests and responses are inspected. Detectors that need findings are silent without.
    pub enabled: bool,
    /// Maximum values read of one message: fields, members, cookies, headers.
    #[documented_fields(rename = "max_values")]
    pub values: usize,
    /// Maximum bytes of values that are analysed per second across all connections, beyond a first look at each. An
    /// exchange over it is counted as skipped.
    #[documented_fields(rename = "max_bytes_per_second")]
    pub bytes_per_second: usize,
    /// Whether responses are read for what they give away: texts only, the part that is kept of them
    /// (`max_body_bytes`), and compressed ones as far as their connection has earned it.
    pub responses: bool,
    /// Maximum bytes of responses read per second across all connections; a compressed one counts four times. When
    /// less than half is left, a route's responses are sampled, one each 100 ms.
    #[documented_fields(rename = "max_response_bytes_per_second")]
    pub response_bytes_per_second: usize,
    /// Beginnings of keys that are meant to be public, besides those that issuers call so, such as `pk_live_`.
    pub public_keys: Vec<String>,
    /// Secrets that tokens must not be signed with, such as `changeme`, at most 1,000. Of each issuer that signs with
    /// HMAC, one token that the server accepted is tried against them.
    pub weak_token_secrets: Vec<String>,
    /// What the OpenAPI document of `[routes]` allows.
    pub schemas: Schemas,
}

impl Config {
    /// What is looked at besides values.
    pub(super) fn exposure(&self) -> Limits {
        Limits {
            responses: self.responses,
            response_bytes_per_second: self.response_bytes_per_second,
            public_keys: self.public_keys.clone(),
            weak_secrets: self.weak_token_secrets.clone(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            values: 1_024,
            bytes_per_second: 16 << 20,
            responses: true,
            response_bytes_per_second: 4 << 20,
            public_keys: Vec::new(),
            weak_token_secrets: Vec::new(),
            schemas: Schemas::default(),
        }
    }
}
