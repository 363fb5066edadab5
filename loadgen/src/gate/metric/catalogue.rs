//! The closed list, in the order of the report.

use super::{Metric, Needs, Reading, Unit};
use crate::report::model::{Acquisitions, Distribution, Report};

/// Every metric, in the order of the report.
pub const METRICS: &[Metric] = &[
    flow(
        "acquisitions",
        Unit::Count,
        |of| Some(count(of.acquisitions)),
        "finished acquisitions",
    ),
    flow(
        "hit_ratio",
        Unit::Share,
        hit_ratio,
        "share of tokens that came from the cache",
    ),
    flow(
        "errors",
        Unit::Count,
        |of| if_any(of, count(of.errors)),
        "acquisitions without a token",
    ),
    flow(
        "error_ratio",
        Unit::Share,
        |of| ratio(of.errors, of.acquisitions),
        "share of acquisitions without a token",
    ),
    flow(
        "coalesced",
        Unit::Count,
        |of| if_any(of, count(of.coalesced)),
        "acquisitions that waited for another caller's fetch",
    ),
    flow(
        "background_refreshes",
        Unit::Count,
        |of| if_any(of, count(of.background_refreshes)),
        "refreshes nobody waited for",
    ),
    Metric {
        name: "token_source",
        unit: Unit::Count,
        needs: Needs::Nothing,
        reading: Reading::FlowBy(
            "source",
            &[
                ("cache", |of| of.token_source.cache),
                ("identity_provider", |of| of.token_source.identity_provider),
            ],
        ),
        doc: "tokens by where they came from",
    },
    Metric {
        name: "cache_level",
        unit: Unit::Count,
        needs: Needs::Nothing,
        reading: Reading::FlowBy(
            "level",
            &[
                ("l1", |of| of.cache_level.l1),
                ("l2", |of| of.cache_level.l2),
                ("none", |of| of.cache_level.none),
                ("unknown", |of| of.cache_level.unknown),
            ],
        ),
        doc: "tokens by the cache level that served them",
    },
    Metric {
        name: "cache_refresh_reason",
        unit: Unit::Count,
        needs: Needs::Nothing,
        reading: Reading::FlowBy(
            "reason",
            &[
                ("expired", |of| of.cache_refresh_reason.expired),
                ("no_cached_access_token", |of| {
                    of.cache_refresh_reason.no_cached_access_token
                }),
                ("force_refresh_or_claims", |of| {
                    of.cache_refresh_reason.force_refresh_or_claims
                }),
                ("proactively_refreshed", |of| {
                    of.cache_refresh_reason.proactively_refreshed
                }),
                ("cache_disabled", |of| {
                    of.cache_refresh_reason.cache_disabled
                }),
                ("not_applicable", |of| {
                    of.cache_refresh_reason.not_applicable
                }),
            ],
        ),
        doc: "tokens by why the identity provider was asked",
    },
    Metric {
        name: "acquire",
        unit: Unit::Microseconds,
        needs: Needs::Nothing,
        reading: Reading::FlowTimesBy(
            |of| &of.durations.total,
            "source",
            &[
                ("cache", |of| &of.durations.by_source.cache),
                ("identity_provider", |of| {
                    &of.durations.by_source.identity_provider
                }),
            ],
        ),
        doc: "whole acquisitions, inside the client",
    },
    flow_times(
        "acquire_cache",
        |of| &of.durations.cache,
        "time an acquisition spent on the cache",
    ),
    flow_times(
        "acquire_http",
        |of| &of.durations.http,
        "time an acquisition waited for the token endpoint",
    ),
    run_times(
        "response",
        |report| &report.load.response,
        "intended start to end",
    ),
    run_times(
        "service",
        |report| &report.load.service,
        "actual start to end",
    ),
    run_times(
        "lag",
        |report| &report.load.lag,
        "intended start to actual start: the generator's own delay",
    ),
    run(
        "offered",
        Unit::Count,
        |report| Some(count(report.load.offered)),
        "arrivals that fell due",
    ),
    run(
        "started",
        Unit::Count,
        |report| Some(count(report.load.started)),
        "arrivals that began",
    ),
    run(
        "dropped",
        Unit::Count,
        |report| among(report.load.offered, report.load.dropped),
        "arrivals that found no room",
    ),
    run(
        "timeout",
        Unit::Count,
        |report| among(report.load.started, report.load.timeout),
        "acquisitions that took longer than `acquire_timeout`",
    ),
    run(
        "censored",
        Unit::Count,
        |report| among(report.load.started, report.load.censored),
        "acquisitions still running when the drain ended",
    ),
    run(
        "token_requests",
        Unit::Count,
        |report| if_ran(report, report.ledger.server_side?),
        "requests of acquisitions to the token endpoint, as the provider counted them",
    ),
    run(
        "redundant_token_requests",
        Unit::Count,
        |report| if_ran(report, report.idp.redundant_token_requests),
        "token requests although a token with time left had been issued",
    ),
    run(
        "max_concurrent_fetches_per_key",
        Unit::Count,
        |report| if_ran(report, report.idp.max_concurrent_fetches_per_key?),
        "the most requests for one token that one instance had under way at a time",
    ),
    run(
        "idp_calls_per_1k",
        Unit::Count,
        |report| {
            ratio(report.ledger.server_side?, report.totals.acquisitions)
                .map(|ratio| ratio * 1_000.0)
        },
        "token requests per 1000 acquisitions",
    ),
    run(
        "wrong_token",
        Unit::Count,
        |report| among(report.oracle.checked, report.oracle.wrong_token),
        "tokens of another tenant, application, user or audience",
    ),
    run(
        "expired_served",
        Unit::Count,
        |report| among(report.oracle.checked, report.oracle.expired_served),
        "tokens past their expiry",
    ),
    run(
        "under_scoped",
        Unit::Count,
        |report| among(report.oracle.checked, report.oracle.under_scoped),
        "tokens without all the scopes asked for",
    ),
    run(
        "not_issued",
        Unit::Count,
        |report| among(report.oracle.checked, report.oracle.not_issued),
        "tokens the provider did not sign",
    ),
    run(
        "throttled",
        Unit::Count,
        |report| {
            let refused = report.idp.by_status.get("429");
            among(
                report.ledger.server_side?,
                refused.copied().unwrap_or_default(),
            )
        },
        "token requests that the provider answered with 429",
    ),
    run(
        "interaction_required",
        Unit::Count,
        |report| if_ran(report, report.sessions.interaction_required),
        "calls of signed-in users who had to sign in again",
    ),
    run(
        "stale_served",
        Unit::Count,
        |report| among(report.oracle.checked, report.sessions.stale_served),
        "tokens from the cache older than one that had been asked for since",
    ),
    run(
        "served_after_sign_out",
        Unit::Count,
        |report| if_ran(report, report.sessions.served_after_sign_out),
        "tokens for accounts that had signed out",
    ),
    layer(
        "l1_bytes",
        Unit::Bytes,
        Needs::L1,
        |report| if_ran(report, report.cache.l1.bytes),
        "bytes in all L1",
    ),
    layer(
        "l1_entries",
        Unit::Count,
        Needs::L1,
        |report| if_ran(report, report.cache.l1.entries),
        "partitions in all L1",
    ),
    layer(
        "l1_evictions",
        Unit::Count,
        Needs::L1,
        |report| if_ran(report, report.cache.l1.evictions),
        "partitions pushed out by the size limit",
    ),
    layer(
        "l2_bytes",
        Unit::Bytes,
        Needs::L2,
        |report| if_ran(report, report.cache.l2.bytes),
        "bytes in L2",
    ),
    layer(
        "l2_entries",
        Unit::Count,
        Needs::L2,
        |report| if_ran(report, report.cache.l2.entries),
        "blobs in L2",
    ),
    layer(
        "l2_largest_entry",
        Unit::Bytes,
        Needs::L2,
        |report| if_ran(report, report.cache.l2.contents.largest_entry),
        "bytes of the largest blob in L2 at the end",
    ),
    layer(
        "l2_most_tokens",
        Unit::Count,
        Needs::L2,
        |report| if_ran(report, report.cache.l2.contents.most_access_tokens),
        "most access tokens in one blob of L2 at the end",
    ),
    layer(
        "l2_most_accounts",
        Unit::Count,
        Needs::L2,
        |report| if_ran(report, report.cache.l2.contents.most_accounts),
        "most accounts in one blob of L2 at the end",
    ),
    layer(
        "l2_expired_tokens",
        Unit::Share,
        Needs::L2,
        |report| {
            let contents = report.cache.l2.contents;
            ratio(contents.expired_access_tokens, contents.access_tokens)
        },
        "share of the access tokens in L2 that are past their expiry at the end",
    ),
    layer(
        "l2_plaintext",
        Unit::Count,
        Needs::L2,
        |report| if_ran(report, report.cache.l2.contents.plaintext),
        "blobs in L2 that are not encrypted although the scenario encrypts",
    ),
    layer(
        "l2_unreadable",
        Unit::Count,
        Needs::L2,
        |report| if_ran(report, report.cache.l2.contents.unreadable),
        "blobs in L2 that no instance can read at the end",
    ),
    layer(
        "largest_session_cookies",
        Unit::Bytes,
        Needs::Cookies,
        |report| of_cookies(report, report.cache.cookies.largest_bytes),
        "bytes of the largest session's cookies, names and values",
    ),
    layer(
        "session_cookies_refused",
        Unit::Count,
        Needs::Cookies,
        |report| of_cookies(report, report.cache.cookies.refused),
        "responses whose cookies were more than browsers keep",
    ),
    layer(
        "l2_bytes_written",
        Unit::Bytes,
        Needs::L2,
        |report| if_ran(report, report.cache.l2.bytes_written),
        "bytes of the blobs written to L2",
    ),
    layer(
        "l2_bytes_read",
        Unit::Bytes,
        Needs::L2,
        |report| if_ran(report, report.cache.l2.bytes_read),
        "bytes of the blobs read from L2",
    ),
    layer(
        "l2_errors",
        Unit::Count,
        Needs::L2,
        |report| if_ran(report, report.cache.l2.errors),
        "L2 operations that failed",
    ),
    Metric {
        name: "l2_operations",
        unit: Unit::Count,
        needs: Needs::L2,
        reading: Reading::RunBy(
            "operation",
            &[
                ("get", |report| report.cache.l2.operations.get),
                ("set", |report| report.cache.l2.operations.set),
                ("refresh", |report| report.cache.l2.operations.refresh),
                ("remove", |report| report.cache.l2.operations.remove),
            ],
        ),
        doc: "operations asked of L2",
    },
];

