//! Values, judged.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sensor::inspect::injection::fuzz::judge(input));
