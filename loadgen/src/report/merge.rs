//! Several runs as one: counters added, histograms added without loss, thresholds
//! judged once on the sum. One part that is invalid makes the whole so.

use std::collections::BTreeMap;

use super::hdr;
use super::judge::{Circumstances, judge};
use super::model::{
    Acquisitions, Cookies, Distribution, Generator, Interval, L2Contents, Report, Series, Verdict,
};
use crate::exit::{Exit, Failure};
use crate::gate::threshold::{Context, Threshold, parse};
use crate::theory;

/// Merges reports of one scenario.
///
/// # Errors
///
/// A [`Failure`] with exit code 2 when there is none, or they cannot be added:
/// another scenario, mode, flow or kind of histogram.
pub fn merge(parts: &[Report]) -> Result<Report, Failure> {
    let Some((first, rest)) = parts.split_first() else {
        return Err(refused("there is nothing to merge"));
    };
    let mut whole = first.clone();
    for part in rest {
        add(&mut whole, part).map_err(|message| refused(&message))?;
    }
    let thresholds = thresholds(first).map_err(|message| refused(&message))?;
    let circumstances = Circumstances {
        interrupted: parts
            .iter()
            .any(|part| part.verdict == Verdict::Interrupted),
        under_way: whole.load.censored,
        ledger_unread: whole
            .ledger
            .server_side
            .is_none()
            .then(|| "a part does not have it".to_owned()),
        aborted: None,
    };
    judge(&mut whole, &thresholds, &circumstances)?;
    let invalid: Vec<String> = (1..)
        .zip(parts)
        .filter(|(_, part)| part.verdict == Verdict::Invalid)
        .map(|(number, part)| format!("part {number} is invalid: {}", part.reasons.join("; ")))
        .collect();
    if !invalid.is_empty() && whole.verdict != Verdict::Interrupted {
        whole.verdict = Verdict::Invalid;
        whole.exit_code = Exit::InvalidRun.code();
    }
    whole.reasons.extend(invalid);
    whole
        .environment
        .insert("merged".to_owned(), format!("{} runs", parts.len()));
    Ok(whole)
}

fn refused(message: &str) -> Failure {
    Failure::usage(
        format!("the reports cannot be merged: {message}"),
        "merge runs of one scenario, one mode and one loadgen",
    )
}

fn thresholds(report: &Report) -> Result<Vec<Threshold>, String> {
    report
        .thresholds
        .iter()
        .map(|said| {
            parse(&said.expression, said.line, 1, &Context::default())
                .map_err(|error| format!("threshold `{}`: {error}", said.expression))
        })
        .collect()
}

fn add(whole: &mut Report, part: &Report) -> Result<(), String> {
    let same = |what: &str, one: &dyn std::fmt::Debug, other: &dyn std::fmt::Debug| {
        let (one, other) = (format!("{one:?}"), format!("{other:?}"));
        if one == other {
            Ok(())
        } else {
            Err(format!("{what} {one} and {other}"))
        }
    };
    same("scenarios", &whole.scenario.name, &part.scenario.name)?;
    same("scenario files", &whole.scenario.hash, &part.scenario.hash)?;
    same("--set", &whole.scenario.overrides, &part.scenario.overrides)?;
    same("modes", &whole.mode, &part.mode)?;
    let names = |report: &Report| {
        let flows = report.flows.iter();
        flows
            .map(|flow| (flow.name.clone(), flow.flow.clone()))
            .collect::<Vec<_>>()
    };
    same("flows", &names(whole), &names(part))?;
    let expressions = |report: &Report| {
        let thresholds = report.thresholds.iter();
        thresholds
            .map(|threshold| threshold.expression.clone())
            .collect::<Vec<_>>()
    };
    same("thresholds", &expressions(whole), &expressions(part))?;

    // By the calls of each, so before they are added.
    theory::merge::add(whole, part);
    acquisitions(&mut whole.totals, &part.totals)?;
    for (mine, theirs) in whole.flows.iter_mut().zip(&part.flows) {
        acquisitions(&mut mine.acquisitions, &theirs.acquisitions)?;
    }
    load(whole, part)?;
    provider(whole, part);
    cache(whole, part);
    whole.duration_s = whole.duration_s.max(part.duration_s);
    if part.started_at < whole.started_at {
        whole.started_at.clone_from(&part.started_at);
    }
    // Outcomes are of one seed.
    whole.outcomes = None;
    series(&mut whole.series, &part.series)
}

