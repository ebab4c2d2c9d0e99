//! A connection in TLS, with secrets that come at any time.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| sensor::tls::fuzz::connection(input));
