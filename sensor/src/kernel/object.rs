//! The eBPF object, built by `build.rs` and carried inside the binary.

/// The object's bytes, aligned for the ELF reader.
pub(super) static DATAPLANE: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/dataplane"));
