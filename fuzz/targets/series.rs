//! Series of values to be scored.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sensor::cli::fuzz::series(input));
