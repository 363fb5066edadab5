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
use token_cache::Policy;
use token_cache::policy::{
    Accessor, Caching, ExtendedLifetime, Flight, HttpRetry, Jitter, L1Eviction, L2Conflict,
    L2Failure, L2Guard, L2Touch, L2Write, Plaintext, Refresh, StaleL1, Throttle, Unreadable,
};

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

/// A choice as it is written, and what it does to a preset's policy.
type Switch = (&'static str, fn(&mut Policy));

const SWITCHES: [Switch; 37] = [
    ("caching: on", |policy| policy.caching = Caching::On),
    ("caching: disabled", |policy| {
        policy.caching = Caching::Disabled;
    }),
    ("flight: per_key", |policy| policy.flight = Flight::PerKey),
    ("flight: none", |policy| policy.flight = Flight::None),
    ("refresh: background", |_| ()),
    ("refresh: off", |policy| policy.refresh = Refresh::Off),
    ("refresh_jitter: per_token", |policy| {
        policy.refresh = refresh(Some(Jitter::PerToken), None, policy.refresh);
    }),
    ("refresh_jitter: per_call", |policy| {
        policy.refresh = refresh(Some(Jitter::PerCall), None, policy.refresh);
    }),
    ("refresh_flight: per_key", |policy| {
        policy.refresh = refresh(None, Some(Flight::PerKey), policy.refresh);
    }),
    ("refresh_flight: none", |policy| {
        policy.refresh = refresh(None, Some(Flight::None), policy.refresh);
    }),
    ("extended_lifetime: ignored", |policy| {
        policy.extended_lifetime = ExtendedLifetime::Ignored;
    }),
    ("extended_lifetime: honoured", |policy| {
        policy.extended_lifetime = ExtendedLifetime::Honoured;
    }),
    ("l2_touch: always", |policy| {
        policy.l2_touch = L2Touch::Always;
    }),
    ("l2_touch: only_if_sliding", |policy| {
        policy.l2_touch = L2Touch::OnlyIfSliding;
    }),
    ("l2_touch: never", |policy| policy.l2_touch = L2Touch::Never),
    ("stale_l1: ask_l2", |policy| {
        policy.stale_l1 = StaleL1::AskL2;
    }),
    ("stale_l1: ask_identity_provider", |policy| {
        policy.stale_l1 = StaleL1::AskIdentityProvider;
    }),
    ("l1_eviction: least_useful", |policy| {
        policy.l1_eviction = L1Eviction::LeastUseful;
    }),
    ("l1_eviction: reject_new", |policy| {
        policy.l1_eviction = L1Eviction::RejectNew;
    }),
    ("l2_write: awaited", |policy| {
        policy.l2_write = L2Write::Awaited;
    }),
    ("l2_write: detached", |policy| {
        policy.l2_write = L2Write::Detached;
    }),
    ("l2_conflict: merge", |policy| {
        policy.l2_conflict = L2Conflict::Merge;
    }),
    ("l2_conflict: last_writer_wins", |policy| {
        policy.l2_conflict = L2Conflict::LastWriterWins;
    }),
    ("l2_failure: give_up", |policy| {
        policy.l2_failure = L2Failure::GiveUp;
    }),
    ("l2_failure: retry_once", |policy| {
        policy.l2_failure = L2Failure::RetryOnce;
    }),
    ("l2_guard: off", |policy| policy.l2_guard = L2Guard::Off),
    (
        "l2_guard: { timeout: 20ms, failures: 3, rest: 7s }",
        |policy| {
            policy.l2_guard = L2Guard::TimeoutAndBreaker {
                timeout: Duration::from_millis(20),
                failures: 3,
                rest: Duration::from_secs(7),
            };
        },
    ),
    ("unreadable: miss", |policy| {
        policy.unreadable = Unreadable::Miss;
    }),
    ("unreadable: error", |policy| {
        policy.unreadable = Unreadable::Error;
    }),
    ("plaintext: refused", |policy| {
        policy.plaintext = Plaintext::Refused;
    }),
    ("plaintext: accepted", |policy| {
        policy.plaintext = Plaintext::Accepted;
    }),
    ("accessor: snapshot", |policy| {
        policy.accessor = Accessor::Snapshot;
    }),
    ("accessor: shared", |policy| {
        policy.accessor = Accessor::Shared;
    }),
    ("throttle: remembered", |policy| {
        policy.throttle = Throttle::Remembered;
    }),
    ("throttle: ignored", |policy| {
        policy.throttle = Throttle::Ignored;
    }),
    ("http_retry: as_msal", |policy| {
        policy.http_retry = HttpRetry::AsMsal;
    }),
    ("http_retry: off", |policy| {
        policy.http_retry = HttpRetry::Off;
    }),
];

/// A preset's way to refresh with one part of it chosen.
fn refresh(jitter: Option<Jitter>, flight: Option<Flight>, preset: Refresh) -> Refresh {
    match preset {
        Refresh::Background {
            jitter: of_preset,
            flight: flight_of_preset,
        } => Refresh::Background {
            jitter: jitter.unwrap_or(of_preset),
            flight: flight.unwrap_or(flight_of_preset),
        },
        Refresh::Off => panic!("no preset has it off"),
    }
}

#[test]
fn each_policy_switch_changes_what_it_names_and_nothing_else() {
    for (preset, policy) in [
        ("recommended", Policy::RECOMMENDED),
        ("msal_net", Policy::MSAL_NET),
    ] {
        let mut changed = 0;
        for (written, change) in SWITCHES {
            let text = format!(
                "{SMALLEST}cache: {{ preset: {preset}, l2: {{ store: memory }}, encryption: true, \
                 policy: {{ {written} }} }}\n"
            );
            let mut expected = policy;
            change(&mut expected);
            let found = plan(&text, &Overrides::default()).cache.policy;
            assert_eq!(found, expected, "{preset}, {written}");
            changed += usize::from(expected != policy);
        }
        // Each key has a value that is not the preset's.
        assert!(changed >= 18, "{preset}: {changed}");
    }
}
