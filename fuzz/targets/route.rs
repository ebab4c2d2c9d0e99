//! Paths that templates are learned from.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sensor::route::fuzz::routes(input));
