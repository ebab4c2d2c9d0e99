//! Bodies of gRPC, cut into pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sensor::http::fuzz::grpc(input));
