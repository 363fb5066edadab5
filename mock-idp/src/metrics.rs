//! The server's numbers, kept as atomics on the way of a request and turned into Prometheus text
//! when scraped.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use telemetry::catalogue::{
    DURATION_BUCKETS, HERD_BUCKETS, MOCKIDP_BUILD_INFO, MOCKIDP_CACHE_MISSES,
    MOCKIDP_CLIENT_TOKEN_REQUESTS, MOCKIDP_FAULTS_INJECTED, MOCKIDP_HERD_SIZE, MOCKIDP_IN_FLIGHT,
    MOCKIDP_ISSUED_TOKEN_SIZE, MOCKIDP_OPEN_CONNECTIONS, MOCKIDP_REDUNDANT_TOKEN_REQUESTS,
    MOCKIDP_REQUEST_BODY, MOCKIDP_REQUEST_DURATION, MOCKIDP_REQUESTS, MOCKIDP_RESPONSE_BODY,
    MOCKIDP_THROTTLED_REQUESTS, MOCKIDP_TOKEN_REQUESTS, MOCKIDP_TOKENS_ISSUED, TOKEN_SIZE_BUCKETS,
};
use telemetry::{Family, Histogram, HistogramSample};

use crate::behavior::fault::FaultKind;
use crate::behavior::throttle::ThrottleKind;
use crate::endpoint::Endpoint;
use crate::ledger::{Exchange, GrantType, LedgerSnapshot};
use crate::request::{CacheRefreshReason, ClientSku};

/// The statuses that are told apart; all others are counted together.
const STATUSES: [u16; 8] = [200, 302, 400, 401, 429, 499, 500, 503];
const CODES: [&str; STATUSES.len() + 1] = [
    "200", "302", "400", "401", "429", "499", "500", "503", "other",
];

/// One count for each code, of a grant or of all requests that ask for no token.
type ByCode = [AtomicU64; CODES.len()];

/// A kind of token that is issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    AppAccess,
    UserAccess,
    Refresh,
    Id,
}

impl TokenKind {
    const ALL: [Self; 4] = [Self::AppAccess, Self::UserAccess, Self::Refresh, Self::Id];

    fn as_str(self) -> &'static str {
        match self {
            Self::AppAccess => "app_access_token",
            Self::UserAccess => "user_access_token",
            Self::Refresh => "refresh_token",
            Self::Id => "id_token",
        }
    }
}

/// Counts, times and sizes of requests, by endpoint, and of the tokens issued.
pub(crate) struct Metrics {
    in_flight: AtomicI64,
    /// Of the whole server: runs share its connections.
    connections: Arc<AtomicI64>,
    endpoints: [OfEndpoint; Endpoint::ALL.len()],
    /// Requests for tokens, by grant; those of machines are at their endpoint.
    by_grant: [ByCode; GrantType::ALL.len()],
    token_sizes: [Histogram; TokenKind::ALL.len()],
}

struct OfEndpoint {
    /// At the token endpoint unused: its requests are counted by grant.
    requests: ByCode,
    durations: Histogram,
    received: AtomicU64,
    sent: AtomicU64,
}

impl Default for OfEndpoint {
    fn default() -> Self {
        Self {
            requests: ByCode::default(),
            durations: Histogram::new(DURATION_BUCKETS),
            received: AtomicU64::default(),
            sent: AtomicU64::default(),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            in_flight: AtomicI64::default(),
            connections: Arc::default(),
            endpoints: Default::default(),
            by_grant: Default::default(),
            token_sizes: TokenKind::ALL.map(|_| Histogram::new(TOKEN_SIZE_BUCKETS)),
        }
    }
}

