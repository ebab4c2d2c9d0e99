//! JSON Web Tokens.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sensor::inspect::exposure_fuzz::jwt(input));
