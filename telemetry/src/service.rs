//! The token cache's metrics in a service of your own.
//!
//! [`CacheMetrics`] listens to a cache and its clients and gives families for a `/metrics` page: the same names as a load
//! run exports, so that the same dashboards and alerts serve both.
//! `telemetry/examples/service.rs` is a whole program.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use token_cache::events::{BlobDirection, Operation};
use token_cache::{CacheEvents, CacheLevel, Clock, L2Operation, StoreError, Timestamp, TokenCache};
use token_client::result::TokenRequests;
use token_client::{
    AcquireError, AcquireRequest, AuthenticationResult, CacheRefreshReason, ClientEvents,
    TokenSource,
};

use crate::catalogue as metric;
use crate::catalogue::{DURATION_BUCKETS, LIFETIME_BUCKETS};
use crate::errors;
use crate::exposition::Family;
use crate::histogram::Histogram;
use crate::levels::{self, LetGo, Level};
use crate::store::{StoreCall, StoreMeter};

/// Every successful way an acquisition can go.
const WAYS: [(TokenSource, CacheLevel, CacheRefreshReason); 11] = {
    use CacheLevel::{L1, L2, None, Unknown};
    use CacheRefreshReason::{
        CacheDisabled, Expired, ForceRefreshOrClaims, NoCachedAccessToken, NotApplicable,
        ProactivelyRefreshed,
    };
    use TokenSource::{Cache, IdentityProvider};
    [
        (Cache, L1, NotApplicable),
        (Cache, L2, NotApplicable),
        (Cache, L1, ProactivelyRefreshed),
        (Cache, L2, ProactivelyRefreshed),
        // A session's cache.
        (Cache, Unknown, NotApplicable),
        (Cache, Unknown, ProactivelyRefreshed),
        (IdentityProvider, None, NotApplicable),
        (IdentityProvider, None, NoCachedAccessToken),
        (IdentityProvider, None, Expired),
        (IdentityProvider, None, ForceRefreshOrClaims),
        (IdentityProvider, None, CacheDisabled),
    ]
};

/// Counts and times of one process' acquisitions. Share it in an `Arc` with the
/// cache and its clients, as their listener.
#[derive(Debug)]
pub struct CacheMetrics {
    /// By flow: the word of the catalogue, and its counts.
    flows: Vec<(&'static str, OfFlow)>,
    clock: Clock,
    started_at: Timestamp,
    fetching: AtomicI64,
    from_cache: Parts,
    from_provider: Parts,
    failed: Parts,
    http: Histogram,
    remaining: [Histogram; 2],
    coalesced: AtomicU64,
    refreshed: [AtomicU64; 2],
    store: StoreMeter,
}

#[derive(Debug, Default)]
struct OfFlow {
    tokens: [AtomicU64; WAYS.len()],
    errors: [AtomicU64; errors::CLASSES.len()],
}

#[derive(Debug)]
struct Parts {
    total: Histogram,
    cache: Histogram,
}

impl Parts {
    fn new() -> Self {
        Self {
            total: Histogram::new(DURATION_BUCKETS),
            cache: Histogram::new(DURATION_BUCKETS),
        }
    }

