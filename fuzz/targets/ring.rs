//! Raw bytes of the rings of mirrored segments.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sensor::capture::ring::fuzz::rings(input));
