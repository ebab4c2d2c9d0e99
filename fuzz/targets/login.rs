//! Exchanges that may be attempts to log in.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sensor::identity::fuzz::login(input));
