//! The eBPF objects, built by `build.rs` and embedded in the binary.

/// The data plane's and the mirror's bytes, aligned for the ELF reader.
pub(super) static DATAPLANE: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/dataplane"));

/// The same for the probe in TLS libraries.
pub(super) static SECRETS: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/secrets"));
