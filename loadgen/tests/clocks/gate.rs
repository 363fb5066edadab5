//! What makes a gate red, and the one line that says why: runs of the real cache
//! in virtual time, held against the baseline of a good one.

use std::collections::BTreeMap;

use loadgen::gate::baseline::Baseline;
use loadgen::gate::exact::hold;
use loadgen::gate::why::why;
use loadgen::report::model::Report;
use loadgen::scenario::Plan;
use loadgen::scenario::plan::Mode;

use crate::lab::{plan, report};

/// A few thousand acquisitions over two instances and a shared store.
const SERVICE: &str = "
version: 1
duration: 10m
idp: { expires_in: 10m, latency: { token: 40ms } }
cache: { l2: { store: memory } }
fleet: { instances: 2 }
population: { tenants: 20 }
traffic: [{ flow: client_credentials, rate: 5/s }]
";

/// Whether the gate is red over `head`, and why.
fn gate(base: &Report, head: &Report) -> (bool, Option<String>) {
    let baseline = Baseline::of(std::slice::from_ref(base), BTreeMap::new()).unwrap();
    assert_eq!(baseline.mismatch(head), None);
    let beside = hold(head, &baseline).unwrap();
    (beside.is_red(), why(&beside))
}

/// A run of a plan that is not what its file says: another build, as it were.
fn built(change: impl Fn(&mut Plan)) -> Report {
    let mut plan = plan(SERVICE, 3, &[]);
    change(&mut plan);
    report(&plan, Mode::Virtual)
}

#[test]
fn a_regression_is_red_and_named_in_one_line_and_a_refactor_is_green() {
    let base = built(|_| {});
    assert_eq!(
        gate(&base, &built(|_| {})),
        (false, None),
        "nothing changed"
    );

    let red = |head: &Report, named: &[&str]| {
        let (is_red, why) = gate(&base, head);
        let why = why.unwrap_or_default();
        assert!(is_red, "{named:?}");
        assert!(!why.contains('\n'), "{why}");
        for name in named {
            assert!(why.contains(name), "{name}: {why}");
        }
        println!("{why}");
    };
    // One hit in a hundred is lost.
    let lost = built(|plan| plan.traffic[0].force_refresh = "1%".parse().unwrap());
    let hits = |run: &Report| run.totals.token_source.cache as f64;
    let share = 1.0 - hits(&lost) / hits(&base);
    assert!((0.005..0.02).contains(&share), "{share}");
    red(&lost, &["force_refresh_or_claims rose"]);
    // One call more to the provider for each thousand acquisitions.
    let calls = built(|plan| plan.traffic[0].force_refresh = "0.1%".parse().unwrap());
    let more = calls.ledger.client_side - base.ledger.client_side;
    assert!(
        (1..=9).contains(&more),
        "{more} of {}",
        base.totals.acquisitions
    );
    red(&calls, &["force_refresh_or_claims rose"]);
    // Instances that ask the provider where another's token is in L2.
    let stale = built(|plan| {
        plan.cache.policy.stale_l1 = token_cache::policy::StaleL1::AskIdentityProvider;
    });
    red(&stale, &["redundant_token_requests rose 0 →"]);
    // Operations on L2 that were not there.
    let touched = built(|plan| plan.cache.policy.l2_touch = token_cache::policy::L2Touch::Always);
    red(&touched, &["l2_operations{operation=refresh} rose"]);
    // What the report of such a build would say, and nothing else of it.
    let mut doubled = base.clone();
    doubled.cache.l2.operations.get *= 2;
    red(&doubled, &["l2_operations{operation=get} rose", "+100 %"]);
    let mut fatter = base.clone();
    fatter.cache.l1.bytes += fatter.cache.l1.bytes / 10;
    red(&fatter, &["l1_bytes rose", "+10"]);
    let mut blind = base.clone();
    blind.idp.max_concurrent_fetches_per_key = None;
    red(&blind, &["max_concurrent_fetches_per_key is gone"]);
}
