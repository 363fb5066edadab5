//! How tokens were come by: counts by `TokenSource`, `CacheLevel` and
//! `CacheRefreshReason`.

use token_cache::CacheLevel;
use token_client::{CacheRefreshReason, ResultMetadata, TokenSource};

use crate::report::model::{CacheLevelCounts, CacheRefreshReasonCounts, TokenSourceCounts};

/// The three of one way, as the words of reports and labels.
pub type How = (&'static str, &'static str, &'static str);

const SOURCES: [TokenSource; 2] = [TokenSource::Cache, TokenSource::IdentityProvider];

const LEVELS: [CacheLevel; 4] = [
    CacheLevel::None,
    CacheLevel::Unknown,
    CacheLevel::L1,
    CacheLevel::L2,
];

const REASONS: [CacheRefreshReason; 6] = [
    CacheRefreshReason::NotApplicable,
    CacheRefreshReason::NoCachedAccessToken,
    CacheRefreshReason::Expired,
    CacheRefreshReason::ForceRefreshOrClaims,
    CacheRefreshReason::ProactivelyRefreshed,
    CacheRefreshReason::CacheDisabled,
];

const COUNT: usize = SOURCES.len() * LEVELS.len() * REASONS.len();

/// Acquisitions with a token, by how they came by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ways([u64; COUNT]);

impl Default for Ways {
    fn default() -> Self {
        Self([0; COUNT])
    }
}

impl Ways {
    /// Counts one that went as `metadata` says.
    pub fn record(&mut self, metadata: &ResultMetadata) {
        let place = place(
            metadata.token_source,
            metadata.cache_level,
            metadata.cache_refresh_reason,
        );
        if let Some(count) = self.0.get_mut(place) {
            *count += 1;
        }
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine += theirs;
        }
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The ways that somebody went, with how many did.
    pub fn iter(&self) -> impl Iterator<Item = (How, u64)> {
        self.0
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(|(place, count)| (how(place), *count))
    }

    /// Those whose `how` fits.
    pub fn count(&self, fits: impl Fn(&How) -> bool) -> u64 {
        let fitting = self.iter().filter(|(how, _)| fits(how));
        fitting.map(|(_, count)| count).sum()
    }

    /// By where the token came from.
    pub fn by_source(&self) -> TokenSourceCounts {
        let of = |word: &str| self.count(|how| how.0 == word);
        TokenSourceCounts {
            cache: of("cache"),
            identity_provider: of("identity_provider"),
        }
    }

    /// By the level of the cache that had it.
    pub fn by_level(&self) -> CacheLevelCounts {
        let of = |word: &str| self.count(|how| how.1 == word);
        CacheLevelCounts {
            none: of("none"),
            l1: of("l1"),
            l2: of("l2"),
            unknown: of("unknown"),
        }
    }

    /// By why the provider was asked.
    pub fn by_reason(&self) -> CacheRefreshReasonCounts {
        let of = |word: &str| self.count(|how| how.2 == word);
        CacheRefreshReasonCounts {
            not_applicable: of("not_applicable"),
            no_cached_access_token: of("no_cached_access_token"),
            expired: of("expired"),
            force_refresh_or_claims: of("force_refresh_or_claims"),
            proactively_refreshed: of("proactively_refreshed"),
            cache_disabled: of("cache_disabled"),
        }
    }

    /// Those that went this very way.
    pub fn of(&self, how: How) -> u64 {
        self.count(|of| *of == how)
    }
}

fn place(source: TokenSource, level: CacheLevel, reason: CacheRefreshReason) -> usize {
    let source = match source {
        TokenSource::Cache => 0,
        TokenSource::IdentityProvider => 1,
    };
    let level = match level {
        CacheLevel::None => 0,
        CacheLevel::Unknown => 1,
        CacheLevel::L1 => 2,
        CacheLevel::L2 => 3,
    };
    let reason = match reason {
        CacheRefreshReason::NotApplicable => 0,
        CacheRefreshReason::NoCachedAccessToken => 1,
        CacheRefreshReason::Expired => 2,
        CacheRefreshReason::ForceRefreshOrClaims => 3,
        CacheRefreshReason::ProactivelyRefreshed => 4,
        CacheRefreshReason::CacheDisabled => 5,
    };
    (source * LEVELS.len() + level) * REASONS.len() + reason
}

fn how(place: usize) -> How {
    let (rest, reason) = (place / REASONS.len(), place % REASONS.len());
    let (source, level) = (rest / LEVELS.len(), rest % LEVELS.len());
    (
        SOURCES[source % SOURCES.len()].as_str(),
        LEVELS[level].as_str(),
        REASONS[reason].as_str(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_is_counted_under_its_own_words() {
        let mut ways = Ways::default();
        let mut expected = Vec::new();
        for source in SOURCES {
            for level in LEVELS {
                for reason in REASONS {
                    ways.record(&ResultMetadata {
                        token_source: source,
                        cache_level: level,
                        cache_refresh_reason: reason,
                        ..ResultMetadata::NONE
                    });
                    expected.push(((source.as_str(), level.as_str(), reason.as_str()), 1));
                }
            }
        }
        assert_eq!(ways.iter().collect::<Vec<_>>(), expected);
        let mut twice = ways.clone();
        twice.add(&ways);
        assert_eq!(twice.total(), 2 * COUNT as u64);
        assert_eq!(twice.of(("cache", "l1", "not_applicable")), 2);
    }
}
