//! Header fields that say who a client is.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sensor::identity::fuzz::identity(input));
