//! Sizes: `500MB` is 500 * 10^6 bytes, `64MiB` is 64 * 2^20.

use std::fmt;
use std::str::FromStr;

use super::UnitError;
use super::number::{Number, NumberError};
use crate::scenario::problem::quoted;

/// Units with their bytes; on a tie the earlier one is written back.
const UNITS: [(&str, u64); 9] = [
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

const KNOWN_UNITS: &str =
    "the units are `B`, `kB`, `MB`, `GB`, `TB` and `KiB`, `MiB`, `GiB`, `TiB`";

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(u64);

impl Bytes {
    /// So many bytes.
    pub fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for Bytes {
    type Err = UnitError;

    /// Reads a size: a number and a unit.
    ///
    /// # Errors
    ///
    /// When the unit is missing or unknown, or the size is negative, not a
    /// whole number of bytes or 2^64 and more.
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, after) = Number::take(text.trim()).map_err(|error| match error {
            NumberError::Missing => UnitError::new(
                format!("{} is not a size", quoted(text)),
                "write `500MB` or `64MiB`",
            ),
            NumberError::Negative => UnitError::new(
                format!("{} is negative", quoted(text)),
                "a size is zero or more, such as `500MB`",
            ),
            NumberError::TooLong => too_large(text),
        })?;
        let unit = after.trim_start();
        if unit.is_empty() {
            let bare = number.text;
            return Err(UnitError::new(
                format!("{} needs a unit", quoted(text)),
                format!("write `{bare}MB` or `{bare}MiB`"),
            ));
        }
        let Some((_, factor)) = UNITS
            .iter()
            .find(|(spelling, _)| *spelling == unit || (unit == "KB" && *spelling == "kB"))
        else {
            return Err(UnitError::new(
                format!("{} is not a unit of size in {}", quoted(unit), quoted(text)),
                KNOWN_UNITS,
            ));
        };
        let bytes = number.times(u128::from(*factor)).ok_or_else(|| {
            if number.is_whole() {
                return too_large(text);
            }
            UnitError::new(
                format!("{} is not a whole number of bytes", quoted(text)),
                "write fewer decimals",
            )
        })?;
        u64::try_from(bytes).map(Self).map_err(|_| too_large(text))
    }
}

impl fmt::Display for Bytes {
    /// In the unit that makes the number shortest, exactly.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = UNITS
            .into_iter()
            .filter(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor))
            .min_by_key(|(_, factor)| self.0 / factor)
            .unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

fn too_large(text: &str) -> UnitError {
    UnitError::new(
        format!("{} is too large", quoted(text)),
        "sizes end at 16 EiB",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_read_as_written_and_show_short() {
        let cases = [
            ("500MB", 500_000_000, "500MB"),
            ("64MiB", 64 << 20, "64MiB"),
            ("1.5 GB", 1_500_000_000, "1500MB"),
            ("0B", 0, "0B"),
            ("12KB", 12_000, "12kB"),
            ("1024B", 1_024, "1KiB"),
            ("1001B", 1_001, "1001B"),
        ];
        for (text, bytes, shown) in cases {
            assert_eq!(text.parse(), Ok(Bytes::new(bytes)), "{text}");
            assert_eq!(Bytes::new(bytes).to_string(), shown);
        }
    }

    #[test]
    fn what_is_not_a_size_is_refused_with_a_way_out() {
        let cases = [
            ("500", "`500` needs a unit", "write `500MB` or `500MiB`"),
            ("big", "`big` is not a size", "write `500MB` or `64MiB`"),
            (
                "-1MB",
                "`-1MB` is negative",
                "a size is zero or more, such as `500MB`",
            ),
            ("5mb", "`mb` is not a unit of size in `5mb`", KNOWN_UNITS),
            ("5Mb", "`Mb` is not a unit of size in `5Mb`", KNOWN_UNITS),
            (
                "0.5B",
                "`0.5B` is not a whole number of bytes",
                "write fewer decimals",
            ),
            (
                "99999999TB",
                "`99999999TB` is too large",
                "sizes end at 16 EiB",
            ),
        ];
        for (text, message, hint) in cases {
            assert_eq!(
                text.parse::<Bytes>(),
                Err(UnitError::new(message, hint)),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_shown_size_reads_back_the_same(bytes in any::<u64>()) {
            prop_assert_eq!(Bytes::new(bytes).to_string().parse(), Ok(Bytes::new(bytes)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*", near in "[-0-9.]{0,40} ?[a-zA-Z]{0,4}") {
            let _ = text.parse::<Bytes>();
            let _ = near.parse::<Bytes>();
        }
    }
}
