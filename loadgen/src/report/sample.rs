//! A small run for tests: every way an acquisition can end, in known numbers.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use mock_idp::{GrantType, LedgerSnapshot};
use token_cache::CacheLevel;
use token_client::result::TokenRequests;
use token_client::{CacheRefreshReason, ResultMetadata, TokenSource};

use super::build::{Evidence, build};
use super::model::{Cache, Cookies, Generator, L1, L2, L2Contents, L2Operations, Report};
use crate::arrival::Arrival;
use crate::oracle::Finding;
use crate::record::{Course, Outcome, Recorded, Recorder, Sample};
use crate::scenario::Overrides;
use crate::scenario::load::parse;
use crate::scenario::plan::Plan;
use crate::target::provider::OwnRequests;

const SCENARIO: &str = "\
version: 1
name: sample
seed: 7
duration: 10s
cache: { l2: { store: memory } }
traffic:
  - { name: api, flow: client_credentials, rate: 10/s }
  - { name: visits, flow: authorization_code, rate: 10/s }
  - { name: batch, flow: client_credentials, rate: 10/s }
thresholds:
  - hit_ratio >= 50%
";

/// What was to run.
pub(crate) fn plan() -> Plan {
    parse(
        Path::new("sample.yaml"),
        SCENARIO.as_bytes(),
        &Overrides::default(),
    )
    .unwrap_or_else(|error| panic!("{error}"))
}

const HIT: ResultMetadata = ResultMetadata {
    token_source: TokenSource::Cache,
    cache_level: CacheLevel::L1,
    cache_refresh_reason: CacheRefreshReason::NotApplicable,
    duration_total: Duration::from_micros(10),
    duration_in_cache: Duration::from_micros(8),
    duration_in_http: None,
    coalesced: false,
    token_requests: TokenRequests {
        answered: 0,
        unanswered: 0,
    },
    ..ResultMetadata::NONE
};

const MISS: ResultMetadata = ResultMetadata {
    token_source: TokenSource::IdentityProvider,
    cache_level: CacheLevel::None,
    cache_refresh_reason: CacheRefreshReason::NoCachedAccessToken,
    duration_total: Duration::from_millis(50),
    duration_in_cache: Duration::from_micros(400),
    duration_in_http: Some(Duration::from_millis(49)),
    coalesced: false,
    token_requests: TokenRequests {
        answered: 1,
        unanswered: 0,
    },
    ..ResultMetadata::NONE
};

/// What happened: 14 arrivals, of which one found no room and one is under way.
pub(crate) fn recorded() -> Recorded {
    let waited = ResultMetadata {
        coalesced: true,
        duration_total: Duration::from_millis(30),
        ..HIT
    };
    let from_l2 = ResultMetadata {
        cache_level: CacheLevel::L2,
        duration_total: Duration::from_millis(2),
        duration_in_cache: Duration::from_millis(2),
        ..HIT
    };
    let redeemed = ResultMetadata {
        cache_refresh_reason: CacheRefreshReason::NotApplicable,
        ..MISS
    };
    let expired = ResultMetadata {
        cache_refresh_reason: CacheRefreshReason::Expired,
        ..MISS
    };
    let recorder = Recorder::new(3);
    let arrivals: Vec<Arrival> = (0..14)
        .map(|number| Arrival::numbered(0, number, Duration::from_millis(700 * number)))
        .collect();
    recorder.offer(&arrivals);
    recorder.drop_arrivals(&arrivals[13..]);
    (0..13).for_each(|_| recorder.start());
    let token = |metadata| Outcome::Token {
        metadata,
        finding: Finding::Right,
    };
    for (flow_index, outcome) in [
        (0, token(MISS)),
        (0, token(waited)),
        (0, token(HIT)),
        (0, token(HIT)),
        (0, token(from_l2)),
        (1, token(redeemed)),
        (1, token(HIT)),
        (1, token(HIT)),
        (1, token(expired)),
        (1, Outcome::NoSignIn),
        (1, Outcome::Timeout),
        (2, token(HIT)),
    ] {
        recorder.record(&Sample {
            arrival: Arrival::numbered(flow_index, 0, Duration::ZERO),
            outcome,
            lag: Duration::from_micros(200),
            queued: Duration::ZERO,
            service: Duration::from_millis(3),
        });
    }
    recorder.recorded()
}

/// What the caches held and did.
pub(crate) const CACHE: Cache = Cache {
    l1: L1 {
        entries: 3,
        bytes: 7_000,
        evictions: 2,
    },
    l2: L2 {
        entries: 4,
        bytes: 9_000,
        operations: L2Operations {
            get: 11,
            set: 12,
            refresh: 13,
            remove: 14,
        },
        errors: 5,
        refused: 6,
        evictions: 7,
        bytes_read: 8_000,
        bytes_written: 9_000,
        contents: L2Contents {
            access_tokens: 8,
            expired_access_tokens: 1,
            most_access_tokens: 3,
            most_accounts: 1,
            largest_entry: 4_000,
            plaintext: 0,
            unreadable: 0,
        },
    },
    // A fleet with a shared store keeps no sessions in cookies.
    cookies: Cookies {
        set: 0,
        refused: 0,
        largest_bytes: 0,
        limit_bytes: 0,
    },
};

/// The provider's ledger after `requests` of applications and one of a front
/// end.
pub(crate) fn ledger(requests: u64) -> LedgerSnapshot {
    LedgerSnapshot {
        token_requests: requests + 1,
        redundant_token_requests: requests / 2,
        by_grant: BTreeMap::from([
            (GrantType::ClientCredentials, requests),
            (GrantType::AuthorizationCode, 1),
        ]),
        by_status: BTreeMap::from([(200, requests + 1)]),
        faults_injected: 0,
        ..LedgerSnapshot::default()
    }
}

/// The report of it, not yet judged.
pub(crate) fn report() -> Report {
    report_of(&recorded())
}

/// The same run without what spoils it: nothing dropped, failed or left.
pub(crate) fn clean_report() -> Report {
    let mut recorded = recorded();
    recorded.offered = 10;
    recorded.started = 10;
    recorded.dropped = 0;
    recorded.overdue = 0;
    recorded.flows[1].counts.timeouts = 0;
    recorded.flows[1].counts.errors.clear();
    report_of(&recorded)
}

fn report_of(recorded: &Recorded) -> Report {
    build(Evidence {
        plan: &plan(),
        recorded,
        course: Course::default(),
        violations: Vec::new(),
        popularity: Vec::new(),
        generator: Generator {
            cpu_share: Some(0.25),
            steal_share: Some(0.01),
            longest_pause_us: 3_000.0,
            clock_jump_s: 0.0,
        },
        cache: CACHE,
        ledger_before: &ledger(100),
        ledger_after: Some(&LedgerSnapshot {
            token_requests: 105,
            by_grant: BTreeMap::from([
                (GrantType::ClientCredentials, 103),
                (GrantType::AuthorizationCode, 2),
            ]),
            by_status: BTreeMap::from([(200, 104), (400, 1)]),
            ..ledger(104)
        }),
        driver_requests: OwnRequests {
            answered: 1,
            unanswered: 0,
        },
        wall: Duration::from_secs(10),
        started_at: "2026-01-02T03:04:05Z".to_owned(),
        duration: Duration::from_millis(10_250),
        environment: BTreeMap::from([("machine".to_owned(), "2 cores".to_owned())]),
    })
}
