//! What must hold of any bytes that are read as a blob. Shared by the property
//! test and the fuzz target.

use token_cache::schema::{Escaping, ReadOptions, Timestamps, read, read_with, write, write_with};

/// Any bytes are read or refused; what is read is written so that it reads as the
/// same, in either escaping, and strict reading accepts nothing that lenient
/// reading does not. Whether it was read.
pub(crate) fn reads_back_or_is_refused(blob: &[u8]) -> bool {
    let strict = ReadOptions {
        timestamps: Timestamps::Strict,
        understand_aliases: true,
        ..ReadOptions::default()
    };
    let strictly = read_with(blob, strict);
    let Ok(partition) = read(blob) else {
        assert!(strictly.is_err(), "only strict reading takes it");
        return false;
    };
    let written = write(&partition);
    assert!(written.is_ascii(), "the cautious escaping leaves ASCII");
    let again = read(&written).expect("what was written reads");
    assert_eq!(write(&again), written, "and says the same");
    let raw = write_with(&partition, Escaping::Newtonsoft);
    let from_raw = read(&raw).expect("in the other escaping as well");
    assert_eq!(write(&from_raw), written);
    read_with(&written, strict).expect("timestamps are written as text");
    true
}
