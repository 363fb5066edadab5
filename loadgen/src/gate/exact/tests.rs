//! Each way the cache can get worse, and that a change of code alone is green.

use std::collections::BTreeMap;

use super::*;
use crate::gate::baseline::Budget;
use crate::gate::why;
use crate::report::sample;

type Edit = fn(&mut Report);

fn large() -> Report {
    let mut report = sample::clean_report();
    let of = &mut report.totals;
    of.acquisitions = 100_000;
    of.token_source.cache = 95_000;
    of.token_source.identity_provider = 5_000;
    of.cache_level.l1 = 90_000;
    of.cache_level.l2 = 5_000;
    of.cache_level.none = 5_000;
    of.cache_refresh_reason.not_applicable = 95_000;
    of.cache_refresh_reason.expired = 3_000;
    of.cache_refresh_reason.no_cached_access_token = 2_000;
    report.flows.truncate(1);
    report.flows[0].acquisitions = report.totals.clone();
    report.ledger.server_side = Some(5_000);
    report.cache.l1.bytes = 3_000_000;
    report.cache.l1.entries = 1_000;
    report.cache.l2.operations.get = 10_000;
    report
}

fn held(edit: Edit, budgets: &[(&str, Budget)]) -> Beside {
    let budgets: BTreeMap<String, Budget> = budgets
        .iter()
        .map(|(name, budget)| ((*name).to_owned(), *budget))
        .collect();
    let baseline = Baseline::of(&[large()], budgets).unwrap();
    let mut report = large();
    edit(&mut report);
    hold(&report, &baseline).unwrap()
}

fn named(beside: &Beside, name: &str) -> Change {
    let check = beside.checks.iter().find(|check| check.name == name);
    check.unwrap_or_else(|| panic!("{name}: {beside:?}")).change
}

const LOSE_ONE_PERCENT: Edit = |report| {
    let of = &mut report.totals;
    of.token_source.cache -= 950;
    of.token_source.identity_provider += 950;
    of.cache_level.l1 -= 950;
    of.cache_level.none += 950;
    of.cache_refresh_reason.not_applicable -= 950;
    of.cache_refresh_reason.expired += 950;
};

#[test]
fn a_pure_refactor_is_green() {
    let beside = held(|_| {}, &[]);
    assert!(!beside.is_red());
    assert!(
        beside
            .checks
            .iter()
            .all(|check| check.change == Change::Same)
    );
    assert!(beside.checks.len() > 25, "{}", beside.checks.len());
}

#[test]
fn each_way_to_get_worse_is_red_and_named_in_the_why() {
    let cases: [(Edit, &str, &str); 6] = [
        (
            LOSE_ONE_PERCENT,
            "hit_ratio",
            "expired rose 30.00 → 39.50 per 1000",
        ),
        (
            |report| report.ledger.server_side = Some(5_100),
            "idp_calls_per_1k",
            "idp_calls_per_1k",
        ),
        (
            |report| report.cache.l2.operations.get *= 2,
            "l2_operations{operation=get}",
            "l2_operations{operation=get} rose 10000 → 20000 (+100 %)",
        ),
        (
            |report| report.cache.l1.bytes += 300_000,
            "l1_bytes",
            "l1_bytes rose 3.0 MB → 3.3 MB (+10 %)",
        ),
        (
            |report| report.idp.redundant_token_requests += 1,
            "redundant_token_requests",
            "redundant_token_requests rose 2 → 3",
        ),
        (
            |report| report.oracle.wrong_token = 1,
            "wrong_token",
            "wrong_token rose 0 → 1",
        ),
    ];
    for (edit, name, expected) in cases {
        let beside = held(edit, &[]);
        assert!(beside.is_red(), "{name}");
        assert_eq!(named(&beside, name), Change::Regressed, "{name}");
        let told = why::why(&beside).unwrap();
        assert!(told.contains(expected), "{name}: {told}");
    }
}

#[test]
fn a_budget_lets_a_number_get_that_much_worse_and_no_more() {
    let edit: Edit = |report| report.cache.l1.bytes += 300_000;
    for (budget, expected) in [
        (Budget::Relative(0.10), Change::WithinBudget),
        (Budget::Relative(0.09), Change::Regressed),
        (Budget::Absolute(300_000.0), Change::WithinBudget),
        (Budget::Absolute(299_999.0), Change::Regressed),
    ] {
        let beside = held(edit, &[("l1_bytes", budget)]);
        assert_eq!(named(&beside, "l1_bytes"), expected, "{budget:?}");
    }
}

#[test]
fn better_is_green_and_another_load_is_red() {
    let beside = held(|report| report.cache.l1.bytes -= 1, &[]);
    assert_eq!(named(&beside, "l1_bytes"), Change::Improved);
    assert!(!beside.is_red());
    let beside = held(|report| report.load.offered += 1, &[]);
    assert_eq!(named(&beside, "offered"), Change::OtherLoad);
    assert!(beside.is_red());
    let beside = held(|report| report.totals.coalesced += 1, &[]);
    assert_eq!(named(&beside, "coalesced"), Change::Changed);
    assert!(!beside.is_red());
}

#[test]
fn a_number_that_is_gone_or_new_is_red() {
    // The provider's ledger could not be read: its counts are gone.
    let beside = held(|report| report.ledger.server_side = None, &[]);
    assert_eq!(named(&beside, "idp_calls_per_1k"), Change::Gone);
    assert_eq!(beside.checks[0].change, Change::Gone, "worst first");
    let mut baseline = Baseline::of(&[large()], BTreeMap::new()).unwrap();
    let numbers = &mut baseline.runs[0].numbers;
    numbers.insert("number_of_old".to_owned(), 1.0);
    let beside = hold(&large(), &baseline).unwrap();
    assert_eq!(named(&beside, "number_of_old"), Change::Gone);
    assert!(beside.is_red());
    let mut baseline = Baseline::of(&[large()], BTreeMap::new()).unwrap();
    baseline.runs[0].numbers.remove("l1_bytes");
    let beside = hold(&large(), &baseline).unwrap();
    assert_eq!(named(&beside, "l1_bytes"), Change::New);
    assert!(beside.is_red());
}

#[test]
fn nothing_becomes_something_without_dividing_by_zero() {
    let edit: Edit = |report| report.totals.errors = 3;
    let beside = held(edit, &[("errors", Budget::Relative(10.0))]);
    assert_eq!(named(&beside, "errors"), Change::Regressed);
    let errors = beside.checks.iter().find(|check| check.name == "errors");
    assert_eq!(errors.map(relative), Some(f64::INFINITY));
}

#[test]
fn a_seed_the_baseline_does_not_have_is_not_held() {
    let baseline = Baseline::of(&[large()], BTreeMap::new()).unwrap();
    let mut other = large();
    other.seed += 1;
    assert!(hold(&other, &baseline).is_none());
}
