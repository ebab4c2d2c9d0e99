//! Fingerprints of requests.

use crate::http::Request;

/// Headers that vary between requests of one program, or that proxies add.
const LEFT_OUT: [&[u8]; 17] = [
    b"content-length",
    b"cookie",
    b"authorization",
    b"forwarded",
    b"via",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-proto",
    b"x-real-ip",
    b"x-request-id",
    b"x-correlation-id",
    b"x-amzn-trace-id",
    b"x-cloud-trace-context",
    b"cf-ray",
    b"traceparent",
    b"tracestate",
];

/// Bytes of a name that are hashed.
const MAX_NAME: usize = 64;

/// Computes fingerprints. They contain no secrets, so they need no key and are the same everywhere.
pub(super) struct Fingerprint(blake3::Hasher);

impl Fingerprint {
    pub(super) fn new() -> Self {
        Self(blake3::Hasher::new_derive_key("sensor identity v1 login fingerprint"))
    }

    /// Of the names of the headers in lower case, in order, and of the User-Agent.
    pub(super) fn of(&self, request: Request<'_>) -> u64 {
        let mut hasher = self.0.clone();
        for (name, _) in request.message().headers() {
            let mut lower = [0; MAX_NAME];
            let length = name.len().min(MAX_NAME);
            let Some((lower, name)) = lower.get_mut(..length).zip(name.get(..length)) else { continue };
            lower.copy_from_slice(name);
            lower.make_ascii_lowercase();
            if !LEFT_OUT.contains(&&*lower) {
                hasher.update(lower).update(b"\n");
            }
        }
        hasher.update(b"\0").update(request.user_agent().unwrap_or_default());
        hasher.finalize().as_bytes().first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
    }
}
