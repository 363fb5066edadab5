//! What a good scenario becomes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use loadgen::scenario::Overrides;
use loadgen::scenario::load::parse;
use loadgen::scenario::plan::{
    Affinity, Arrivals, EmbeddedIdpPlan, Flow, Group, IdpLatencies, IdpPlan, L1Plan, L2Plan,
    LatencyPlan, Load, Mode, Plan, Popularity, PresetPlan, RatePlan, SessionsPlan, SigningPlan,
    Start, StorePlan, UserTokens, WhenFull,
};
use loadgen::scenario::units::Bytes;

fn plan(text: &str, overrides: &Overrides) -> Plan {
    parse(Path::new("some/smallest.yaml"), text.as_bytes(), overrides)
        .unwrap_or_else(|error| panic!("{error}"))
}

const SMALLEST: &str = "\
version: 1
duration: 10s
traffic:
  - flow: client_credentials
    rate: 200/s
";

const EVERYTHING: &str = "\
version: 1
name: everything
description: Every key at once
seed: 7
duration: 1h30m
warmup: 5m
graceful_stop: 0s
acquire_timeout: 1s
max_in_flight: 99
idp: { expires_in: 301s, latency: { token: { uniform: { min: 1ms, max: 3ms } } } }
cache:
  preset: msal_net
  l1: { size_limit: 64MiB }
  l2: { store: memory, size_limit: 1GB, latency: { fixed: 2ms }, sliding_expiration: 20m }
fleet: { instances: 3, affinity: user }
population:
  tenants: 5
  applications: { count: 2 }
  users: { count: 1000, popularity: { zipf: 1.1 } }
  resources: { count: 4, popularity: uniform }
traffic:
  - { name: batch, flow: on_behalf_of, arrivals: constant, rate: 30/min }
thresholds:
  - p50(acquire{flow=batch}) < 50ms
";

/// The default provider but for these two.
fn embedded(expires_in: Duration, token: LatencyPlan) -> EmbeddedIdpPlan {
    EmbeddedIdpPlan {
        signing: SigningPlan::Rs256,
        token_pool: None,
        expires_in,
        lifetime_jitter: Duration::ZERO,
        refresh_in: None,
        refresh_token_lifetime: Duration::from_hours(90 * 24),
        managed_identity_lifetime: Duration::from_hours(24),
        refresh_tokens_once: false,
        application_lifetimes: vec![],
        user_tokens: UserTokens::Small,
        latency: IdpLatencies {
            token,
            authorize: LatencyPlan::None,
            discovery: LatencyPlan::None,
            keys: LatencyPlan::None,
            instance_discovery: LatencyPlan::None,
        },
        throttles: vec![],
    }
}

