//! Rates: `200/s`, `30/min`, `2/h`.

use std::fmt;
use std::str::FromStr;

use super::UnitError;
use super::number::{Number, NumberError};
use crate::scenario::problem::quoted;

/// What may stand after the slash, with its seconds.
const UNITS: [(&str, f64); 3] = [("s", 1.0), ("min", 60.0), ("h", 3_600.0)];

const KNOWN_UNITS: &str = "a rate is per `/s`, `/min` or `/h`";

/// How often something happens: a finite number, zero or more, in a second.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(f64);

impl Rate {
    /// The highest rate that can be written: ten million in a second.
    pub const MAX: Self = Self(1e7);

    /// So many in a second; `None` unless that is from 0 to [`Rate::MAX`].
    pub fn try_per_second(count: f64) -> Option<Self> {
        (0.0..=Self::MAX.0).contains(&count).then_some(Self(count))
    }

    /// How many in a second.
    pub fn per_second(self) -> f64 {
        self.0
    }
}

impl FromStr for Rate {
    type Err = UnitError;

    /// Reads a rate: a number, a slash and a unit of time.
    ///
    /// # Errors
    ///
    /// When the unit is missing or unknown, or the rate is negative or beyond
    /// [`Rate::MAX`].
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, after) = Number::take(text.trim()).map_err(|error| match error {
            NumberError::Missing => UnitError::new(
                format!("{} is not a rate", quoted(text)),
                "write `200/s` or `30/min`",
            ),
            NumberError::Negative => UnitError::new(
                format!("{} is negative", quoted(text)),
                "a rate is zero or more, such as `200/s`",
            ),
            NumberError::TooLong => too_high(text),
        })?;
        let bare = number.text;
        let after = after.trim_start();
        if after.is_empty() {
            return Err(UnitError::new(
                format!("{} needs a unit", quoted(text)),
                format!("write `{bare}/s` or `{bare}/min`"),
            ));
        }
        let Some(unit) = after.strip_prefix('/') else {
            return Err(UnitError::new(
                format!("{} is not a rate", quoted(text)),
                format!("write `{bare}/s` or `{bare}/min`"),
            ));
        };
        let unit = unit.trim_start();
        let Some((_, seconds)) = UNITS
            .into_iter()
            .find(|(spelling, _)| *spelling == unit || (unit == "m" && *spelling == "min"))
        else {
            return Err(UnitError::new(
                format!("{} is not a unit of time in {}", quoted(unit), quoted(text)),
                KNOWN_UNITS,
            ));
        };
        Self::try_per_second(number.as_f64() / seconds).ok_or_else(|| too_high(text))
    }
}

impl fmt::Display for Rate {
    /// In the largest unit of `/s`, `/min` and `/h` that gives a whole number
    /// back exactly, else in a second.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, seconds) in UNITS {
            let count = (self.0 * seconds).round();
            let exact = (count / seconds).to_bits() == self.0.to_bits();
            if exact && count < 1e15 {
                return write!(f, "{count}/{unit}");
            }
        }
        write!(f, "{}/s", self.0)
    }
}

fn too_high(text: &str) -> UnitError {
    UnitError::new(
        format!("{} is too high", quoted(text)),
        format!("rates end at `{}`", Rate::MAX),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rates_read_as_written_and_show_whole_numbers() {
        let cases = [
            ("200/s", 200.0, "200/s"),
            ("30/min", 0.5, "30/min"),
            ("30/m", 0.5, "30/min"),
            ("2/h", 2.0 / 3_600.0, "2/h"),
            ("0.1 / s", 0.1, "6/min"),
            ("0/s", 0.0, "0/s"),
            ("1.23/s", 1.23, "4428/h"),
        ];
        for (text, per_second, shown) in cases {
            let rate: Rate = text.parse().unwrap();
            assert!((rate.per_second() - per_second).abs() < 1e-12, "{text}");
            assert_eq!(rate.to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_rate_is_refused_with_a_way_out() {
        let cases = [
            ("500", "`500` needs a unit", "write `500/s` or `500/min`"),
            ("500s", "`500s` is not a rate", "write `500/s` or `500/min`"),
            ("fast", "`fast` is not a rate", "write `200/s` or `30/min`"),
            (
                "inf/s",
                "`inf/s` is not a rate",
                "write `200/s` or `30/min`",
            ),
            ("NaN", "`NaN` is not a rate", "write `200/s` or `30/min`"),
            (
                "-5/s",
                "`-5/s` is negative",
                "a rate is zero or more, such as `200/s`",
            ),
            (
                "5/day",
                "`day` is not a unit of time in `5/day`",
                KNOWN_UNITS,
            ),
            ("5/", "`` is not a unit of time in `5/`", KNOWN_UNITS),
            (
                "10000001/s",
                "`10000001/s` is too high",
                "rates end at `10000000/s`",
            ),
        ];
        for (text, message, hint) in cases {
            assert_eq!(
                text.parse::<Rate>(),
                Err(UnitError::new(message, hint)),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_shown_rate_reads_back_the_same(per_second in 1e-6..1e7_f64, whole in 0_u32..10_000_000) {
            for count in [per_second, f64::from(whole), f64::from(whole) / 60.0, f64::from(whole) / 3_600.0] {
                let rate = Rate::try_per_second(count).unwrap();
                prop_assert_eq!(rate.to_string().parse(), Ok(rate));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*", near in "[-0-9.]{0,40} ?/?[a-z]{0,4}") {
            let _ = text.parse::<Rate>();
            let _ = near.parse::<Rate>();
        }
    }
}
