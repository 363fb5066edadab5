//! How a run went over time, and how each of its arrivals ended: what charts,
//! windows of thresholds and comparisons request by request are made from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::model::{CacheLevelCounts, CacheRefreshReasonCounts, TokenSourceCounts};

/// A run has no more intervals than this, an hour of seconds and its drain. One
/// that is longer has wider ones, so that a day takes no more room than an hour.
pub const MOST_INTERVALS: usize = 4_000;

/// Of a run with more arrivals than this no [`Outcomes`] are kept.
pub const MOST_OUTCOMES: usize = 1 << 20;

/// A run cut into intervals of equal length, and what happened to it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// Seconds each interval covers; zero when there are none.
    pub interval_s: f64,
    /// The intervals from the first arrival on, without gaps; at most
    /// [`MOST_INTERVALS`].
    pub intervals: Vec<Interval>,
    /// Faults, stages and restarts, by when they began.
    pub marks: Vec<Mark>,
}

/// One interval. An arrival counts in the interval in which it ended, `offered`
/// and `dropped` in that of its intended start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// Arrivals that fell due.
    pub offered: u64,
    /// Those that found no room.
    pub dropped: u64,
    /// Acquisitions that ended without a token, timeouts included.
    pub errors: u64,
    /// Acquisitions that waited for another caller's fetch.
    pub coalesced: u64,
    /// Refreshes behind served tokens that ended.
    pub background_refreshes: u64,
    /// Acquisitions with a token, by where it came from.
    pub token_source: TokenSourceCounts,
    /// The same, by the cache level that served.
    pub cache_level: CacheLevelCounts,
    /// The same, by why the provider was asked.
    pub cache_refresh_reason: CacheRefreshReasonCounts,
    /// Whole acquisitions inside the client, in nanoseconds, errors included:
    /// base64 of `HdrHistogram` V2, two significant digits. Empty for none.
    pub acquire: String,
    /// The generator's own delay, 99th percentile, microseconds.
    pub lag_p99_us: f64,
    /// Bytes in all L1 at the interval's end; zero where not sampled.
    pub l1_bytes: u64,
    /// Partitions in all L1 at the interval's end.
    pub l1_entries: u64,
    /// Bytes in L2 at the interval's end.
    pub l2_bytes: u64,
    /// Blobs in L2 at the interval's end.
    pub l2_entries: u64,
}

/// Something that happened to the run and explains what is seen from there on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Mark {
    /// What sort of thing.
    pub kind: MarkKind,
    /// What it was, for people: `l2 down`, `stage 2: 400/s`.
    pub label: String,
    /// Seconds from the first arrival to its beginning.
    pub from_s: f64,
    /// Seconds from the first arrival to its end; `null` for a moment.
    pub until_s: Option<f64>,
}

/// The sorts of marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MarkKind {
    /// Not measured: caches fill.
    Warmup,
    /// A stretch of the plan with one shape of load.
    Stage,
    /// Something broken on purpose.
    Fault,
    /// An instance that lost its memory.
    Restart,
}

impl MarkKind {
    /// As a report's reader calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warmup => "warm-up",
            Self::Stage => "stage",
            Self::Fault => "fault",
            Self::Restart => "restart",
        }
    }
}

/// How each arrival ended, one letter each in the order of their intended
/// starts: with one seed two builds get the same arrivals, and can be set side
/// by side request by request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outcomes {
    /// How many arrivals.
    pub count: u64,
    /// Letters with how often each is repeated, `h12m3`: `h` from L1, `l` from
    /// L2, `m` no cached token, `e` expired, `f` forced, `d` cache disabled,
    /// `i` a flow that never asks the cache, `x` error, `t` timeout, `n` dropped,
    /// `c` still running at the end.
    pub letters: String,
}

/// The letters of [`Outcomes`].
pub const LETTERS: &str = "hlmefdixtnc";

impl Outcomes {
    /// Packs letters, each of [`LETTERS`].
    pub fn pack(letters: impl IntoIterator<Item = u8>) -> Self {
        let mut packed = Self::default();
        let mut last: Option<(u8, u64)> = None;
        let flush = |packed: &mut Self, (letter, times): (u8, u64)| {
            packed.letters.push(char::from(letter));
            if times > 1 {
                packed.letters.push_str(&times.to_string());
            }
        };
        for letter in letters {
            packed.count += 1;
            match &mut last {
                Some((same, times)) if *same == letter => *times += 1,
                _ => {
                    if let Some(run) = last.replace((letter, 1)) {
                        flush(&mut packed, run);
                    }
                }
            }
        }
        if let Some(run) = last {
            flush(&mut packed, run);
        }
        packed
    }

    /// The letters again, one an arrival.
    ///
    /// # Errors
    ///
    /// What is wrong with them: an unknown letter, or another number of them
    /// than `count` says.
    pub fn unpack(&self) -> Result<Vec<u8>, String> {
        let mut letters = Vec::new();
        let mut rest = self.letters.as_str();
        while let Some(letter) = rest.chars().next() {
            if !LETTERS.contains(letter) {
                return Err(format!("`{letter}` is not an outcome"));
            }
            rest = &rest[letter.len_utf8()..];
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let times: u64 = match &rest[..digits] {
                "" => 1,
                number => number
                    .parse()
                    .map_err(|_| format!("`{number}` is not how often one can end so"))?,
            };
            rest = &rest[digits..];
            if (letters.len() as u64).saturating_add(times) > self.count {
                return Err(format!("more than {} outcomes", self.count));
            }
            letters.extend(std::iter::repeat_n(
                letter as u8,
                usize::try_from(times).unwrap_or(0),
            ));
        }
        if letters.len() as u64 == self.count {
            Ok(letters)
        } else {
            Err(format!("{} outcomes, not {}", letters.len(), self.count))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_come_back_as_they_were_packed() {
        for text in ["", "h", "hhhhmhhe", "xxxxxxxxxxxxt", "hlmefdixtnc"] {
            let packed = Outcomes::pack(text.bytes());
            assert_eq!(
                packed.unpack().as_deref(),
                Ok(text.as_bytes()),
                "{packed:?}"
            );
        }
        assert_eq!(Outcomes::pack("hhhhmhhe".bytes()).letters, "h4mh2e");
    }

    #[test]
    fn outcomes_that_cannot_be_are_refused() {
        for (count, letters) in [
            (3, "h2"),
            (1, "h2"),
            (1, "q"),
            (2, "h99999999999999999999"),
            (1, "h18446744073709551615"),
            (1, "é"),
        ] {
            let outcomes = Outcomes {
                count,
                letters: letters.to_owned(),
            };
            assert!(outcomes.unpack().is_err(), "{letters}");
        }
    }
}
