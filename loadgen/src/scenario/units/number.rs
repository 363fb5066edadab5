//! The number in front of a unit: plain decimal notation, kept exact.

/// Digits of one number; more is a slip, and this many fit in `u128`.
const MAX_DIGITS: usize = 30;

/// A decimal number as written: `digits / 10^decimals`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number<'a> {
    /// The text it was read from.
    pub(super) text: &'a str,
    digits: u128,
    decimals: u32,
}

/// Why no number could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberError {
    /// There is none at this place.
    Missing,
    /// It starts with a minus sign.
    Negative,
    /// It has more digits than any quantity needs.
    TooLong,
}

impl<'a> Number<'a> {
    /// Reads the number `text` begins with, and returns what follows it.
    pub(super) fn take(text: &'a str) -> Result<(Self, &'a str), NumberError> {
        if text.starts_with('-') {
            return Err(NumberError::Negative);
        }
        let whole = digits_of(text);
        if whole.is_empty() {
            return Err(NumberError::Missing);
        }
        let after_whole = &text[whole.len()..];
        let fraction = after_whole.strip_prefix('.').map_or("", digits_of);
        let length = if fraction.is_empty() {
            whole.len()
        } else {
            whole.len() + 1 + fraction.len()
        };
        if whole.len() + fraction.len() > MAX_DIGITS {
            return Err(NumberError::TooLong);
        }
        let digits = whole
            .bytes()
            .chain(fraction.bytes())
            .fold(0_u128, |value, digit| value * 10 + u128::from(digit - b'0'));
        let decimals = u32::try_from(fraction.len()).map_err(|_| NumberError::TooLong)?;
        Ok((
            Self {
                text: &text[..length],
                digits,
                decimals,
            },
            &text[length..],
        ))
    }

    /// The number times `unit`; `None` when that is not a whole number or does
    /// not fit.
    pub(super) fn times(self, unit: u128) -> Option<u128> {
        let scaled = self.digits.checked_mul(unit)?;
        let divisor = 10_u128.pow(self.decimals);
        scaled.is_multiple_of(divisor).then_some(scaled / divisor)
    }

    /// Whether it has decimals that are not zero.
    pub(super) fn is_whole(self) -> bool {
        self.digits.is_multiple_of(10_u128.pow(self.decimals))
    }

    /// The nearest floating point number.
    pub(super) fn as_f64(self) -> f64 {
        // The text is digits with at most one point between them, which parses.
        self.text.parse().unwrap_or(f64::NAN)
    }
}

fn digits_of(text: &str) -> &str {
    let end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    &text[..end]
}
