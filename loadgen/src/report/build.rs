//! From what was recorded to a report, not yet judged.

use std::collections::BTreeMap;
use std::time::Duration;

use mock_idp::LedgerSnapshot;

use super::marks::marks;
use super::model::{
    Acquisitions, BySource, Cache, Distribution, Durations, FlowReport, Generator, Idp, Ledger,
    Load, Popularity, Report, SCHEMA_VERSION, ScenarioId, Series, Verdict, Violation,
};
use super::ways::ways;
use crate::record::flow::FlowRecord;
use crate::record::{Course, Recorded};
use crate::scenario::plan::Plan;
use crate::target::provider::OwnRequests;

/// Everything a report is made of.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// What was to run.
    pub plan: &'a Plan,
    /// What happened.
    pub recorded: &'a Recorded,
    /// When it happened.
    pub course: Course,
    /// The first few wrong tokens.
    pub violations: Vec<Violation>,
    /// Whom the arrivals were about.
    pub popularity: Vec<Popularity>,
    /// What the machine let the generator have.
    pub generator: Generator,
    /// What the caches hold and did.
    pub cache: Cache,
    /// The provider's ledger before the first arrival.
    pub ledger_before: &'a LedgerSnapshot,
    /// The provider's ledger after the drain; `None` when it could not be read.
    pub ledger_after: Option<&'a LedgerSnapshot>,
    /// Token requests the driver itself sent in between, as users' front ends.
    pub driver_requests: OwnRequests,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// How long it took by the wall clock.
    pub wall: Duration,
    /// From the first arrival to the end of the drain.
    pub duration: Duration,
    /// What the numbers depend on.
    pub environment: BTreeMap<String, String>,
}

/// Puts a report together; verdict and thresholds are still open.
pub fn build(evidence: Evidence<'_>) -> Report {
    let Evidence { plan, recorded, .. } = evidence;
    let mut all = FlowRecord::default();
    for flow in &recorded.flows {
        all.add(flow);
    }
    let flows = plan
        .traffic
        .iter()
        .zip(&recorded.flows)
        .map(|(traffic, record)| FlowReport {
            name: traffic.name.to_string(),
            flow: traffic.flow.as_str().to_owned(),
            acquisitions: acquisitions(record),
        })
        .collect();
    let load = Load {
        generator: evidence.generator,
        popularity: evidence.popularity,
        closed_loops: plan
            .traffic
            .iter()
            .filter(|traffic| traffic.load.is_closed())
            .map(|traffic| traffic.name.to_string())
            .collect(),
        ..load(recorded, &all)
    };
    let idp = evidence
        .ledger_after
        .map(|after| idp(evidence.ledger_before, after));
    Report {
        schema_version: SCHEMA_VERSION,
        scenario: ScenarioId {
            name: plan.name.clone(),
            file: plan.file.display().to_string(),
            hash: plan.hash.clone(),
            overrides: plan.overrides.clone(),
        },
        mode: plan.mode.into(),
        seed: plan.seed,
        verdict: Verdict::Invalid,
        exit_code: 0,
        reasons: Vec::new(),
        started_at: evidence.started_at,
        wall_s: evidence.wall.as_secs_f64(),
        duration_s: evidence.duration.as_secs_f64(),
        environment: evidence.environment,
        totals: acquisitions(&all),
        flows,
        ledger: ledger(recorded, &load, idp.as_ref(), evidence.driver_requests),
        load,
        idp: idp.unwrap_or_default(),
        oracle: recorded.oracle.bounded(),
        violations: evidence.violations,
        cache: evidence.cache,
        sessions: recorded.sessions,
        theory: Vec::new(),
        thresholds: Vec::new(),
        series: Series {
            interval_s: evidence.course.length.as_secs_f64(),
            intervals: evidence.course.intervals,
            marks: marks(plan),
        },
        outcomes: evidence.course.outcomes,
    }
}

/// What a run that goes on can say of itself: what its generator recorded. Caches
/// and the provider are asked at the end.
pub fn so_far(plan: &Plan, recorded: &Recorded) -> Report {
    build(Evidence {
        plan,
        recorded,
        course: Course::default(),
        violations: Vec::new(),
        popularity: Vec::new(),
        generator: Generator::default(),
        cache: Cache::default(),
        ledger_before: &LedgerSnapshot::default(),
        ledger_after: None,
        driver_requests: OwnRequests::default(),
        started_at: String::new(),
        wall: Duration::ZERO,
        duration: Duration::ZERO,
        environment: BTreeMap::new(),
    })
}

