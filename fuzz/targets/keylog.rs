//! Key logs, in pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sensor::capture::keylog::fuzz::keylog(input));
