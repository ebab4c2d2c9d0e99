//! Capture files, plain and compressed.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sensor::capture::file::fuzz::next_segment(input));
