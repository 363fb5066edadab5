//! Token requests that fail on their way and are sent again.

use loadgen::scenario::plan::Mode;

use crate::lab::{plan, report};

const RETRIED: &str = "
version: 1
duration: 30m
idp: { expires_in: 10m, latency: { token: 100ms } }
population: { tenants: 50 }
traffic:
  - { flow: client_credentials, rate: 2/s }
faults:
  - { at: 0s, for: 30m, idp: { status: 503, share: 30% } }
";

#[test]
fn requests_that_are_sent_again_are_in_both_ledgers() {
    let run = report(&plan(RETRIED, 5, &[]), Mode::Virtual);
    let totals = &run.totals;
    assert!(run.ledger.balanced, "{:?}", run.ledger);
    assert_eq!(Some(run.ledger.client_side), run.ledger.server_side);
    // MSAL sends a request once more after a 5xx, so that one in eleven fails for good where
    // three in ten do; and whoever waited for it fails with it.
    let tokens = totals.token_source.identity_provider;
    let refused = run.idp.by_status["503"];
    assert_eq!(run.ledger.client_side, tokens + refused);
    let failed = refused as f64 / run.ledger.client_side as f64;
    assert!((failed - 0.3).abs() < 0.08, "{failed}");
    let for_good = totals.errors as f64 / (totals.errors + tokens) as f64;
    assert!((0.03..0.18).contains(&for_good), "{for_good}");
    let off = ["cache.policy={ http_retry: off }"];
    let off = report(&plan(RETRIED, 5, &off), Mode::Virtual);
    assert!(off.ledger.balanced, "{:?}", off.ledger);
    let of_off = off.totals.errors;
    assert!(of_off > 2 * totals.errors, "{of_off} {}", totals.errors);
}