    fn record(&self, total: Duration, cache: Duration) {
        self.total.record(total);
        self.cache.record(cache);
    }
}

impl CacheMetrics {
    /// Metrics of a service that acquires tokens by `flows`, in the catalogue's
    /// words (`client_credentials`, `on_behalf_of` ...), from now on. Each flow's
    /// series are there from the first scrape, at zero; a flow that was not
    /// announced counts in the times alone.
    pub fn new(flows: &[&'static str], clock: Clock) -> Self {
        Self {
            flows: flows
                .iter()
                .map(|&flow| (flow, OfFlow::default()))
                .collect(),
            clock,
            started_at: clock.now(),
            fetching: AtomicI64::new(0),
            from_cache: Parts::new(),
            from_provider: Parts::new(),
            failed: Parts::new(),
            http: Histogram::new(DURATION_BUCKETS),
            remaining: [(); 2].map(|()| Histogram::new(LIFETIME_BUCKETS)),
            coalesced: AtomicU64::new(0),
            refreshed: Default::default(),
            store: StoreMeter::default(),
        }
    }

    fn observe(&self, flow: &str, result: Result<&AuthenticationResult, &AcquireError>) {
        let of_flow = self.flows.iter().find(|(name, _)| *name == flow);
        let of_flow = of_flow.map(|(_, of_flow)| of_flow);
        let add = |count: &AtomicU64| count.fetch_add(1, Ordering::Relaxed);
        let metadata = match result {
            Ok(result) => result.metadata,
            Err(error) => *error.metadata(),
        };
        if metadata.coalesced {
            add(&self.coalesced);
        }
        if let Some(http) = metadata.duration_in_http {
            self.http.record(http);
        }
        let parts = match result {
            Ok(result) => {
                let way = (
                    metadata.token_source,
                    metadata.cache_level,
                    metadata.cache_refresh_reason,
                );
                let way = WAYS.iter().position(|known| *known == way);
                if let (Some(of_flow), Some(way)) = (of_flow, way) {
                    add(&of_flow.tokens[way]);
                }
                let (slot, parts) = match metadata.token_source {
                    TokenSource::Cache => (0, &self.from_cache),
                    TokenSource::IdentityProvider => (1, &self.from_provider),
                };
                self.remaining[slot].record(result.token.expires_on.since(self.clock.now()));
                parts
            }
            Err(error) => {
                let class = errors::class(error.code());
                let class = errors::CLASSES.iter().position(|known| *known == class);
                if let (Some(of_flow), Some(class)) = (of_flow, class) {
                    add(&of_flow.errors[class]);
                }
                &self.failed
            }
        };
        parts.record(metadata.duration_total, metadata.duration_in_cache);
    }

    /// Everything, for a scrape; `cache` is the one that this listens to, and
    /// `l1_limit_bytes` what its L1 may hold.
    pub fn families(&self, cache: &TokenCache, l1_limit_bytes: Option<u64>) -> Vec<Family> {
        let mut families = self.acquisitions();
        families.extend(self.store.families());
        let l1 = cache.l1_stats().unwrap_or_default();
        let kinds = cache.l1_kinds().by_name();
        families.extend(levels::families(&[Level {
            name: "l1",
            partitions: l1.entries,
            bytes: l1.bytes,
            capacity_bytes: l1_limit_bytes,
            kinds: kinds
                .map(|(kind, sizes)| (kind, sizes.entries, sizes.bytes))
                .to_vec(),
            let_go: LetGo {
                size: l1.evictions,
                expired: l1.expired,
                explicit: l1.removed,
                replaced: l1.replaced,
            },
        }]));
        families.extend([
            Family::of(&metric::TOKENCACHE_START_TIMESTAMP)
                .value(&[], self.started_at.unix_seconds() as f64),
            Family::of(&metric::TOKENCACHE_BUILD_INFO).count(&[env!("CARGO_PKG_VERSION")], 1),
        ]);
        families.extend(crate::process::families());
        families
    }

    fn acquisitions(&self) -> Vec<Family> {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut acquired = Family::of(&metric::TOKENCACHE_ACQUISITIONS);
        let mut failed = Family::of(&metric::TOKENCACHE_ACQUISITION_ERRORS);
        for (flow, of_flow) in &self.flows {
            for ((source, level, reason), count) in WAYS.iter().zip(&of_flow.tokens) {
                let (source, level) = (source.as_str(), CacheLevel::as_str(*level));
                let labels = [*flow, "success", source, level, reason.as_str()];
                acquired = acquired.count(&labels, read(count));
            }
            let errors = of_flow.errors.iter().map(read).sum();
            let labels = [*flow, "error", "none", "none", "not_applicable"];
            acquired = acquired.count(&labels, errors);
            for (class, count) in errors::CLASSES.iter().zip(&of_flow.errors) {
                failed = failed.count(&[flow, class], read(count));
            }
        }
        let [succeeded, refused] = &self.refreshed;
        let [from_cache, from_provider] = &self.remaining;
        vec![
            acquired,
            failed,
            Family::of(&metric::TOKENCACHE_BACKGROUND_REFRESHES)
                .count(&["success"], read(succeeded))
                .count(&["error"], read(refused)),
            Family::of(&metric::TOKENCACHE_ACQUIRE_DURATION)
                .histogram(&["cache", "success"], self.from_cache.total.sample())
                .histogram(
                    &["identity_provider", "success"],
                    self.from_provider.total.sample(),
                )
                .histogram(&["none", "error"], self.failed.total.sample()),
            Family::of(&metric::TOKENCACHE_ACQUIRE_CACHE_DURATION)
                .histogram(&["cache"], self.from_cache.cache.sample())
                .histogram(&["identity_provider"], self.from_provider.cache.sample())
                .histogram(&["none"], self.failed.cache.sample()),
            Family::of(&metric::TOKENCACHE_ACQUIRE_HTTP_DURATION)
                .histogram(&[], self.http.sample()),
            Family::of(&metric::TOKENCACHE_COALESCED_ACQUISITIONS)
                .count(&[], read(&self.coalesced)),
            Family::of(&metric::TOKENCACHE_IN_FLIGHT_FETCHES)
                .value(&[], self.fetching.load(Ordering::Relaxed) as f64),
            Family::of(&metric::TOKENCACHE_TOKEN_REMAINING_LIFETIME)
                .histogram(&["cache"], from_cache.sample())
                .histogram(&["identity_provider"], from_provider.sample()),
        ]
    }
}

impl CacheEvents for CacheMetrics {
    fn operation(&self, operation: Operation) {
        self.store.record(StoreCall {
            level: operation.level.as_str(),
            operation: operation.operation.as_str(),
            outcome: operation.outcome.as_str(),
            took: operation.took,
        });
    }

