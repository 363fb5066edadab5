//! Nothing that was not sealed opens, whatever it looks like; what was sealed
//! opens as it was, in its place alone; and with one byte changed not at all.
#![no_main]

use std::sync::LazyLock;

use token_cache::protect::{DataProtectionKey, DataProtectionReader, KeyRing};

static RING: LazyLock<KeyRing> = LazyLock::new(|| {
    let key = DataProtectionKey::from_xml_values(
        "0102030405060708090a0b0c0d0e0f10",
        "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=",
    );
    let ring = KeyRing::generate("k1").expect("random numbers");
    ring.reading(DataProtectionReader::new(key.ok(), "app"))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    assert!(RING.open("key", bytes).is_err(), "nobody sealed it");
    let sealed = RING.seal("key", bytes).expect("it can be sealed");
    assert_eq!(RING.open("key", &sealed).as_deref(), Ok(bytes));
    assert!(RING.open("other", &sealed).is_err(), "it is bound to its place");
    // Which byte, and how, follows from the input, so that the fuzzer steers it.
    let at = bytes.iter().map(|&byte| usize::from(byte)).sum::<usize>() % sealed.len();
    let mut changed = sealed.to_vec();
    changed[at] ^= bytes.first().copied().unwrap_or(0) | 1;
    assert!(RING.open("key", &changed).is_err(), "byte {at} was changed");
    assert!(RING.open("key", &sealed[..at]).is_err(), "cut at {at}");
});
