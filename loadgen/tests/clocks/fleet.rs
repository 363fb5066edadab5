//! Instances that come and go with an L1 of their own, and some that share a file.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use loadgen::scenario::plan::Mode;

use crate::lab::{plan, report};

const SCALED: &str = "
version: 1
duration: 3m
idp: { expires_in: 24h, latency: { token: 100ms } }
fleet: { instances: 1, scale: [{ at: 1m, to: 3 }, { at: 2m, to: 1 }] }
traffic:
  - { flow: client_credentials, arrivals: constant, rate: 10/s }
";

#[test]
fn instances_that_join_begin_empty_and_those_that_leave_take_their_l1_along() {
    let scaled = report(&plan(SCALED, 3, &[]), Mode::Virtual);
    // One token for all: whoever joins fetches it again, and nobody else does.
    assert_eq!(scaled.totals.token_source.identity_provider, 3);
    assert_eq!(scaled.idp.token_requests, 3);
    assert!(scaled.ledger.balanced, "{:?}", scaled.ledger);
    assert_eq!(scaled.load.ok, 1_800);
    let entries = |second: usize| scaled.series.intervals[second].l1_entries;
    assert_eq!([30, 90, 150].map(entries), [1, 3, 1]);

    // What they share spares them the fetch.
    let shared = ["cache.l2={ store: memory }"];
    let shared = report(&plan(SCALED, 3, &shared), Mode::Virtual);
    assert_eq!(shared.idp.token_requests, 1);
    assert_eq!(shared.totals.cache_level.l2, 2);
}

const ON_DISK: &str = "
version: 1
duration: 3s
idp: { expires_in: 1h, latency: { token: 20ms } }
fleet: { instances: 3 }
population: { tenants: 20 }
traffic:
  - { flow: client_credentials, rate: 40/s }
";

#[test]
fn instances_may_share_a_cache_in_a_file_as_programs_of_a_desktop_do() {
    let directory = std::env::temp_dir().join(format!("file-cache-{}", uuid::Uuid::new_v4()));
    fs::create_dir(&directory).unwrap();
    let file = directory.join("tokens");
    let cache = format!(
        "cache={{ provider: file, l1: none, l2: {{ store: file, url: {} }} }}",
        file.display()
    );
    let run = report(&plan(ON_DISK, 7, &[&cache]), Mode::Real);
    assert_eq!(run.totals.errors, 0, "{:?}", run.totals.errors_by_kind);
    assert_eq!((run.totals.cache_level.l1, run.cache.l2.errors), (0, 0));
    // One fetch a tenant for all three, but where two came at once.
    assert!((15..30).contains(&run.idp.token_requests), "{:?}", run.idp);
    assert!(
        run.totals.cache_level.l2 > 60,
        "{:?}",
        run.totals.cache_level
    );
    assert!(run.ledger.balanced, "{:?}", run.ledger);
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    fs::remove_dir_all(&directory).unwrap();
}
