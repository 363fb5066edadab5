//! Wrong behaviours, switched on one at a time, to see whether a check notices.
//! Built for tests alone: without the feature `defects` none of this exists.

use std::sync::OnceLock;

/// Names the defect that this process has.
pub const VARIABLE: &str = "TOKEN_CACHE_DEFECT";

macro_rules! catalogue {
    ($($variant:ident, $area:literal, $name:literal, $what:literal;)*) => {
        /// A wrong behaviour.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Defect {
            $(#[doc = $what] $variant,)*
        }

        impl Defect {
            /// Every defect, in the order of the matrix.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What of the cache it is about.
            pub fn area(self) -> &'static str {
                match self { $(Self::$variant => $area,)* }
            }

            /// What goes wrong, in a line.
            pub fn what(self) -> &'static str {
                match self { $(Self::$variant => $what,)* }
            }
        }
    };
}

catalogue! {
    KeyWithoutTenant, "key", "key_without_tenant", "the partition of an application's tokens is the same for all tenants";
    KeyWithoutClient, "key", "key_without_client", "the partition of an application's tokens is the same for all clients";
    AccountWithoutUser, "key", "account_without_user", "an account is known by its tenant alone";
    AssertionByPrefix, "key", "assertion_by_prefix", "an assertion's hash is cut to one character";
    LookupIgnoresScopes, "lookup", "lookup_ignores_scopes", "any token of the partition answers, whatever its scopes";
    LookupMindsCase, "lookup", "lookup_minds_case", "scopes in another case are other scopes";
    LookupWantsEqualScopes, "lookup", "lookup_wants_equal_scopes", "reserved scopes must be in the cached token as well";
    NoExpiryBuffer, "expiry", "no_expiry_buffer", "tokens are served to their last second";
    NothingExpires, "expiry", "nothing_expires", "tokens are served after their end";
    LongExpiryBuffer, "expiry", "long_expiry_buffer", "tokens with half an hour left are not served";
    LifetimeMisread, "expiry", "lifetime_misread", "the lifetime in an answer is read as a sixtieth of it";
    NeverRefreshed, "refresh", "never_refreshed", "the advice to refresh is ignored";
    RefreshedAlways, "refresh", "refreshed_always", "each hit begins a refresh";
    RefreshedByEach, "refresh", "refreshed_by_each", "each caller that notices refreshes for itself";
    NoFlight, "flight", "no_flight", "each caller that misses fetches for itself";
    OneFlightForAll, "flight", "one_flight_for_all", "whoever misses takes what is being fetched, whoever it is for";
    FlightKept, "flight", "flight_kept", "a fetch that has ended still answers";
    WaiterFetches, "flight", "waiter_fetches", "who has waited for a fetch fetches all the same";
    L1NotWritten, "store", "l1_not_written", "new tokens do not reach memory";
    L2NotWritten, "store", "l2_not_written", "new tokens do not reach the shared store";
    L2NotRead, "store", "l2_not_read", "the shared store is not asked before the provider";
    L2WrittenTwice, "store", "l2_written_twice", "each write to the shared store is done twice";
    L2ReadOnHit, "store", "l2_read_on_hit", "each hit in memory reads the shared store as well";
    NotBackPropagated, "store", "not_back_propagated", "what the shared store had does not reach memory";
    SaveDropsSiblings, "store", "save_drops_siblings", "a new token replaces all others of its partition";
    SaveKeepsAll, "store", "save_keeps_all", "a new token leaves the one it replaces in place";
    RefreshTokenDropped, "store", "refresh_token_dropped", "refresh tokens are not stored";
    L1Unbounded, "eviction", "l1_unbounded", "memory's size limit is not kept";
    L1Tiny, "eviction", "l1_tiny", "memory holds next to nothing";
    NeverSlides, "eviction", "never_slides", "entries of the shared store have no sliding expiration";
    L2EndsEarly, "eviction", "l2_ends_early", "entries of the shared store end after a minute";
    NotEncrypted, "encryption", "not_encrypted", "entries are written in plain text";
    UndecryptableIsError, "encryption", "undecryptable_is_error", "what cannot be decrypted fails the request";
    RetryAfterIgnored, "throttle", "retry_after_ignored", "Retry-After is not remembered";
    RetryAfterForAnHour, "throttle", "retry_after_for_an_hour", "any Retry-After counts as an hour";
    GuardWithoutTimeout, "throttle", "guard_without_timeout", "operations of the shared store may take as long as they like";
    BreakerNeverOpens, "throttle", "breaker_never_opens", "a sick shared store is asked by every request";
    SignOutKeepsTokens, "session", "sign_out_keeps_tokens", "signing out removes nothing";
    ClaimsIgnored, "session", "claims_ignored", "a claims challenge is answered from the cache";
    ClaimsSticky, "session", "claims_sticky", "silent calls never take a cached access token";
    HitsCountAsFetches, "measurement", "hits_count_as_fetches", "results from memory say they came from the provider";
    RequestsNotCounted, "measurement", "requests_not_counted", "results do not account for their token requests";
    ReasonLost, "measurement", "reason_lost", "results do not say why the provider was asked";
    TimesDoubled, "measurement", "times_doubled", "results say that they took twice as long";
}

/// Whether this process has `defect`.
pub fn on(defect: Defect) -> bool {
    static CHOSEN: OnceLock<Option<Defect>> = OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| {
        let named = std::env::var(VARIABLE).ok()?;
        Defect::ALL
            .iter()
            .copied()
            .find(|defect| defect.as_str() == named)
    });
    *chosen == Some(defect)
}
