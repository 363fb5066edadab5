//! When keys are announced, sign, and go.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SigningAlgorithm;
use crate::duration::{as_optional_text, as_text};

/// Most keys that may be published at a time; Entra publishes five to seven.
const MOST_KEYS: u32 = 8;

/// What tokens are signed with, and how keys follow each other on the server's clock.
///
/// A key is published `publish_ahead` before it signs, signs for `rollover_every`, and stays
/// published for `retire_after`. Without `rollover_every` one key signs for ever, unless the admin
/// API has another follow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KeySchedule {
    /// What the next keys are for; those there already stay what they are.
    pub algorithm: SigningAlgorithm,
    /// How long each key signs.
    #[serde(with = "as_optional_text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub rollover_every: Option<Duration>,
    /// How long before it signs a key is published; half of `rollover_every` when left out.
    #[serde(with = "as_optional_text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub publish_ahead: Option<Duration>,
    /// How long a key is published after it signed last; as long as `rollover_every` when left out.
    #[serde(with = "as_optional_text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub retire_after: Option<Duration>,
    /// While several keys are published, the probability for each to be missing from an answer,
    /// as when replicas disagree; 0 to 0.95, drawn from the seed. One key is always there.
    pub flapping: f64,
}

impl KeySchedule {
    /// Says what is wrong with it, if anything is.
    ///
    /// # Errors
    ///
    /// Keys that follow each other within a second, or of which more than eight would be published
    /// at a time; a probability that is none.
    pub fn validate(&self) -> Result<(), ScheduleError> {
        if !(0.0..=0.95).contains(&self.flapping) {
            return Err(ScheduleError("`flapping` must be 0 to 0.95".to_owned()));
        }
        let Some(every) = self.rollover_every else {
            return Ok(());
        };
        if every < Duration::from_secs(1) {
            return Err(ScheduleError(
                "`rollover_every` is below a second".to_owned(),
            ));
        }
        let (ahead, after) = (self.ahead(every), self.after(every));
        if ahead.saturating_add(after) > every.saturating_mul(MOST_KEYS - 1) {
            return Err(ScheduleError(format!(
                "more than {MOST_KEYS} keys would be published at a time"
            )));
        }
        Ok(())
    }

    pub(super) fn ahead(&self, every: Duration) -> Duration {
        self.publish_ahead.unwrap_or(every / 2)
    }

    pub(super) fn after(&self, every: Duration) -> Duration {
        self.retire_after.unwrap_or(every)
    }
}

/// What is wrong with a key schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScheduleError(String);

/// A rollover out of turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Rollover {
    /// Whether the keys there are leave at once, as when one has leaked: nothing announces the
    /// new key.
    pub(crate) emergency: bool,
    /// How long the new key is published before it signs.
    #[serde(with = "as_text")]
    pub(crate) publish_ahead: Duration,
    /// How long the others stay published after that.
    #[serde(with = "as_text")]
    pub(crate) retire_after: Duration,
}

impl Default for Rollover {
    /// At once, and the old keys stay for a day.
    fn default() -> Self {
        Self {
            emergency: false,
            publish_ahead: Duration::ZERO,
            retire_after: Duration::from_hours(24),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_that_cannot_be_kept_are_refused() {
        let validate = |text: &str| {
            serde_json::from_str::<KeySchedule>(text)
                .unwrap_or_else(|error| panic!("{text}: {error}"))
                .validate()
        };
        for text in [
            "{}",
            r#"{"algorithm":"es256","flapping":0.5}"#,
            r#"{"rollover_every":"1h"}"#,
            r#"{"rollover_every":"1h","publish_ahead":"3h","retire_after":"4h"}"#,
            // As good as never.
            r#"{"rollover_every":"1000000000000000h"}"#,
        ] {
            assert_eq!(validate(text), Ok(()), "{text}");
        }
        for text in [
            r#"{"flapping":1.0}"#,
            r#"{"flapping":-0.1}"#,
            r#"{"rollover_every":"500ms"}"#,
            r#"{"rollover_every":"1h","retire_after":"8h"}"#,
        ] {
            assert!(validate(text).is_err(), "{text}");
        }
    }
}
