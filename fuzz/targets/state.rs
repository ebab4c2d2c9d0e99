//! Files of the state directory.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sensor::store::fuzz::state(input));