    fn blob(&self, direction: BlobDirection, bytes: usize) {
        self.store
            .record_blob(direction == BlobDirection::Read, bytes);
    }

    fn l2_failed(&self, operation: L2Operation, error: &StoreError) {
        tracing::debug!(operation = operation.as_str(), %error, "l2 operation failed");
    }
}

impl ClientEvents for CacheMetrics {
    fn acquired(
        &self,
        request: &AcquireRequest,
        outcome: Result<&AuthenticationResult, &AcquireError>,
    ) {
        self.observe(request.flow.as_str(), outcome);
    }

    fn token_request_began(&self) {
        self.fetching.fetch_add(1, Ordering::Relaxed);
    }

    fn token_request_ended(&self) {
        self.fetching.fetch_sub(1, Ordering::Relaxed);
    }

    fn refresh_ended(&self, _: u32, outcome: Result<(), &AcquireError>, _: TokenRequests) {
        self.refreshed[usize::from(outcome.is_err())].fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use token_cache::{AccessToken, Scopes, Secret};
    use token_client::{Flow, ResultMetadata};

    use super::*;
    use crate::exposition::render;

    fn served(level: CacheLevel, reason: CacheRefreshReason, clock: Clock) -> AuthenticationResult {
        AuthenticationResult {
            token: Arc::new(AccessToken::bearer(
                "login.windows.net".into(),
                "client".into(),
                "tenant".into(),
                Scopes::parse("A"),
                Secret::new("token"),
                clock.now(),
                clock.now(),
            )),
            account: None,
            id_token: None,
            token_endpoint: None,
            metadata: ResultMetadata {
                cache_level: level,
                cache_refresh_reason: reason,
                ..ResultMetadata::NONE
            },
        }
    }

    #[test]
    fn a_hit_of_every_level_is_counted_that_of_a_session_too() {
        use CacheLevel::{L1, L2, Unknown};
        use CacheRefreshReason::{NotApplicable, ProactivelyRefreshed};
        let clock = Clock::system();
        let metrics = CacheMetrics::new(&["client_credentials"], clock);
        let request =
            AcquireRequest::new(Flow::ClientCredentials, "tenant".into(), Scopes::parse("A"));
        let mut expected = Vec::new();
        for level in [L1, L2, Unknown] {
            for reason in [NotApplicable, ProactivelyRefreshed] {
                metrics.acquired(&request, Ok(&served(level, reason, clock)));
                expected.push(format!(
                    "token_source=\"cache\",cache_level=\"{}\",cache_refresh_reason=\"{}\"}} 1\n",
                    level.as_str(),
                    reason.as_str()
                ));
            }
        }
        let text = render(metrics.acquisitions());
        for line in expected {
            assert!(text.contains(&line), "{line}{text}");
        }
    }
}
