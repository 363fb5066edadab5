//! Any bytes are read or refused; what is read is written so that it reads as the
//! same, in either escaping, and strict reading accepts nothing that lenient
//! reading does not.
#![no_main]

use token_cache::schema::{Escaping, ReadOptions, Timestamps, read, read_with, write, write_with};

libfuzzer_sys::fuzz_target!(|blob: &[u8]| {
    let strict = ReadOptions {
        timestamps: Timestamps::Strict,
        understand_aliases: true,
        ..ReadOptions::default()
    };
    let strictly = read_with(blob, strict);
    let Ok(partition) = read(blob) else {
        assert!(strictly.is_err(), "only strict reading takes it");
        return;
    };
    let written = write(&partition);
    assert!(written.is_ascii(), "the cautious escaping leaves ASCII");
    let again = read(&written).expect("what was written reads");
    assert_eq!(write(&again), written, "and says the same");
    let raw = write_with(&partition, Escaping::Newtonsoft);
    let from_raw = read(&raw).expect("in the other escaping as well");
    assert_eq!(write(&from_raw), written);
    read_with(&written, strict).expect("timestamps are written as text");
});
