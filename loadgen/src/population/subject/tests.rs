//! Whom arrivals are about.

use std::collections::HashMap;
use std::path::Path;

use super::*;
use crate::scenario::Overrides;
use crate::scenario::load::parse;
use crate::scenario::plan::PopulationPlan;

const SCENARIO: &str = "
version: 1
duration: 10s
fleet: { instances: 4 }
population:
  tenants: { count: 20, popularity: { zipf: 0.9 } }
  applications: 3
  users: { count: 2000, popularity: { zipf: 0.9 } }
  resources: 2
traffic:
  - { flow: client_credentials, rate: 1/s }
  - { flow: on_behalf_of, rate: 1/s }
";

fn plan(seed: u64) -> Plan {
    let overrides = Overrides {
        seed: Some(seed),
        ..Overrides::default()
    };
    parse(
        Path::new("population.yaml"),
        SCENARIO.as_bytes(),
        &overrides,
    )
    .unwrap()
}

/// An arrival of which only the number matters.
fn nth(number: u64) -> Arrival {
    Arrival::numbered(0, number, Duration::ZERO)
}

#[test]
fn sessions_of_users_have_the_median_and_the_tail_that_were_asked_for() {
    let plan = Plan {
        population: PopulationPlan {
            sessions: SessionsPlan {
                median: 4.0,
                p99: 40.0,
                most: 300,
            },
            ..plan(42).population
        },
        ..plan(42)
    };
    let population = Population::new(&plan);
    let count = |user| population.session_count(user);
    let mut counts: Vec<u32> = (0..100_000).map(count).collect();
    assert_eq!(count(17), counts[17], "a user's count is drawn once");
    counts.sort_unstable();
    let of_hundred = |percent: usize| f64::from(counts[percent * 1_000]);
    assert!((of_hundred(50) - 4.0).abs() < 0.5, "{}", of_hundred(50));
    // The standard error of this quantile is a fiftieth of it.
    assert!(
        (of_hundred(99) / 40.0 - 1.0).abs() < 0.08,
        "{}",
        of_hundred(99)
    );
    // Lognormal: what the two quantiles say of a third.
    let p90 = 4.0 * (10.0_f64.ln() / Z99 * 1.281_55).exp();
    assert!(
        (of_hundred(90) / p90 - 1.0).abs() < 0.08,
        "{} {p90}",
        of_hundred(90)
    );
    assert!(counts[0] == 1 && counts[99_999] <= 300);
}

#[test]
fn a_subject_depends_on_nothing_but_seed_flow_and_number() {
    let population = Population::new(&plan(42));
    let flow = population.of_flow("obo", Flow::OnBehalfOf);
    let forwards: Vec<Subject> = (0..100).map(|number| flow.subject(&nth(number))).collect();
    let mut backwards: Vec<Subject> = (0..100)
        .rev()
        .map(|number| flow.subject(&nth(number)))
        .collect();
    backwards.reverse();
    assert_eq!(forwards, backwards);
    let other_seed = Population::new(&plan(43));
    assert_ne!(
        forwards[..20],
        (0..20)
            .map(|number| other_seed
                .of_flow("obo", Flow::OnBehalfOf)
                .subject(&nth(number)))
            .collect::<Vec<_>>()
    );
    assert_ne!(
        forwards[..20],
        (0..20)
            .map(|number| population
                .of_flow("web", Flow::OnBehalfOf)
                .subject(&nth(number)))
            .collect::<Vec<_>>()
    );
}

/// These values are what a seed means, as in `stream.rs`.
#[test]
fn the_first_subjects_of_seed_42_stay_what_they_are() {
    let population = Population::new(&plan(42));
    let show = |name: &str, flow: Flow| {
        let flow = population.of_flow(name, flow);
        let subjects = (0..4).map(|number| flow.subject(&nth(number)));
        let shown = subjects.map(|subject| {
            let Subject {
                tenant,
                application,
                user,
                resource,
                instance_draw,
                ..
            } = subject;
            let user = user.map_or("-".to_owned(), |user| user.to_string());
            format!(
                "{tenant}/{application}/{user}/{resource}/{}",
                instance_draw % 4
            )
        });
        shown.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        show("client_credentials", Flow::ClientCredentials),
        "2/1/-/0/1 1/1/-/0/0 8/1/-/1/2 14/1/-/1/2"
    );
    assert_eq!(
        show("on_behalf_of", Flow::OnBehalfOf),
        "15/0/118/1/3 14/1/91/0/3 7/1/11/1/0 2/0/3/0/0"
    );
}

#[test]
fn a_user_has_one_home_and_popular_tenants_have_more_users() {
    let population = Population::new(&plan(42));
    let web = population.of_flow("web", Flow::AuthorizationCode);
    let obo = population.of_flow("obo", Flow::OnBehalfOf);
    let mut homes: HashMap<u32, u32> = HashMap::new();
    for number in 0..20_000 {
        for subject in [web.subject(&nth(number)), obo.subject(&nth(number))] {
            let user = subject.user.unwrap();
            assert_eq!(
                *homes.entry(user).or_insert(subject.tenant),
                subject.tenant,
                "user {user}"
            );
        }
    }
    let users_of = |tenant: u32| homes.values().filter(|home| **home == tenant).count();
    assert!(
        users_of(0) > 3 * users_of(19),
        "{} and {}",
        users_of(0),
        users_of(19)
    );
}

#[test]
fn app_only_flows_have_no_user() {
    let population = Population::new(&plan(42));
    let flow = population.of_flow("client_credentials", Flow::ClientCredentials);
    assert!((0..100).all(|number| flow.subject(&nth(number)).user.is_none()));
}

/// What of a subject should decide its instance.
type Key = fn(&Subject) -> u32;

#[test]
fn affinity_keeps_what_it_promises() {
    let population = Population::new(&plan(42));
    let flow = population.of_flow("obo", Flow::OnBehalfOf);
    let subjects: Vec<Subject> = (0..2_000)
        .map(|number| flow.subject(&nth(number)))
        .collect();
    let cases: [(Affinity, Key, bool); 3] = [
        (Affinity::None, |subject| subject.tenant, false),
        (Affinity::Tenant, |subject| subject.tenant, true),
        (Affinity::User, |subject| subject.user.unwrap(), true),
    ];
    for (affinity, key, sticks) in cases {
        let fleet = FleetPlan {
            instances: 4,
            affinity,
        };
        let mut instance_of: HashMap<u32, usize> = HashMap::new();
        let mut stuck = true;
        let mut load = [0_u32; 4];
        for subject in &subjects {
            let instance = subject.instance(&fleet);
            load[instance] += 1;
            stuck &= *instance_of.entry(key(subject)).or_insert(instance) == instance;
        }
        assert_eq!(stuck, sticks, "{affinity:?}");
        assert!(
            load.iter().all(|count| *count > 50),
            "{affinity:?}: {load:?}"
        );
    }
}
