//! Any bytes are read or refused, and what is read says the same when it is
//! written: `tests/support/reads_back.rs`, which the tests hold mutants of real
//! blobs to as well.
#![no_main]

#[path = "../../tests/support/reads_back.rs"]
mod reads_back;

libfuzzer_sys::fuzz_target!(|blob: &[u8]| {
    reads_back::reads_back_or_is_refused(blob);
});
