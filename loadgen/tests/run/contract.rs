//! `report.json` by the names that outside readers use, written down here by
//! hand: a rename in the types must not pass unnoticed.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use serde_json::Value;

use crate::THREE_FLOWS;
use crate::program::Lab;
use crate::report::run;

const TOP: &str = "\
schema_version scenario.name scenario.file scenario.hash mode seed verdict exit_code started_at \
duration totals flows load idp ledger oracle cache theory thresholds";

const ACQUISITIONS: &str = "\
acquisitions errors hit_ratio token_source.cache token_source.identity_provider \
cache_level.none cache_level.l1 cache_level.l2 \
cache_refresh_reason.not_applicable cache_refresh_reason.no_cached_access_token \
cache_refresh_reason.expired cache_refresh_reason.force_refresh_or_claims \
cache_refresh_reason.proactively_refreshed cache_refresh_reason.cache_disabled \
background_refreshes coalesced durations.total durations.cache durations.http";

const DURATION: &str = "count mean_us p50_us p90_us p99_us p999_us max_us hdr";

const LOAD: &str = "offered started dropped ok error timeout censored lag response service";

const IDP: &str = "token_requests redundant_token_requests by_grant by_status faults_injected";

const LEDGER: &str = "client_side server_side balanced";

const ORACLE: &str = "checked wrong_token expired_served under_scoped not_issued";

const CACHE: &str = "\
l1.entries l1.bytes l1.evictions l2.entries l2.bytes l2.operations.get l2.operations.set \
l2.operations.refresh l2.operations.remove l2.errors";

const THRESHOLD: &str = "expression measured limit verdict file line";

/// Asserts that `value` has all of `names`, dots leading inwards.
fn has(value: &Value, names: &str) {
    for name in names.split_whitespace() {
        let pointer = format!("/{}", name.replace('.', "/"));
        assert!(value.pointer(&pointer).is_some(), "no `{name}`: {value:#}");
    }
}

/// Every object in `value` that carries a histogram.
fn histograms(value: &Value) -> Vec<&Value> {
    match value {
        Value::Object(members) if members.contains_key("hdr") => vec![value],
        Value::Object(members) => members.values().flat_map(histograms).collect(),
        Value::Array(items) => items.iter().flat_map(histograms).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn a_report_has_the_names_of_the_contract() {
    let run = run(&Lab::new(), THREE_FLOWS, &["--seed", "7"]);
    let json = &run.json;
    has(json, TOP);
    has(&json["totals"], ACQUISITIONS);
    let flows = json["flows"].as_array().unwrap();
    assert_eq!(flows.len(), 3);
    for flow in flows {
        has(flow, "name flow");
        has(flow, ACQUISITIONS);
    }
    has(&json["load"], LOAD);
    has(&json["idp"], IDP);
    has(&json["ledger"], LEDGER);
    has(&json["oracle"], ORACLE);
    has(&json["cache"], CACHE);
    let thresholds = json["thresholds"].as_array().unwrap();
    assert_eq!(thresholds.len(), 2);
    for threshold in thresholds {
        has(threshold, THRESHOLD);
    }
    assert!(json["theory"].is_array());

    assert_eq!(json["schema_version"], 1);
    assert_eq!(json["scenario"]["name"], "three");
    assert_eq!(json["scenario"]["file"], "x.yaml");
    assert_eq!(json["scenario"]["hash"].as_str().unwrap().len(), 64);
    assert_eq!((&json["mode"], &json["seed"]), (&"real".into(), &7.into()));
    assert!(["pass", "invalid"].contains(&json["verdict"].as_str().unwrap()));
    let started_at = json["started_at"].as_str().unwrap();
    assert!(
        started_at.starts_with("20") && started_at.ends_with('Z'),
        "{started_at}"
    );
    assert!(json["duration"].as_f64().unwrap() >= 1.0, "seconds");
}

#[test]
fn the_histograms_in_a_report_hold_what_it_counts() {
    let run = run(&Lab::new(), THREE_FLOWS, &[]);
    let found = histograms(&run.json);
    // Three of the totals and of each of three flows, two more of each by
    // source, and three of the load.
    assert_eq!(found.len(), 23);
    for times in found {
        has(times, DURATION);
        let bytes = BASE64_STANDARD
            .decode(times["hdr"].as_str().unwrap())
            .unwrap();
        let histogram: Histogram<u64> = Deserializer::new()
            .deserialize(&mut bytes.as_slice())
            .unwrap();
        assert_eq!(histogram.len(), times["count"].as_u64().unwrap());
        assert!(!histogram.is_empty());
        let quantiles = ["p50_us", "p90_us", "p99_us", "p999_us", "max_us"];
        let quantiles = quantiles.map(|name| times[name].as_f64().unwrap());
        assert!(quantiles.is_sorted(), "{quantiles:?}");
        let median_ns = histogram.value_at_quantile(0.5) as f64;
        assert!((median_ns / 1_000.0 - quantiles[0]).abs() < 1e-6);
    }
    let load = &run.report.load;
    for times in [&load.lag, &load.response, &load.service] {
        assert_eq!(times.count, load.started);
    }
    let totals = &run.report.totals;
    assert_eq!(totals.durations.total.count, totals.acquisitions);
    assert_eq!(totals.durations.cache.count, totals.acquisitions);
}