fn acquisitions(record: &FlowRecord) -> Acquisitions {
    let ended = &record.counts;
    let ok = ended.ok();
    let token_source = ended.tokens.by_source();
    let times = record.all_times();
    let mut errors_by_kind = ended.errors.clone();
    if ended.timeouts > 0 {
        errors_by_kind.insert("timeout".to_owned(), ended.timeouts);
    }
    Acquisitions {
        ways: ways(ended),
        acquisitions: ended.ended(),
        errors: ended.failures() + ended.timeouts,
        hit_ratio: (ok > 0).then(|| token_source.cache as f64 / ok as f64),
        token_source,
        cache_level: ended.tokens.by_level(),
        cache_refresh_reason: ended.tokens.by_reason(),
        background_refreshes: ended.refreshes.succeeded + ended.refreshes.failed,
        coalesced: ended.coalesced,
        durations: Durations {
            total: times.total.distribution(),
            cache: times.cache.distribution(),
            http: times.http.distribution(),
            by_source: BySource {
                cache: record.from_cache.total.distribution(),
                identity_provider: record.from_provider.total.distribution(),
            },
        },
        errors_by_kind,
    }
}

fn load(recorded: &Recorded, all: &FlowRecord) -> Load {
    Load {
        offered: recorded.offered,
        started: recorded.started,
        dropped: recorded.dropped,
        fingerprint: format!("{:016x}", recorded.fingerprint),
        ok: all.counts.ok(),
        error: all.counts.failures(),
        timeout: all.counts.timeouts,
        censored: recorded.started.saturating_sub(all.counts.ended()),
        lag: recorded.lag.distribution(),
        queued: if recorded.queued.count() > 0 {
            recorded.queued.distribution()
        } else {
            Distribution::default()
        },
        response: recorded.response().distribution(),
        service: recorded.service().distribution(),
        ..Load::default()
    }
}

/// What the provider counted between two readings of its ledger.
fn idp(before: &LedgerSnapshot, after: &LedgerSnapshot) -> Idp {
    let by_grant = after.by_grant.iter().map(|(grant, count)| {
        let earlier = before.by_grant.get(grant).copied().unwrap_or_default();
        (grant.as_str().to_owned(), count.saturating_sub(earlier))
    });
    let by_status = after.by_status.iter().map(|(status, count)| {
        let earlier = before.by_status.get(status).copied().unwrap_or_default();
        (status.to_string(), count.saturating_sub(earlier))
    });
    let since = |after: u64, before: u64| after.saturating_sub(before);
    Idp {
        token_requests: since(after.token_requests, before.token_requests),
        redundant_token_requests: since(
            after.redundant_token_requests,
            before.redundant_token_requests,
        ),
        by_grant: by_grant.filter(|(_, count)| *count > 0).collect(),
        by_status: by_status.filter(|(_, count)| *count > 0).collect(),
        faults_injected: since(after.faults_injected, before.faults_injected),
        max_concurrent_fetches_per_key: None,
    }
}

