//! Durations as people write them: `40ms`, `3600s`, `1h 30m`.

use std::time::Duration;

/// Reads a duration with its unit.
///
/// # Errors
///
/// In words: what is missing, and how to write it.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    if !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return Err(format!(
            "`{text}` needs a unit; write `{text}s` or `{text}ms`"
        ));
    }
    text.parse::<jiff::SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| format!("`{text}` is not a duration; write 40ms, 3600s or 1h30m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_carry_their_unit() {
        assert_eq!(parse("40ms"), Ok(Duration::from_millis(40)));
        assert_eq!(parse("3600s"), Ok(Duration::from_hours(1)));
        assert_eq!(parse("1h30m"), Ok(Duration::from_mins(90)));
        assert_eq!(parse("0s"), Ok(Duration::ZERO));
        for text in ["", "3600", "1.5", "-1s", "1 parsec", "s"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
