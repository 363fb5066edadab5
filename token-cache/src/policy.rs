//! Every switch of behaviour, as named choices, and the two presets.

/// How the cache and the client behave where implementations differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Who fetches when several callers miss the same token at once.
    pub flight: Flight,
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
    /// What we would run: one fetch per missing token in an instance, L2 asked
    /// before the provider, and touched only where a touch has an effect.
    pub const RECOMMENDED: Self = Self {
        flight: Flight::PerKey,
        l2_touch: L2Touch::OnlyIfSliding,
        stale_l1: StaleL1::AskL2,
    };

    /// What MSAL.NET with Microsoft.Identity.Web does: every caller fetches for
    /// itself, every L1 hit pays an L2 round trip, and a partition found in L1
    /// hides what other instances wrote.
    pub const MSAL_NET: Self = Self {
        flight: Flight::None,
        l2_touch: L2Touch::Always,
        stale_l1: StaleL1::AskIdentityProvider,
    };
}

impl Default for Policy {
    fn default() -> Self {
        Self::RECOMMENDED
    }
}
