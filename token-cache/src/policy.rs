//! Every switch of behaviour, as named choices, and the two presets. Their
//! difference is tabled in `docs/policies.md`, which a test keeps true.

use std::time::Duration;

/// How the cache and the client behave where implementations differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Whether tokens are cached at all.
    pub caching: Caching,
    /// Who fetches when several callers miss the same token at once.
    pub flight: Flight,
    /// What happens when the provider's advice to refresh has passed.
    pub refresh: Refresh,
    /// Whether a token may serve up to its extended expiry.
    pub extended_lifetime: ExtendedLifetime,
    /// Whether an L1 hit touches L2.
    pub l2_touch: L2Touch,
    /// Where to look when L1 holds the partition but no usable token.
    pub stale_l1: StaleL1,
    /// What a full L1 lets go.
    pub l1_eviction: L1Eviction,
    /// Whether a caller waits for its token to reach L2.
    pub l2_write: L2Write,
    /// What happens when two instances change a partition at once.
    pub l2_conflict: L2Conflict,
    /// What happens when an L2 operation fails and no handler decides.
    pub l2_failure: L2Failure,
    /// What keeps a sick L2 from slowing requests down.
    pub l2_guard: L2Guard,
    /// What an entry that cannot be decrypted or parsed counts as.
    pub unreadable: Unreadable,
    /// What an entry that is not sealed counts as, where entries are.
    pub plaintext: Plaintext,
    /// Where a request keeps what it has read of the cache.
    pub accessor: Accessor,
    /// What the provider's wish to be left alone means.
    pub throttle: Throttle,
    /// Whether a token request that failed on its way is sent again.
    pub http_retry: HttpRetry,
}

/// Whether tokens are cached at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caching {
    /// They are.
    On,
    /// Each request goes to the provider, and what needs a cache fails; MSAL's
    /// `DisableInternalCacheOptions`.
    Disabled,
}

/// Who fetches when several callers miss the same token at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flight {
    /// One fetches, the others wait for its result.
    PerKey,
    /// Each fetches for itself. For managed identities they take turns, and who
    /// finds a token when the turn comes takes it, as in MSAL.NET.
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

/// Whether a token past its expiry may serve up to its extended expiry, which
/// the provider grants for the time it is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtendedLifetime {
    /// No.
    Ignored,
    /// Yes, and the result says so.
    Honoured,
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

/// What a full L1 lets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum L1Eviction {
    /// What is least likely to be asked for again makes room for the new.
    LeastUseful,
    /// The new entry is rejected; then the least recently used go, down to 95 %
    /// of the limit. .NET's `MemoryCache`.
    RejectNew,
}

/// Whether a caller waits for its token to reach L2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum L2Write {
    /// It does.
    Awaited,
    /// It is served when L1 has the token; Microsoft.Identity.Web's
    /// `EnableAsyncL2Write`. Without an L1 it waits all the same.
    Detached,
}

/// What happens when two instances change a partition at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum L2Conflict {
    /// Changes are made on what L2 has, with compare-and-set where the store
    /// offers it. A change that did not reach L2 is made there later.
    Merge,
    /// The later blob replaces the earlier, with whatever was in it.
    LastWriterWins,
}

/// What happens when an L2 operation fails and no `on_l2_failure` handler
/// decides. The request goes on without L2 in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum L2Failure {
    /// It is not tried again.
    GiveUp,
    /// It is tried once more, unless it took too long.
    RetryOnce,
}

/// What keeps a sick L2 from slowing requests down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum L2Guard {
    /// Nothing: requests wait for as long as the store's client does.
    Off,
    /// A time limit, and a circuit breaker.
    TimeoutAndBreaker {
        /// How long an operation may take.
        timeout: Duration,
        /// After this many failures in a row L2 is left alone.
        failures: u32,
        /// For this long; then one operation tries whether it is back.
        rest: Duration,
    },
}

/// What an entry that cannot be decrypted or parsed counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// A miss; the next write replaces it.
    Miss,
    /// An error of every request, until somebody removes it.
    Error,
}

/// What an entry that is not sealed counts as, where entries are sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plaintext {
    /// Unreadable: whoever can write to the store could else plant tokens of
    /// their choice in it, which callers would be served.
    Refused,
    /// As good as a sealed one: for the time after encryption was turned on,
    /// and what Microsoft.Identity.Web always does.
    Accepted,
}

/// Where a request keeps what it has read of the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accessor {
    /// In a snapshot of its own.
    Snapshot,
    /// Where all requests of the client keep it, each clearing what was there,
    /// as MSAL.NET's do under a serialised cache: of callers at once some find
    /// another's partition instead of their own and miss what is cached.
    Shared,
}

/// Whether a token request that failed on its way is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpRetry {
    /// As MSAL.NET does: to a token endpoint once more, after a second, when it
    /// answered with a server error and no `Retry-After`, or not in time; to a
    /// managed identity's endpoint up to three times and more.
    AsMsal,
    /// No.
    Off,
}

/// What the provider's `Retry-After` means for further requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Throttle {
    /// The same request fails at once until that time, an hour at most.
    Remembered,
    /// Nothing.
    Ignored,
}

impl Policy {
    /// What we would run: one fetch or refresh per token in an instance, spread
    /// in time; L2 asked before the provider, touched only where a touch has an
    /// effect, and never trusted to be up; no change lost.
    pub const RECOMMENDED: Self = Self {
        caching: Caching::On,
        flight: Flight::PerKey,
        refresh: Refresh::Background {
            jitter: Jitter::PerToken,
            flight: Flight::PerKey,
        },
        extended_lifetime: ExtendedLifetime::Ignored,
        l2_touch: L2Touch::OnlyIfSliding,
        stale_l1: StaleL1::AskL2,
        l1_eviction: L1Eviction::LeastUseful,
        l2_write: L2Write::Awaited,
        l2_conflict: L2Conflict::Merge,
        l2_failure: L2Failure::RetryOnce,
        l2_guard: L2Guard::TimeoutAndBreaker {
            timeout: Duration::from_millis(500),
            failures: 5,
            rest: Duration::from_secs(5),
        },
        unreadable: Unreadable::Miss,
        plaintext: Plaintext::Refused,
        accessor: Accessor::Snapshot,
        throttle: Throttle::Remembered,
        http_retry: HttpRetry::AsMsal,
    };

    /// What MSAL.NET with Microsoft.Identity.Web does: every caller fetches and
    /// refreshes for itself, every L1 hit pays an L2 round trip, and a partition
    /// found in L1 hides what other instances wrote.
    pub const MSAL_NET: Self = Self {
        caching: Caching::On,
        flight: Flight::None,
        refresh: Refresh::Background {
            jitter: Jitter::PerCall,
            flight: Flight::None,
        },
        extended_lifetime: ExtendedLifetime::Ignored,
        l2_touch: L2Touch::Always,
        stale_l1: StaleL1::AskIdentityProvider,
        l1_eviction: L1Eviction::RejectNew,
        l2_write: L2Write::Awaited,
        l2_conflict: L2Conflict::LastWriterWins,
        l2_failure: L2Failure::GiveUp,
        l2_guard: L2Guard::Off,
        unreadable: Unreadable::Error,
        plaintext: Plaintext::Accepted,
        // The shared one loses tokens as threads happen to run, so that no count
        // would be the same twice: it is chosen by itself.
        accessor: Accessor::Snapshot,
        throttle: Throttle::Remembered,
        http_retry: HttpRetry::AsMsal,
    };
}

impl Default for Policy {
    fn default() -> Self {
        Self::RECOMMENDED
    }
}