fn acquisitions(whole: &mut Acquisitions, part: &Acquisitions) -> Result<(), String> {
    whole.acquisitions += part.acquisitions;
    whole.errors += part.errors;
    whole.token_source += part.token_source;
    whole.cache_level += part.cache_level;
    whole.cache_refresh_reason += part.cache_refresh_reason;
    whole.background_refreshes += part.background_refreshes;
    whole.coalesced += part.coalesced;
    let source = whole.token_source;
    let ok = source.cache + source.identity_provider;
    whole.hit_ratio = (ok > 0).then(|| source.cache as f64 / ok as f64);
    counts(&mut whole.errors_by_kind, &part.errors_by_kind);
    super::ways::add(&mut whole.ways, &part.ways);
    let (mine, theirs) = (&mut whole.durations, &part.durations);
    times(&mut mine.total, &theirs.total)?;
    times(&mut mine.cache, &theirs.cache)?;
    times(&mut mine.http, &theirs.http)?;
    times(&mut mine.by_source.cache, &theirs.by_source.cache)?;
    times(
        &mut mine.by_source.identity_provider,
        &theirs.by_source.identity_provider,
    )
}

fn load(whole: &mut Report, part: &Report) -> Result<(), String> {
    let (mine, theirs) = (&mut whole.load, &part.load);
    mine.offered += theirs.offered;
    mine.started += theirs.started;
    mine.dropped += theirs.dropped;
    mine.ok += theirs.ok;
    mine.error += theirs.error;
    mine.timeout += theirs.timeout;
    mine.censored += theirs.censored;
    generator(&mut mine.generator, theirs.generator);
    // Who was popular in one part need not be in another.
    mine.popularity.clear();
    times(&mut mine.lag, &theirs.lag)?;
    times(&mut mine.queued, &theirs.queued)?;
    times(&mut mine.response, &theirs.response)?;
    times(&mut mine.service, &theirs.service)
}

/// The worst of both: a part that was starved spoils the whole.
fn generator(whole: &mut Generator, part: Generator) {
    let worst = |one: Option<f64>, other: Option<f64>| match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (one, other) => one.or(other),
    };
    whole.cpu_share = worst(whole.cpu_share, part.cpu_share);
    whole.steal_share = worst(whole.steal_share, part.steal_share);
    whole.longest_pause_us = whole.longest_pause_us.max(part.longest_pause_us);
    if part.clock_jump_s.abs() > whole.clock_jump_s.abs() {
        whole.clock_jump_s = part.clock_jump_s;
    }
}

fn provider(whole: &mut Report, part: &Report) {
    let (mine, theirs) = (&mut whole.idp, &part.idp);
    mine.token_requests += theirs.token_requests;
    mine.redundant_token_requests += theirs.redundant_token_requests;
    mine.faults_injected += theirs.faults_injected;
    mine.max_concurrent_fetches_per_key = mine
        .max_concurrent_fetches_per_key
        .zip(theirs.max_concurrent_fetches_per_key)
        .map(|(one, other)| one.max(other));
    counts(&mut mine.by_grant, &theirs.by_grant);
    counts(&mut mine.by_status, &theirs.by_status);
    let (mine, theirs) = (&mut whole.ledger, &part.ledger);
    mine.client_side += theirs.client_side;
    mine.server_side = mine
        .server_side
        .zip(theirs.server_side)
        .map(|(one, other)| one + other);
    mine.driver_requests += theirs.driver_requests;
    mine.unsettled += theirs.unsettled;
    // Two that do not balance may do so in sum.
    mine.balanced &= theirs.balanced;
    let (mine, theirs) = (&mut whole.oracle, &part.oracle);
    mine.add(theirs);
    *mine = mine.bounded();
    whole.violations.extend_from_slice(&part.violations);
    let (mine, theirs) = (&mut whole.sessions, &part.sessions);
    mine.interaction_required += theirs.interaction_required;
    mine.stale_served += theirs.stale_served;
    mine.served_after_sign_out += theirs.served_after_sign_out;
}