fn ledger(recorded: &Recorded, load: &Load, idp: Option<&Idp>, driver: OwnRequests) -> Ledger {
    let client_side = recorded.token_requests.answered;
    let server_side = idp.map(|idp| idp.token_requests.saturating_sub(driver.answered));
    // A request without an answer may have arrived or not; an acquisition that
    // has not ended may have sent one or not.
    let unsettled = (recorded.token_requests.unanswered + driver.unanswered + load.censored)
        .saturating_add_signed(recorded.overdue)
        .saturating_add_signed(recorded.refreshing);
    Ledger {
        client_side,
        server_side,
        driver_requests: driver.answered,
        unsettled,
        balanced: server_side.is_some_and(|server_side| {
            client_side <= server_side && server_side <= client_side + unsettled
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::{Oracle, TokenSourceCounts};
    use crate::report::sample;

    #[test]
    fn totals_are_the_sum_of_the_flows() {
        let report = sample::report();
        let totals = &report.totals;
        assert_eq!((totals.acquisitions, totals.errors), (12, 2));
        assert_eq!(totals.hit_ratio, Some(0.7));
        let expected = TokenSourceCounts {
            cache: 7,
            identity_provider: 3,
        };
        assert_eq!(totals.token_source, expected);
        let level = totals.cache_level;
        assert_eq!((level.none, level.l1, level.l2), (3, 6, 1));
        let reason = totals.cache_refresh_reason;
        assert_eq!(reason.not_applicable, 8, "7 hits and a redeemed code");
        assert_eq!((reason.no_cached_access_token, reason.expired), (1, 1));
        assert_eq!(totals.coalesced, 1);
        let times = &totals.durations;
        assert_eq!(times.total.count, 12, "failures are as long as they took");
        assert_eq!((times.cache.count, times.http.count), (10, 3));
        let kinds = [("sign_in_failed", 1), ("timeout", 1)];
        let kinds = kinds.map(|(kind, count)| (kind.to_owned(), count));
        assert_eq!(totals.errors_by_kind, BTreeMap::from(kinds));
    }

    #[test]
    fn each_flow_keeps_its_own_numbers_under_its_own_name() {
        let report = sample::report();
        let flows: Vec<_> = report
            .flows
            .iter()
            .map(|flow| {
                let of = &flow.acquisitions;
                (
                    flow.name.as_str(),
                    flow.flow.as_str(),
                    of.acquisitions,
                    of.hit_ratio,
                )
            })
            .collect();
        let expected = [
            ("api", "client_credentials", 5, Some(0.8)),
            ("visits", "authorization_code", 6, Some(0.5)),
            ("batch", "client_credentials", 1, Some(1.0)),
        ];
        assert_eq!(flows, expected);
    }

    #[test]
    fn load_accounts_for_every_arrival() {
        let load = sample::report().load;
        assert_eq!((load.offered, load.started, load.dropped), (14, 13, 1));
        assert_eq!((load.ok, load.error, load.timeout), (10, 1, 1));
        assert_eq!(load.censored, 1);
        assert_eq!(load.response.count, 12);
        assert!(
            (load.response.p50_us - 3_200.0).abs() < 4.0,
            "lag and service"
        );
    }

    #[test]
    fn the_provider_s_counts_are_those_of_the_run_alone() {
        let idp = sample::report().idp;
        assert_eq!((idp.token_requests, idp.redundant_token_requests), (4, 2));
        let of = |counts: &BTreeMap<String, u64>| {
            counts
                .iter()
                .map(|(key, count)| format!("{key} {count}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            of(&idp.by_grant),
            ["authorization_code 1", "client_credentials 3"]
        );
        assert_eq!(of(&idp.by_status), ["200 3", "400 1"]);
    }

    #[test]
    fn ledgers_agree_up_to_what_is_unsettled() {
        // Client side, unanswered, overdue, censored; server side with the
        // driver's own request in it.
        let cases = [
            (3, 0, 0, 0, 4, true),
            (3, 0, 0, 0, 3, false),
            (3, 0, 0, 0, 5, false),
            (3, 1, 0, 0, 5, true),
            (3, 0, 1, 0, 5, true),
            (3, 0, 0, 1, 5, true),
            (3, 1, 1, 1, 7, true),
            (3, 1, 1, 1, 8, false),
            // Unsettled requests explain a surplus of the provider's, never a
            // request that it does not know of.
            (3, 9, 9, 9, 3, false),
        ];
        for (client, unanswered, overdue, censored, server, balanced) in cases {
            let mut recorded = sample::recorded();
            recorded.token_requests.answered = client;
            recorded.token_requests.unanswered = unanswered;
            recorded.overdue = overdue;
            let load = Load {
                censored,
                ..Load::default()
            };
            let idp = Idp {
                token_requests: server,
                ..Idp::default()
            };
            let driver = OwnRequests {
                answered: 1,
                unanswered: 0,
            };
            let ledger = super::ledger(&recorded, &load, Some(&idp), driver);
            assert_eq!(ledger.balanced, balanced, "{ledger:?}");
            assert_eq!(
                ledger.unsettled,
                unanswered + censored + overdue.unsigned_abs()
            );
            assert_eq!(
                (ledger.client_side, ledger.server_side),
                (client, Some(server - 1))
            );
            assert_eq!(ledger.driver_requests, 1);
        }
    }

    #[test]
    fn the_run_and_its_caches_are_named() {
        let report = sample::report();
        assert_eq!((report.scenario.name.as_str(), report.seed), ("sample", 7));
        assert!((report.duration_s - 10.25).abs() < 1e-9);
        assert_eq!(report.cache, sample::CACHE);
        let expected = Oracle {
            checked: 10,
            wrong_rate_below: Some(0.3),
            ..Oracle::default()
        };
        assert_eq!(report.oracle, expected);
    }

    #[test]
    fn nothing_acquired_has_no_hit_ratio() {
        let nothing = acquisitions(&FlowRecord::default());
        assert_eq!((nothing.acquisitions, nothing.hit_ratio), (0, None));
    }
}
