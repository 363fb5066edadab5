//! Durations: `250ms`, `30s`, `1.5h`, `1h30m`.
//!
//! An own table of units rather than a calendar library's friendly format:
//! that one also takes `1 hour ago`, weeks and months, which have no place in
//! a load test, and cannot say which part of the text was wrong.

use std::time::Duration;

use super::UnitError;
use super::number::{Number, NumberError};
use crate::scenario::problem::quoted;

/// Units with their nanoseconds, largest first; the first spelling is the one
/// written back.
const UNITS: [(&[&str], u128); 7] = [
    (&["d"], 86_400_000_000_000),
    (&["h"], 3_600_000_000_000),
    (&["m", "min"], 60_000_000_000),
    (&["s"], 1_000_000_000),
    (&["ms"], 1_000_000),
    (&["us", "µs"], 1_000),
    (&["ns"], 1),
];

const KNOWN_UNITS: &str = "the units are `ns`, `us`, `ms`, `s`, `m`, `h` and `d`";

/// Reads a duration: one or more numbers with units, from large to small.
///
/// # Errors
///
/// When a unit is missing, unknown or out of order, the number is negative or
/// finer than a nanosecond, or the sum exceeds 2^64 seconds.
pub fn parse_duration(text: &str) -> Result<Duration, UnitError> {
    let example = || {
        UnitError::new(
            format!("{} is not a duration", quoted(text)),
            "write `30s`, `250ms` or `1h30m`",
        )
    };
    let mut rest = text.trim();
    let mut total: u128 = 0;
    let mut last_unit = u128::MAX;
    loop {
        let (number, after) = Number::take(rest).map_err(|error| match error {
            NumberError::Missing => example(),
            NumberError::Negative => UnitError::new(
                format!("{} is negative", quoted(text)),
                "a duration is zero or more, such as `30s`",
            ),
            NumberError::TooLong => too_long(text),
        })?;
        let after = after.trim_start();
        let end = after
            .find(|character: char| !character.is_alphabetic())
            .unwrap_or(after.len());
        let (unit, following) = after.split_at(end);
        if unit.is_empty() && following.is_empty() {
            let bare = number.text;
            return Err(UnitError::new(
                format!("{} needs a unit", quoted(text)),
                format!("write `{bare}s` or `{bare}ms`"),
            ));
        }
        if unit.is_empty() {
            return Err(example());
        }
        let Some((_, nanoseconds)) = UNITS
            .iter()
            .find(|(spellings, _)| spellings.contains(&unit))
        else {
            return Err(UnitError::new(
                format!("{} is not a unit of time in {}", quoted(unit), quoted(text)),
                KNOWN_UNITS,
            ));
        };
        if *nanoseconds >= last_unit {
            return Err(UnitError::new(
                format!(
                    "the units of {} do not go from large to small",
                    quoted(text)
                ),
                "write each unit once, such as `1h30m`",
            ));
        }
        last_unit = *nanoseconds;
        let part = number
            .times(*nanoseconds)
            .ok_or_else(|| finer_or_longer(text, number))?;
        total = total.checked_add(part).ok_or_else(|| too_long(text))?;
        rest = following.trim_start();
        if rest.is_empty() {
            break;
        }
    }
    let seconds = u64::try_from(total / 1_000_000_000).map_err(|_| too_long(text))?;
    let nanoseconds = u32::try_from(total % 1_000_000_000).map_err(|_| too_long(text))?;
    Ok(Duration::new(seconds, nanoseconds))
}

/// A duration as [`parse_duration`] reads it, exactly: `1h30m`, `250ms`, `0s`.
pub fn show_duration(duration: Duration) -> String {
    if duration.is_zero() {
        return "0s".to_owned();
    }
    let mut rest = duration.as_nanos();
    let mut out = String::new();
    for (spellings, nanoseconds) in UNITS {
        if rest >= nanoseconds {
            out.push_str(&(rest / nanoseconds).to_string());
            out.push_str(spellings[0]);
            rest %= nanoseconds;
        }
    }
    out
}

fn finer_or_longer(text: &str, number: Number<'_>) -> UnitError {
    if number.is_whole() {
        return too_long(text);
    }
    UnitError::new(
        format!("{} is finer than a nanosecond", quoted(text)),
        "write fewer decimals",
    )
}

fn too_long(text: &str) -> UnitError {
    UnitError::new(
        format!("{} is too long", quoted(text)),
        "write fewer digits, or a larger unit",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_read_as_written() {
        let cases = [
            ("250ms", Duration::from_millis(250)),
            ("30s", Duration::from_secs(30)),
            ("30 s", Duration::from_secs(30)),
            (" 1h30m ", Duration::from_secs(5_400)),
            ("1h 30min", Duration::from_secs(5_400)),
            ("1.5h", Duration::from_secs(5_400)),
            ("0s", Duration::ZERO),
            ("2d", Duration::from_secs(172_800)),
            ("1us", Duration::from_micros(1)),
            ("1µs", Duration::from_micros(1)),
            ("0.5us", Duration::from_nanos(500)),
            ("3600.0s", Duration::from_secs(3_600)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_duration(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_is_refused_with_a_way_out() {
        let cases = [
            ("30", "`30` needs a unit", "write `30s` or `30ms`"),
            ("1.5", "`1.5` needs a unit", "write `1.5s` or `1.5ms`"),
            ("1h30", "`1h30` needs a unit", "write `30s` or `30ms`"),
            (
                "",
                "`` is not a duration",
                "write `30s`, `250ms` or `1h30m`",
            ),
            (
                "soon",
                "`soon` is not a duration",
                "write `30s`, `250ms` or `1h30m`",
            ),
            (
                "NaN",
                "`NaN` is not a duration",
                "write `30s`, `250ms` or `1h30m`",
            ),
            (
                "-5s",
                "`-5s` is negative",
                "a duration is zero or more, such as `30s`",
            ),
            (
                "30 parsecs",
                "`parsecs` is not a unit of time in `30 parsecs`",
                KNOWN_UNITS,
            ),
            ("30S", "`S` is not a unit of time in `30S`", KNOWN_UNITS),
            ("1e3s", "`e` is not a unit of time in `1e3s`", KNOWN_UNITS),
            (
                "30s1h",
                "the units of `30s1h` do not go from large to small",
                "write each unit once, such as `1h30m`",
            ),
            (
                "1s1s",
                "the units of `1s1s` do not go from large to small",
                "write each unit once, such as `1h30m`",
            ),
            (
                "0.5ns",
                "`0.5ns` is finer than a nanosecond",
                "write fewer decimals",
            ),
            (
                "1.s",
                "`1.s` is not a duration",
                "write `30s`, `250ms` or `1h30m`",
            ),
            (
                "99999999999999999999999s",
                "`99999999999999999999999s` is too long",
                "write fewer digits, or a larger unit",
            ),
            (
                "999999999999999999999999999999s",
                "`999999999999999999999999999999s` is too long",
                "write fewer digits, or a larger unit",
            ),
        ];
        for (text, message, hint) in cases {
            assert_eq!(
                parse_duration(text),
                Err(UnitError::new(message, hint)),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_shown_duration_reads_back_the_same(seconds in any::<u64>(), nanoseconds in 0_u32..1_000_000_000) {
            let duration = Duration::new(seconds, nanoseconds);
            prop_assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".*", near in "[-0-9.]{0,40} ?[a-zµ/%]{0,4}") {
            let _ = parse_duration(&text);
            let _ = parse_duration(&near);
        }
    }
}
