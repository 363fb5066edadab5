//! See `mock_idp::fuzzing::config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mock_idp::fuzzing::config(bytes));