fn cache(whole: &mut Report, part: &Report) {
    cookies(&mut whole.cache.cookies, part.cache.cookies);
    let (mine, theirs) = (&mut whole.cache.l1, &part.cache.l1);
    mine.entries += theirs.entries;
    mine.bytes += theirs.bytes;
    mine.evictions += theirs.evictions;
    let (mine, theirs) = (&mut whole.cache.l2, &part.cache.l2);
    mine.entries += theirs.entries;
    mine.bytes += theirs.bytes;
    mine.errors += theirs.errors;
    mine.refused += theirs.refused;
    mine.evictions += theirs.evictions;
    mine.bytes_read += theirs.bytes_read;
    mine.bytes_written += theirs.bytes_written;
    contents(&mut mine.contents, theirs.contents);
    let (mine, theirs) = (&mut mine.operations, &theirs.operations);
    mine.get += theirs.get;
    mine.set += theirs.set;
    mine.refresh += theirs.refresh;
    mine.remove += theirs.remove;
}

fn cookies(mine: &mut Cookies, theirs: Cookies) {
    mine.set += theirs.set;
    mine.refused += theirs.refused;
    mine.largest_bytes = mine.largest_bytes.max(theirs.largest_bytes);
    mine.limit_bytes = mine.limit_bytes.max(theirs.limit_bytes);
}

fn contents(mine: &mut L2Contents, theirs: L2Contents) {
    mine.access_tokens += theirs.access_tokens;
    mine.expired_access_tokens += theirs.expired_access_tokens;
    mine.most_access_tokens = mine.most_access_tokens.max(theirs.most_access_tokens);
    mine.most_accounts = mine.most_accounts.max(theirs.most_accounts);
    mine.largest_entry = mine.largest_entry.max(theirs.largest_entry);
    mine.plaintext += theirs.plaintext;
    mine.unreadable += theirs.unreadable;
}

fn counts(whole: &mut BTreeMap<String, u64>, part: &BTreeMap<String, u64>) {
    for (name, count) in part {
        *whole.entry(name.clone()).or_default() += count;
    }
}

/// Adds histograms that count in the same buckets; others would lose digits.
fn times(whole: &mut Distribution, part: &Distribution) -> Result<(), String> {
    if part.hdr.is_empty() {
        return Ok(());
    }
    if whole.hdr.is_empty() {
        whole.clone_from(part);
        return Ok(());
    }
    *whole = hdr::distribution(&sum(&whole.hdr, &part.hdr)?);
    Ok(())
}

fn sum(one: &str, other: &str) -> Result<hdrhistogram::Histogram<u64>, String> {
    let (mut one, other) = (hdr::decode(one)?, hdr::decode(other)?);
    if !hdr::is_alike(&one, &other) {
        return Err("histograms of different ranges or digits".to_owned());
    }
    one.add(other).map_err(|error| error.to_string())?;
    Ok(one)
}