const fn flow(
    name: &'static str,
    unit: Unit,
    read: fn(&Acquisitions) -> Option<f64>,
    doc: &'static str,
) -> Metric {
    Metric {
        name,
        unit,
        needs: Needs::Nothing,
        reading: Reading::Flow(read),
        doc,
    }
}

const fn flow_times(
    name: &'static str,
    read: fn(&Acquisitions) -> &Distribution,
    doc: &'static str,
) -> Metric {
    Metric {
        name,
        unit: Unit::Microseconds,
        needs: Needs::Nothing,
        reading: Reading::FlowTimes(read),
        doc,
    }
}

const fn run(
    name: &'static str,
    unit: Unit,
    read: fn(&Report) -> Option<f64>,
    doc: &'static str,
) -> Metric {
    layer(name, unit, Needs::Nothing, read, doc)
}

const fn run_times(
    name: &'static str,
    read: fn(&Report) -> &Distribution,
    doc: &'static str,
) -> Metric {
    Metric {
        name,
        unit: Unit::Microseconds,
        needs: Needs::Nothing,
        reading: Reading::RunTimes(read),
        doc,
    }
}

const fn layer(
    name: &'static str,
    unit: Unit,
    needs: Needs,
    read: fn(&Report) -> Option<f64>,
    doc: &'static str,
) -> Metric {
    Metric {
        name,
        unit,
        needs,
        reading: Reading::Run(read),
        doc,
    }
}

/// From the counts rather than the report's own ratio: a report without
/// successes must not pass through a number left in that field.
fn hit_ratio(of: &Acquisitions) -> Option<f64> {
    let source = of.token_source;
    ratio(
        source.cache,
        source.cache.saturating_add(source.identity_provider),
    )
}

fn if_any(of: &Acquisitions, value: f64) -> Option<f64> {
    (of.acquisitions > 0).then_some(value)
}

fn if_ran(report: &Report, value: u64) -> Option<f64> {
    among(report.totals.acquisitions, value)
}

/// A number that only runs with caches in cookies have: another's baseline knows none.
fn of_cookies(report: &Report, value: u64) -> Option<f64> {
    (report.cache.cookies.limit_bytes > 0)
        .then(|| if_ran(report, value))
        .flatten()
}

/// `value`, unless there was nothing it could have been counted among.
fn among(whole: u64, value: u64) -> Option<f64> {
    (whole > 0).then(|| count(value))
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| count(part) / count(whole))
}

fn count(value: u64) -> f64 {
    value as f64
}
