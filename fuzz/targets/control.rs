//! Lines that come over the control socket.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sensor::control::fuzz::envelopes(input));
