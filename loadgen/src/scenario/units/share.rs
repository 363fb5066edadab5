//! Shares of a whole: `5%` or `0.05`.

use std::fmt;
use std::str::FromStr;

use super::UnitError;
use super::number::{Number, NumberError};
use crate::scenario::problem::quoted;

/// A part of a whole, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Share(f64);

impl Share {
    /// This part of a whole; `None` unless that is from 0 to 1.
    pub fn try_new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then_some(Self(share))
    }

    /// The part, from 0 to 1.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl FromStr for Share {
    type Err = UnitError;

    /// Reads a share: a percentage, or a number from 0 to 1.
    ///
    /// # Errors
    ///
    /// When it is not a number, negative, or more than the whole.
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let (number, after) = Number::take(text.trim()).map_err(|error| match error {
            NumberError::Missing => UnitError::new(
                format!("{} is not a share", quoted(text)),
                "write `5%` or `0.05`",
            ),
            NumberError::Negative => UnitError::new(
                format!("{} is negative", quoted(text)),
                "a share is from `0%` to `100%`",
            ),
            NumberError::TooLong => too_much(text, "100"),
        })?;
        let share = match after.trim_start() {
            "" => number.as_f64(),
            "%" => number.as_f64() / 100.0,
            _ => {
                return Err(UnitError::new(
                    format!("{} is not a share", quoted(text)),
                    "write `5%` or `0.05`",
                ));
            }
        };
        Self::try_new(share).ok_or_else(|| too_much(text, number.text))
    }
}

impl fmt::Display for Share {
    /// As a percentage where that says it exactly, else as a number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // To a thousandth of a percent: what a person would have written.
        let percent = (self.0 * 1e5).round() / 1e3;
        if (percent / 100.0).to_bits() == self.0.to_bits() {
            return write!(f, "{percent}%");
        }
        write!(f, "{}", self.0)
    }
}

fn too_much(text: &str, bare: &str) -> UnitError {
    let hint = match bare.parse::<f64>() {
        Ok(percent) if percent <= 100.0 && !text.contains('%') => format!("write `{bare}%`"),
        _ => "a share is from `0%` to `100%`".to_owned(),
    };
    UnitError::new(format!("{} is more than the whole", quoted(text)), hint)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shares_read_as_percentage_or_number() {
        let cases = [
            ("5%", 0.05, "5%"),
            ("0.05", 0.05, "5%"),
            ("99.5 %", 0.995, "99.5%"),
            ("0", 0.0, "0%"),
            ("1", 1.0, "100%"),
        ];
        for (text, expected, shown) in cases {
            let share: Share = text.parse().unwrap();
            assert!((share.get() - expected).abs() < 1e-15, "{text}");
            assert_eq!(share.to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_share_is_refused_with_a_way_out() {
        let cases = [
            ("95", "`95` is more than the whole", "write `95%`"),
            (
                "101%",
                "`101%` is more than the whole",
                "a share is from `0%` to `100%`",
            ),
            (
                "500",
                "`500` is more than the whole",
                "a share is from `0%` to `100%`",
            ),
            ("-1%", "`-1%` is negative", "a share is from `0%` to `100%`"),
            ("NaN", "`NaN` is not a share", "write `5%` or `0.05`"),
            ("5/s", "`5/s` is not a share", "write `5%` or `0.05`"),
        ];
        for (text, message, hint) in cases {
            assert_eq!(
                text.parse::<Share>(),
                Err(UnitError::new(message, hint)),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_shown_share_reads_back_the_same(share in 0.0..=1.0_f64, percent in 0_u32..=100_000) {
            for share in [share, f64::from(percent) / 100_000.0] {
                let share = Share::try_new(share).unwrap();
                prop_assert_eq!(share.to_string().parse(), Ok(share));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*", near in "[-0-9.]{0,40} ?%?") {
            let _ = text.parse::<Share>();
            let _ = near.parse::<Share>();
        }
    }
}