/// The steady rate of a flow, a second.
fn steady(load: &Load) -> (Arrivals, f64) {
    match load {
        Load::Rate(RatePlan {
            arrivals,
            rate,
            stages,
        }) if stages.is_empty() => (*arrivals, rate.per_second()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_smallest_scenario_is_five_lines_and_everything_else_has_a_default() {
    let plan = plan(SMALLEST, &Overrides::default());
    assert_eq!(plan.name, "smallest");
    assert_eq!(plan.file, PathBuf::from("some/smallest.yaml"));
    assert_eq!((plan.seed, plan.max_in_flight), (42, 10_000));
    assert_eq!(
        (plan.duration, plan.graceful_stop, plan.acquire_timeout),
        (
            Duration::from_secs(10),
            Duration::from_secs(5),
            Duration::from_secs(30)
        )
    );
    assert_eq!((plan.mode, plan.when_full), (Mode::Real, WhenFull::Drop));
    assert!(matches!(plan.start, Start::Cold));
    let idp = embedded(Duration::from_secs(3_600), LatencyPlan::None);
    assert_eq!(plan.idp, IdpPlan::Embedded(Box::new(idp)));
    assert_eq!(plan.cache.policy, token_cache::Policy::RECOMMENDED);
    assert!(plan.faults.is_empty() && plan.twin.is_none() && !plan.is_twin);
    assert_eq!(plan.cache.preset, PresetPlan::Recommended);
    assert_eq!(
        plan.cache.l1,
        Some(L1Plan {
            size_limit: Bytes::new(500_000_000)
        })
    );
    assert_eq!(plan.cache.l2, None);
    assert_eq!(
        (plan.fleet.instances, plan.fleet.affinity),
        (1, Affinity::None)
    );
    let one = Group::of(1);
    let population = &plan.population;
    assert_eq!(
        [
            population.tenants,
            population.applications,
            population.users,
            population.resources
        ],
        [one; 4]
    );
    assert_eq!(plan.traffic.len(), 1);
    let flow = &plan.traffic[0];
    assert_eq!(
        (&*flow.name, flow.flow, steady(&flow.load)),
        (
            "client_credentials",
            Flow::ClientCredentials,
            (Arrivals::Poisson, 200.0)
        )
    );
    assert_eq!(population.sessions, SessionsPlan::ONE);
    assert!(plan.thresholds.is_empty());
}

#[test]
fn every_key_reaches_the_plan() {
    let plan = plan(EVERYTHING, &Overrides::default());
    assert_eq!(
        (plan.name.as_str(), plan.seed, plan.max_in_flight),
        ("everything", 7, 99)
    );
    assert_eq!(
        (plan.duration, plan.graceful_stop, plan.acquire_timeout),
        (
            Duration::from_secs(5_400),
            Duration::ZERO,
            Duration::from_secs(1)
        )
    );
    assert_eq!(plan.warmup, Some(Duration::from_secs(300)));
    let ms = Duration::from_millis;
    let token_latency = LatencyPlan::Uniform {
        min: ms(1),
        max: ms(3),
    };
    assert_eq!(
        plan.idp,
        IdpPlan::Embedded(Box::new(embedded(Duration::from_secs(301), token_latency)))
    );
    assert_eq!(plan.cache.preset, PresetPlan::MsalNet);
    assert_eq!(
        plan.cache.l1,
        Some(L1Plan {
            size_limit: Bytes::new(64 << 20)
        })
    );
    let store = StorePlan::Memory {
        size_limit: Bytes::new(1_000_000_000),
        latency: LatencyPlan::Fixed(ms(2)),
    };
    assert_eq!(
        plan.cache.l2,
        Some(L2Plan {
            store,
            sliding_expiration: Some(Duration::from_secs(1_200))
        })
    );
    assert_eq!(
        (plan.fleet.instances, plan.fleet.affinity),
        (3, Affinity::User)
    );
    let uniform = Group::of;
    let population = &plan.population;
    assert_eq!(
        [
            population.tenants,
            population.applications,
            population.resources
        ],
        [uniform(5), uniform(2), uniform(4)]
    );
    assert_eq!(
        population.users,
        Group {
            popularity: Popularity::Zipf { exponent: 1.1 },
            ..Group::of(1_000)
        }
    );
    let flow = &plan.traffic[0];
    assert_eq!(
        (&*flow.name, flow.flow, steady(&flow.load)),
        ("batch", Flow::OnBehalfOf, (Arrivals::Constant, 0.5))
    );
    let threshold = &plan.thresholds[0];
    assert_eq!(
        (
            threshold.expression.as_str(),
            threshold.line,
            threshold.column
        ),
        ("p50(acquire{flow=batch}) < 50ms", 24, 5)
    );
}

#[test]
fn layers_can_be_left_out_and_the_provider_can_be_elsewhere() {
    let text = format!(
        "{SMALLEST}cache: {{ l1: none, l2: none }}\nidp: {{ url: 'https://localhost:8443/', ca: ca.pem }}\n"
    );
    let plan = plan(&text, &Overrides::default());
    assert_eq!((plan.cache.l1, plan.cache.l2), (None, None));
    let external = IdpPlan::External {
        url: "https://localhost:8443".to_owned(),
        ca: PathBuf::from("ca.pem"),
    };
    assert_eq!(plan.idp, external);
}

#[test]
fn every_spelling_of_a_latency_is_taken() {
    let ms = Duration::from_millis;
    let cases = [
        ("none", LatencyPlan::None),
        ("0s", LatencyPlan::None),
        ("40ms", LatencyPlan::Fixed(ms(40))),
        ("{ fixed: 40ms }", LatencyPlan::Fixed(ms(40))),
        (
            "{ uniform: { min: 0s, max: 2ms } }",
            LatencyPlan::Uniform {
                min: ms(0),
                max: ms(2),
            },
        ),
        (
            "{ exponential: 5ms }",
            LatencyPlan::Exponential { mean: ms(5) },
        ),
        (
            "{ empirical: [1ms, 4ms, 4ms] }",
            LatencyPlan::Empirical([ms(1), ms(4), ms(4)].into()),
        ),
        (
            "{ lognormal: { median: 40ms, p99: 250ms } }",
            LatencyPlan::LogNormal {
                median: ms(40),
                p99: ms(250),
            },
        ),
    ];
    for (spelling, expected) in cases {
        let plan = plan(
            SMALLEST,
            &Overrides {
                set: vec![format!("idp.latency.token={spelling}")],
                ..Overrides::default()
            },
        );
        let IdpPlan::Embedded(idp) = plan.idp else {
            panic!("{spelling}")
        };
        assert_eq!(idp.latency.token, expected, "{spelling}");
    }
}

#[test]
fn overrides_change_the_plan_and_not_the_hash() {
    let set = [
        "seed=1",
        "duration=2s",
        "traffic[0].rate=5/s",
        "cache.l2={store: memory}",
    ];
    let overrides = Overrides {
        seed: Some(9),
        set: set.map(str::to_owned).to_vec(),
        ..Overrides::default()
    };
    let (base, changed) = (
        plan(SMALLEST, &Overrides::default()),
        plan(SMALLEST, &overrides),
    );
    assert_eq!(
        (changed.seed, changed.duration),
        (9, Duration::from_secs(2))
    );
    assert_eq!(steady(&changed.traffic[0].load), (Arrivals::Poisson, 5.0));
    assert!(changed.cache.l2.is_some());
    assert_eq!(base.hash, changed.hash);
}

#[test]
fn the_hash_is_sha_256_of_the_bytes() {
    // printf '...' | sha256sum
    assert_eq!(
        plan(SMALLEST, &Overrides::default()).hash,
        "b5826069e7944ea9450a16e7fcfea01159e0cbd276f7b6ff727779e5383e33d3"
    );
}

#[test]
fn anchors_save_repetition() {
    let text = "\
version: 1
duration: 10s
population: { tenants: &heavy { count: 9, popularity: { zipf: 0.9 } }, users: *heavy }
traffic:
  - { flow: client_credentials, rate: 200/s }
";
    let plan = plan(text, &Overrides::default());
    assert_eq!(plan.population.tenants, plan.population.users);
    assert_eq!(plan.population.users.count, 9);
}
