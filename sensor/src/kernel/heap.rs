//! Memory that starting needed and serving does not.

#![expect(unsafe_code, reason = "a call into the C library")]

/// Returns unused heap pages to the kernel. Starting parses the kernel's BTF and the programs' own, which leaves the heap
/// of an idle daemon a third empty; the C library keeps such pages until asked.
pub fn release_unused() {
    // SAFETY: it takes no pointer, and may be called by any thread at any time (malloc_trim(3)).
    #[cfg(target_env = "gnu")]
    let _released = unsafe { nix::libc::malloc_trim(0) };
}
