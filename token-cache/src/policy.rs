//! Every switch of behaviour, as named choices, and the two presets.

/// How the cache and the client behave where implementations differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Who fetches when several callers miss the same token at once.
    pub flight: Flight,
    /// What happens when the provider's advice to refresh has passed.
    pub refresh: Refresh,
    /// Whether an L1 hit touches L2.
    pub l2_touch: L2Touch,
    /// Where to look when L1 holds the partition but no usable token.
    pub stale_l1: StaleL1,
}

/// Who fetches when several callers miss the same token at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flight {
    /// One fetches, the others wait for its result.
    PerKey,
    /// Each fetches for itself.
    None,
}

/// What happens to a token that is still good when `refresh_in`, the provider's
/// advice to replace it, has passed. The caller is served the old one either
/// way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// A new one is fetched behind the caller's back.
    Background {
        /// How the moment varies around the provider's advice.
        jitter: Jitter,
        /// Who fetches when several callers notice at once.
        flight: Flight,
    },
    /// Nothing, until it expires.
    Off,
}

/// How the moment of a refresh varies, by up to five minutes either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jitter {
    /// Drawn once for a token in each instance: refreshes spread evenly.
    PerToken,
    /// Drawn at every call: with many calls the earliest draw wins, and all
    /// refresh about five minutes early.
    PerCall,
}

/// Whether an L1 hit extends the sliding expiration of its L2 entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum L2Touch {
    /// On each L1 hit, whether L2 entries slide or not.
    Always,
    /// On each L1 hit, if L2 entries slide.
    OnlyIfSliding,
    /// Never: an entry read often from L1 can vanish from L2.
    Never,
}

/// Where to look when L1 holds the partition but no usable token in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaleL1 {
    /// L2: another instance may have put a newer token there.
    AskL2,
    /// The identity provider, at once.
    AskIdentityProvider,
}

impl Policy {
    /// What we would run: one fetch or refresh per token in an instance, spread
    /// in time, L2 asked before the provider, and touched only where a touch has
    /// an effect.
    pub const RECOMMENDED: Self = Self {
        flight: Flight::PerKey,
        refresh: Refresh::Background {
            jitter: Jitter::PerToken,
            flight: Flight::PerKey,
        },
        l2_touch: L2Touch::OnlyIfSliding,
        stale_l1: StaleL1::AskL2,
    };

    /// What MSAL.NET with Microsoft.Identity.Web does: every caller fetches and
    /// refreshes for itself, every L1 hit pays an L2 round trip, and a partition found in L1
    /// hides what other instances wrote.
    pub const MSAL_NET: Self = Self {
        flight: Flight::None,
        refresh: Refresh::Background {
            jitter: Jitter::PerCall,
            flight: Flight::None,
        },
        l2_touch: L2Touch::Always,
        stale_l1: StaleL1::AskIdentityProvider,
    };
}

impl Default for Policy {
    fn default() -> Self {
        Self::RECOMMENDED
    }
}