/// Runs of one scenario go through the same stages: intervals of the same place
/// are added. Of runs that were cut otherwise no series is left.
fn series(whole: &mut Series, part: &Series) -> Result<(), String> {
    if (whole.interval_s - part.interval_s).abs() > 1e-9 {
        *whole = Series::default();
        return Ok(());
    }
    let longest = whole.intervals.len().max(part.intervals.len());
    whole.intervals.resize(longest, Interval::default());
    for (mine, theirs) in whole.intervals.iter_mut().zip(&part.intervals) {
        mine.offered += theirs.offered;
        mine.dropped += theirs.dropped;
        mine.errors += theirs.errors;
        mine.coalesced += theirs.coalesced;
        mine.background_refreshes += theirs.background_refreshes;
        mine.token_source += theirs.token_source;
        mine.cache_level += theirs.cache_level;
        mine.cache_refresh_reason += theirs.cache_refresh_reason;
        mine.lag_p99_us = mine.lag_p99_us.max(theirs.lag_p99_us);
        mine.l1_bytes += theirs.l1_bytes;
        mine.l1_entries += theirs.l1_entries;
        mine.l2_bytes += theirs.l2_bytes;
        mine.l2_entries += theirs.l2_entries;
        if mine.acquire.is_empty() {
            mine.acquire.clone_from(&theirs.acquire);
        } else if !theirs.acquire.is_empty() {
            mine.acquire = hdr::encode(&sum(&mine.acquire, &theirs.acquire)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn judged(spoil: fn(&mut Report)) -> Report {
        let mut report = sample::clean_report();
        spoil(&mut report);
        judge(
            &mut report,
            &sample::plan().thresholds,
            &Circumstances::default(),
        )
        .unwrap();
        report
    }

    #[test]
    fn counters_and_histograms_are_added_without_loss() {
        let part = judged(|_| {});
        let whole = merge(&[part.clone(), part.clone(), part.clone()]).unwrap();
        assert_eq!(whole.totals.acquisitions, 3 * part.totals.acquisitions);
        assert_eq!(whole.load.offered, 30);
        assert_eq!(whole.cache.l2.operations.get, 33);
        let (one, three) = (&part.totals.durations.total, &whole.totals.durations.total);
        assert_eq!(three.count, 3 * one.count);
        let mut added = hdr::decode(&one.hdr).unwrap();
        added.add(hdr::decode(&one.hdr).unwrap()).unwrap();
        added.add(hdr::decode(&one.hdr).unwrap()).unwrap();
        assert_eq!(hdr::decode(&three.hdr).unwrap(), added);
        assert_eq!(whole.verdict, Verdict::Pass);
        let json = serde_json::to_string(&whole).unwrap();
        super::super::read::parse_report(json.as_bytes()).unwrap();
    }

    #[test]
    fn of_sessions_in_cookies_the_counts_are_added_and_the_largest_stays() {
        let parts = [(5, 1, 7_000), (8, 0, 9_000), (2, 2, 8_000)].map(|(set, refused, largest)| {
            let mut part = judged(|_| {});
            part.cache.cookies = Cookies {
                set,
                refused,
                largest_bytes: largest,
                limit_bytes: 12_288,
            };
            part
        });
        assert_eq!(
            merge(&parts).unwrap().cache.cookies,
            Cookies {
                set: 15,
                refused: 3,
                largest_bytes: 9_000,
                limit_bytes: 12_288,
            }
        );
    }

    #[test]
    fn thresholds_are_judged_once_on_the_sum() {
        // 4 of 10 alone would fail 50 %; with two parts of 7 it holds.
        let bad = judged(|report| {
            for of in std::iter::once(&mut report.totals).chain(
                report
                    .flows
                    .iter_mut()
                    .take(1)
                    .map(|flow| &mut flow.acquisitions),
            ) {
                of.token_source.cache -= 3;
                of.token_source.identity_provider += 3;
                of.cache_level.l1 -= 2;
                of.cache_level.l2 -= 1;
                of.cache_level.none += 3;
            }
        });
        assert_eq!(bad.verdict, Verdict::Fail);
        let good = judged(|_| {});
        let whole = merge(&[bad, good.clone(), good]).unwrap();
        assert_eq!(whole.thresholds.len(), 1);
        assert_eq!(whole.thresholds[0].measured, Some(0.6));
        assert_eq!(whole.verdict, Verdict::Pass);
    }

    #[test]
    fn one_invalid_part_makes_the_whole_invalid() {
        let late = judged(|report| report.load.lag.p99_us = 1e6);
        assert_eq!(late.verdict, Verdict::Invalid);
        let whole = merge(&[judged(|_| {}), late]).unwrap();
        assert_eq!((whole.verdict, whole.exit_code), (Verdict::Invalid, 3));
        assert!(
            whole
                .reasons
                .iter()
                .any(|reason| reason.starts_with("part 2 is invalid"))
        );
    }

    #[test]
    fn what_cannot_be_added_is_refused() {
        type Change = fn(&mut Report);
        let changes: [(Change, &str); 6] = [
            (|report| report.scenario.name.push('x'), "scenarios"),
            (|report| report.scenario.hash.push('x'), "scenario files"),
            (
                |report| report.scenario.overrides.push("a=1".to_owned()),
                "--set",
            ),
            (|report| report.flows[0].name.push('x'), "flows"),
            (|report| report.thresholds.clear(), "thresholds"),
            (
                |report| {
                    let coarse =
                        hdrhistogram::Histogram::<u64>::new_with_bounds(1, 1_000, 1).unwrap();
                    report.load.lag.hdr = hdr::encode(&coarse);
                },
                "histograms of different ranges",
            ),
        ];
        for (change, expected) in changes {
            let mut other = judged(|_| {});
            change(&mut other);
            let failure = merge(&[judged(|_| {}), other]).unwrap_err();
            assert!(failure.message.contains(expected), "{}", failure.message);
            assert_eq!(failure.exit, Exit::Usage);
        }
        assert!(merge(&[]).is_err());
    }
}
