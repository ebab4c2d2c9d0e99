//! Header blocks, each by itself and one after the other.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sensor::http::fuzz::hpack(input));
