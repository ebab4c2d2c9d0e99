//! Segments of a few connections.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sensor::stream::fuzz::streams(input));