/// A connection that is open until this is dropped.
pub(crate) struct OpenConnection(Arc<AtomicI64>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    /// Those of a run apart, at the same connections.
    pub(crate) fn of_run(&self) -> Self {
        Self {
            connections: Arc::clone(&self.connections),
            ..Self::default()
        }
    }

    /// A connection was accepted.
    pub(crate) fn connected(&self) -> OpenConnection {
        self.connections.fetch_add(1, Ordering::Relaxed);
        OpenConnection(Arc::clone(&self.connections))
    }

    pub(crate) fn begun(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// A request ended; `grant` is what it asked for, if that was a token.
    pub(crate) fn ended(&self, endpoint: Endpoint, grant: Option<GrantType>, exchange: Exchange) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        let of_endpoint = &self.endpoints[endpoint as usize];
        let requests = match grant {
            Some(grant) if endpoint == Endpoint::Token => &self.by_grant[grant as usize],
            _ => &of_endpoint.requests,
        };
        let code = STATUSES.iter().position(|&known| known == exchange.status);
        requests[code.unwrap_or(STATUSES.len())].fetch_add(1, Ordering::Relaxed);
        of_endpoint.durations.record(exchange.took);
        let add = |counter: &AtomicU64, bytes| counter.fetch_add(bytes, Ordering::Relaxed);
        add(&of_endpoint.received, exchange.received);
        add(&of_endpoint.sent, exchange.sent);
    }

    /// A token of this length was issued.
    pub(crate) fn issued(&self, kind: TokenKind, length: usize) {
        self.token_sizes[kind as usize].record_bytes(length);
    }

    /// Everything, for a scrape.
    pub(crate) fn families(&self, ledger: &LedgerSnapshot) -> Vec<Family> {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut durations = Family::of(&MOCKIDP_REQUEST_DURATION);
        let mut received = Family::of(&MOCKIDP_REQUEST_BODY);
        let mut sent = Family::of(&MOCKIDP_RESPONSE_BODY);
        for endpoint in Endpoint::ALL {
            let (name, of_endpoint) = ([endpoint.as_str()], &self.endpoints[endpoint as usize]);
            durations = durations.histogram(&name, of_endpoint.durations.sample());
            received = received.count(&name, count(&of_endpoint.received));
            sent = sent.count(&name, count(&of_endpoint.sent));
        }
        let mut tokens = Family::of(&MOCKIDP_TOKENS_ISSUED);
        let mut sizes = Family::of(&MOCKIDP_ISSUED_TOKEN_SIZE);
        for kind in TokenKind::ALL {
            let sample = self.token_sizes[kind as usize].sample();
            tokens = tokens.count(&[kind.as_str()], sample.count);
            sizes = sizes.histogram(&[kind.as_str()], sample);
        }
        let gauge = |gauge: &AtomicI64| gauge.load(Ordering::Relaxed) as f64;
        let mut families = vec![self.requests(), durations, received, sent, tokens, sizes];
        families.extend(of_ledger(ledger));
        families.extend([
            Family::of(&MOCKIDP_IN_FLIGHT).value(&[], gauge(&self.in_flight)),
            Family::of(&MOCKIDP_OPEN_CONNECTIONS).value(&[], gauge(&self.connections)),
            Family::of(&MOCKIDP_BUILD_INFO).value(&[env!("CARGO_PKG_VERSION")], 1.0),
        ]);
        families.extend(telemetry::process::families());
        families
    }

    /// Requests, under the labels that can occur together.
    fn requests(&self) -> Family {
        let mut family = Family::of(&MOCKIDP_REQUESTS);
        for endpoint in Endpoint::ALL {
            let requests = &self.endpoints[endpoint as usize].requests;
            let by_grant = match endpoint {
                Endpoint::Token => GrantType::ALL
                    .into_iter()
                    .filter(|grant| *grant != GrantType::ManagedIdentity)
                    .map(|grant| (grant.as_str(), &self.by_grant[grant as usize]))
                    .collect(),
                Endpoint::ManagedIdentity => {
                    vec![(GrantType::ManagedIdentity.as_str(), requests)]
                }
                _ => vec![("none", requests)],
            };
            for (grant, counts) in by_grant {
                for (code, count) in CODES.iter().zip(counts) {
                    let labels = [endpoint.as_str(), grant, code];
                    family = family.count(&labels, count.load(Ordering::Relaxed));
                }
            }
        }
        family
    }
}

/// What the ledger counts.
fn of_ledger(ledger: &LedgerSnapshot) -> Vec<Family> {
    let mut by_grant = Family::of(&MOCKIDP_TOKEN_REQUESTS);
    let mut redundant = Family::of(&MOCKIDP_REDUNDANT_TOKEN_REQUESTS);
    for grant in GrantType::ALL {
        let of_grant = |counts: &std::collections::BTreeMap<GrantType, u64>| {
            counts.get(&grant).copied().unwrap_or_default()
        };
        by_grant = by_grant.count(&[grant.as_str()], of_grant(&ledger.by_grant));
        redundant = redundant.count(&[grant.as_str()], of_grant(&ledger.redundant_by_grant));
    }
    let mut by_client = Family::of(&MOCKIDP_CLIENT_TOKEN_REQUESTS);
    for sku in ClientSku::ALL {
        let count = ledger.by_sku.get(&sku).copied().unwrap_or_default();
        by_client = by_client.count(&[sku.as_str()], count);
    }
    let mut by_reason = Family::of(&MOCKIDP_CACHE_MISSES);
    let mut silent = ledger.token_requests;
    for reason in CacheRefreshReason::ALL {
        let count = ledger.by_cache_refresh_reason.get(&reason).copied();
        let count = count.unwrap_or_default();
        by_reason = by_reason.count(&[reason.as_str()], count);
        silent = silent.saturating_sub(count);
    }
    by_reason = by_reason.count(&["not_said"], silent);
    let mut faults = Family::of(&MOCKIDP_FAULTS_INJECTED);
    for kind in FaultKind::ALL {
        let count = ledger.by_fault.get(&kind).copied().unwrap_or_default();
        faults = faults.count(&[kind.as_str()], count);
    }
    let mut throttled = Family::of(&MOCKIDP_THROTTLED_REQUESTS);
    for kind in ThrottleKind::ALL {
        let count = ledger.throttled.get(&kind).copied().unwrap_or_default();
        throttled = throttled.count(&[kind.as_str()], count);
    }
    let herds = Family::of(&MOCKIDP_HERD_SIZE).histogram(&[], herds(ledger));
    vec![
        by_grant, redundant, by_client, by_reason, herds, throttled, faults,
    ]
}

/// The herds that are over: the ledger has them by the power of two at or below their size, which
/// is above one edge and below the next.
fn herds(ledger: &LedgerSnapshot) -> HistogramSample {
    let up_to = |edge: f64| {
        let herds = ledger.herds.iter();
        let smaller = herds.filter(|(size, _)| (**size as f64) <= edge);
        smaller.map(|(_, count)| count).sum()
    };
    HistogramSample {
        cumulative: HERD_BUCKETS.iter().map(|&edge| up_to(edge)).collect(),
        count: ledger.herds.values().sum(),
        sum: ledger.herd_sizes as f64,
        ..HistogramSample::default()
    }
}

#[cfg(test)]
mod tests;
