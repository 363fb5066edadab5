//! See `mock_idp::fuzzing::tunnel`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mock_idp::fuzzing::tunnel(bytes));
