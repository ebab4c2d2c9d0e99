//! Frames of HTTP/2 in both directions, cut into pieces, with holes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sensor::http::fuzz::frames(input));
