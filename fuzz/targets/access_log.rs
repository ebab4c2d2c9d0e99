//! A format of access logs, and lines.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sensor::capture::log::fuzz::access_log(input));
