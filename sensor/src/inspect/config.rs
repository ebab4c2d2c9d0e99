//! What is inspected, and how much of it.

use documented::DocumentedFields;

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
}

impl Default for Config {
    fn default() -> Self {
        Self { enabled: true, values: 1_024, bytes_per_second: 16 << 20 }
    }
}
