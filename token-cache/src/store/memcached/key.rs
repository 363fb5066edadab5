//! Keys as memcached takes them: up to 250 bytes, no spaces, no control
//! characters.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// memcached's limit, in bytes.
const LONGEST: usize = 250;

/// Marks a key that stands for a hash.
const HASHED: &str = "#sha256#";

/// The key itself where memcached takes it, else its hash.
pub(super) fn wire_key(instance_name: &str, key: &str) -> String {
    let whole = format!("{instance_name}{key}");
    let fits = (1..=LONGEST).contains(&whole.len())
        && whole.bytes().all(|byte| byte.is_ascii_graphic())
        && !whole.starts_with(HASHED);
    if fits {
        return whole;
    }
    let hash = digest(&SHA256, whole.as_bytes());
    format!("{HASHED}{}", URL_SAFE_NO_PAD.encode(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_fits_stays_as_it_is() {
        assert_eq!(wire_key("app:", "uid.utid"), "app:uid.utid");
        let longest = "k".repeat(LONGEST);
        assert_eq!(wire_key("", &longest), longest);
    }

    #[test]
    fn a_key_that_could_break_the_protocol_is_hashed_and_cannot_be_feigned() {
        let long = "k".repeat(LONGEST + 1);
        for key in ["", "a b", "a\r\nflush_all", "schlüssel", "a\0", &long] {
            let wire = wire_key("", key);
            assert!(wire.starts_with(HASHED) && wire.len() <= LONGEST, "{key:?}");
            assert_ne!(wire_key("", &wire), wire, "{key:?}");
        }
    }
}
