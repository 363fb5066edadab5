//! Every alert fires when the trouble it is for is made, and clears when it ends.
//! The rules are those of `dashboards/prometheus/rehearsal`, the same as for
//! production with windows of seconds.
//!
//! | alert | trouble |
//! |---|---|
//! | budget burns, slow acquisitions, spike in HTTP | a fault of mock-idp: token requests take 1.5 s longer |
//! | low hit ratio | a fleet that starts cold before many tenants, and warms up |
//! | redundant requests | the same fleet: `msal_net` has no single flight and L1s do not know each other |
//! | growing cache | the same fleet, while it warms up |
//! | L2 failing, spike in the cache | a store that is down, or slow |
//! | metrics absent | a run is killed, and started again |
//! | generator late | a run is stopped (SIGSTOP) for three seconds |

use std::fs;
use std::path::Path;

use crate::idp::MockIdp;
use crate::panels::start;
use crate::program::Lab;
use crate::prometheus::Prometheus;
use crate::service::{Service, Trouble};

/// Misses that never end: ten thousand tenants, all alike.
fn missing(idp: &MockIdp) -> String {
    format!(
        "version: 1\nname: missing\nduration: 1h\n{}\n\
         population: {{ tenants: 1000000 }}\n\
         traffic:\n  - {{ flow: client_credentials, rate: 20/s }}\n",
        idp.section()
    )
}

/// Cold, then warm within a minute and a half; two instances that share nothing
/// ask the provider for the same tokens. Were growth to go on as it begins, it
/// would reach their bound: 500 entries of 1.7 kB each, in 1 MB each.
fn warming(idp: &MockIdp) -> String {
    format!(
        "version: 1\nname: warming\nduration: 1h\n{}\n\
         cache: {{ preset: msal_net, l1: {{ size_limit: 1MB }} }}\n\
         fleet: {{ instances: 2, affinity: none }}\n\
         population: {{ tenants: 500 }}\n\
         traffic:\n  - {{ flow: client_credentials, rate: 80/s }}\n",
        idp.section()
    )
}

fn names() -> Vec<String> {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../dashboards/prometheus/rehearsal/alerts.rules.yml");
    let rules = fs::read_to_string(rules).unwrap();
    let lines = rules.lines();
    lines
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .map(str::to_owned)
        .collect()
}

/// Waits for each alert to fire, and keeps book.
struct Rehearsal<'a> {
    prometheus: &'a Prometheus,
    rehearsed: Vec<String>,
    /// When the trouble began, in Prometheus' time.
    since: f64,
}

impl Rehearsal<'_> {
    /// Trouble begins now; an alert that fires before it has begun says nothing.
    fn begin(&mut self, alerts: &[&str]) {
        let firing = self.prometheus.firing();
        for alert in alerts {
            let fires = firing.iter().any(|one| one == alert);
            assert!(!fires, "{alert} fires before its trouble begins");
        }
        self.since = self.prometheus.now();
    }

    /// Some fire for a few seconds only, until what is new has become usual: those
    /// that fired since the trouble began count.
    fn fires(&self, alerts: &[&str]) {
        for alert in alerts {
            let what = format!("{alert} does not fire");
            self.prometheus.wait_until(90, &what, |now| {
                now.fired_since(self.since).iter().any(|one| one == alert)
            });
        }
    }

    fn clears(&mut self, alerts: &[&str]) {
        for alert in alerts {
            let what = format!("{alert} does not clear");
            self.prometheus.wait_until(120, &what, |now| {
                !now.firing().iter().any(|one| one == alert)
            });
            let (name, _) = alert.split_once('/').unwrap();
            self.rehearsed.push(name.to_owned());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_alert_fires_when_it_should_and_clears_when_it_may() {
    let (down, slow) = (Service::start(), Service::start());
    tokio::task::spawn_blocking(move || rehearse(&down, &slow))
        .await
        .unwrap();
}

fn rehearse(down: &Service, slow: &Service) {
    let lab = Lab::new();
    // Each run has a provider of its own, so that a fault meets one alone.
    for name in ["a", "b"] {
        fs::create_dir_all(lab.path(name)).unwrap();
    }
    let (slow_idp, warm_idp) = (
        MockIdp::serve(&lab.path("a")),
        MockIdp::serve(&lab.path("b")),
    );
    let (missing_run, missing_at) = start(&lab, "missing.yaml", &missing(&slow_idp), 0);
    let targets = |warming_at: &str| {
        [
            ("missing".to_owned(), missing_at.clone()),
            ("warming".to_owned(), warming_at.to_owned()),
            ("warm-idp".to_owned(), warm_idp.http.clone()),
            ("down".to_owned(), down.address()),
            ("slow".to_owned(), slow.address()),
        ]
    };
    let (warming_run, warming_at) = start(&lab, "warming.yaml", &warming(&warm_idp), 0);
    let targets = targets(&warming_at);
    let targets: Vec<_> = targets
        .iter()
        .map(|(job, address)| (job.as_str(), address.as_str(), "/metrics"))
        .collect();
    let prometheus = Prometheus::scraping(&lab.path(""), &targets, "rehearsal");
    let mut rehearsal = Rehearsal {
        prometheus: &prometheus,
        rehearsed: Vec::new(),
        since: 0.0,
    };

    // A cold start: excused at first, then noticed, then over.
    let cold = [
        "TokenCacheGrowing/warming",
        "MockIdpRedundantRequests/warm-idp",
        "TokenCacheHitRatioLow/warming",
    ];
    rehearsal.begin(&[]);
    rehearsal.fires(&cold);
    rehearsal.clears(&cold);

    // The provider is slow, one store is down, another slow.
    let trouble = [
        "TokenHttpDurationSpike/missing",
        "TokenAcquisitionSlow/missing",
        "TokenAcquisitionBudgetFastBurn/missing",
        "TokenAcquisitionBudgetSlowBurn/missing",
        "TokenCacheL2Failing/down",
        "TokenCacheDurationSpike/slow",
    ];
    rehearsal.begin(&trouble);
    slow_idp.fault(
        r#"{ "name": "slow", "match": { "endpoint": "token" }, "trigger": { "when": "always" },
             "fault": { "kind": "latency", "add": "fixed:1500ms" } }"#,
    );
    down.trouble(Trouble::Down);
    slow.trouble(Trouble::Slow);
    rehearsal.fires(&trouble);
    slow_idp.end_fault("slow");
    down.trouble(Trouble::None);
    slow.trouble(Trouble::None);
    rehearsal.clears(&trouble);

    // A generator that is held up.
    rehearsal.begin(&["LoadgenBehindSchedule/missing"]);
    missing_run.signal("STOP");
    std::thread::sleep(std::time::Duration::from_secs(3));
    missing_run.signal("CONT");
    rehearsal.fires(&["LoadgenBehindSchedule/missing"]);
    rehearsal.clears(&["LoadgenBehindSchedule/missing"]);

    // A service that is gone, and comes back at the same place.
    rehearsal.begin(&["TokenCacheMetricsAbsent/warming"]);
    drop(warming_run);
    rehearsal.fires(&["TokenCacheMetricsAbsent/warming"]);
    let port = warming_at.rsplit(':').next().unwrap().parse().unwrap();
    let (_back, _) = start(&lab, "warming.yaml", &warming(&warm_idp), port);
    rehearsal.clears(&["TokenCacheMetricsAbsent/warming"]);

    let mut rehearsed = rehearsal.rehearsed;
    rehearsed.sort();
    let mut all = names();
    all.sort();
    assert_eq!(rehearsed, all, "an alert is not rehearsed");
}
