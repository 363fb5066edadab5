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

/// Something that is read from and written as text in JSON documents too.
pub(crate) trait Text: Sized {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// In words: what is wrong, and how to write it.
    fn parse(text: &str) -> Result<Self, String>;

    /// Writes it as it is read.
    fn write(&self) -> String;
}

impl Text for Duration {
    fn parse(text: &str) -> Result<Self, String> {
        parse(text)
    }

    fn write(&self) -> String {
        match jiff::SignedDuration::try_from(*self) {
            Ok(duration) => format!("{duration:#}").replace(' ', ""),
            Err(_) => format!("{}s", self.as_secs()),
        }
    }
}

impl Text for jiff::SignedDuration {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|_| format!("`{text}` is not a duration; write 1h30m or -1h"))
    }

    fn write(&self) -> String {
        let sign = if self.is_negative() { "-" } else { "" };
        format!("{sign}{}", self.unsigned_abs().write())
    }
}

/// For `#[serde(with)]`.
pub(crate) mod as_text {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Text;

    pub(crate) fn serialize<S: Serializer>(
        value: &impl Text,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&value.write())
    }

    pub(crate) fn deserialize<'de, T: Text, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        let text = String::deserialize(deserializer)?;
        T::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// For `#[serde(with)]`, where it may be left out.
pub(crate) mod as_optional_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Text;

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(crate) fn serialize<S: Serializer>(
        value: &Option<impl Text>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.as_ref().map(Text::write).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, T: Text, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        Option::<String>::deserialize(deserializer)?
            .map(|text| T::parse(&text).map_err(serde::de::Error::custom))
            .transpose()
    }
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
        for text in ["40ms", "1h30m", "1m", "0s", "1s500ms"] {
            assert_eq!(parse(text).unwrap().write(), text);
        }
        for text in ["", "3600", "1.5", "-1s", "1 parsec", "s"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
