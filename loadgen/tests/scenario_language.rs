//! The forms of the scenario language beyond the everyday ones: what each
//! becomes, and what is said of it when it makes no sense.

use std::path::Path;
use std::time::Duration;

use loadgen::scenario::Overrides;
use loadgen::scenario::load::{LoadError, parse};
use loadgen::scenario::plan::{BurstPlan, Fault, InstanceFault, Load, Plan, Popularity, Stage};
use loadgen::scenario::units::Rate;

const GOOD: &str = "\
version: 1
duration: 10s
traffic:
  - { flow: client_credentials, rate: 200/s }
";

fn overrides(set: &[&str]) -> Overrides {
    Overrides {
        set: set.iter().map(|text| (*text).to_owned()).collect(),
        ..Overrides::default()
    }
}

fn plan(text: &str, overrides: &Overrides) -> Plan {
    parse(Path::new("x.yaml"), text.as_bytes(), overrides).unwrap_or_else(|error| panic!("{error}"))
}

/// `line:column message` of each problem.
fn said(text: &str, overrides: &Overrides) -> String {
    match parse(Path::new("x.yaml"), text.as_bytes(), overrides) {
        Ok(_) => String::new(),
        Err(LoadError::Invalid { problems, .. }) => problems
            .into_iter()
            .map(|problem| {
                format!(
                    "{}:{} {}",
                    problem.span.line, problem.span.column, problem.message
                )
            })
            .collect::<Vec<_>>()
            .join("; "),
        Err(error) => panic!("{error}"),
    }
}

/// Each line, added to a good scenario as its line 5, is told exactly this.
fn each(cases: &[(&str, &str)]) {
    for (line, expected) in cases {
        let found = said(&format!("{GOOD}{line}\n"), &Overrides::default());
        assert_eq!(found, *expected, "{line}");
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_rate_goes_through_its_stages() {
    let set = [
        "traffic[0]={flow: client_credentials, rate: 0/s, stages: [{to: 20/s, over: 4s}, {hold: 2s}, {to: 5/s}]}",
    ];
    let plan = plan(GOOD, &overrides(&set));
    let Load::Rate(rate) = &plan.traffic[0].load else {
        panic!("{:?}", plan.traffic[0].load)
    };
    let to = |rate: f64, over: u64| Stage {
        to: Rate::try_per_second(rate).unwrap(),
        over: seconds(over),
    };
    assert_eq!(rate.stages, [to(20.0, 4), to(20.0, 2), to(5.0, 0)]);
    // A triangle, a rectangle, and the last rate for the rest.
    assert!((rate.area(seconds(10)) - (40.0 + 40.0 + 20.0)).abs() < 1e-9);
    assert_eq!(plan.expected_arrivals(), Some(rate.area(seconds(10))));
}

#[test]
fn work_comes_one_way() {
    let traffic = |entry: &str| {
        said(
            &format!("version: 1\nduration: 10s\ntraffic:\n  - {{ flow: {entry} }}\n"),
            &Overrides::default(),
        )
    };
    for (entry, expected) in [
        (
            "on_behalf_of, rate: 1/s, bursts: [{ at: 1s, calls: 5 }]",
            "4:38 work comes by `rate` already",
        ),
        (
            "on_behalf_of, bursts: [{ at: 1s, calls: 5 }], arrivals: constant",
            "4:59 `arrivals` is for a `rate`, and work comes by `bursts`",
        ),
        (
            "client_credentials, visits: { rate: 1/s }",
            "4:33 visits are made by users, and this flow has none",
        ),
        (
            "authorization_code, visits: { rate: 1/s, returns: 100% }",
            "4:63 users who always return have one session without an end",
        ),
        (
            "authorization_code, visits: { rate: 1/s, calls: 0.5 }",
            "4:61 a visit has a call at least",
        ),
        (
            "client_credentials, rate: 1/s, stages: [{ to: 2/s, hold: 3s }]",
            "4:64 a stage goes to a rate or holds one",
        ),
        (
            "client_credentials, bursts: [{ at: 1s, calls: 10001 }]",
            "4:33 10001 calls at once are above `max_in_flight`, which is 10000",
        ),
        (
            "client_credentials, trace: no/such.csv",
            "4:40 the trace `no/such.csv` cannot be used: No such file or directory (os error 2)",
        ),
        (
            "client_credentials, rate: 1/s, code_redeemed: twice",
            "4:44 only users who sign in bring a code",
        ),
        (
            "client_credentials, rate: 1/s, claims: 5",
            "4:52 `5` is more than the whole",
        ),
    ] {
        assert_eq!(traffic(entry), expected, "{entry}");
    }
}

#[test]
fn bursts_and_popularities_reach_the_plan() {
    let text = "\
version: 1
duration: 1h
population:
  tenants: { count: 100, popularity: { hotspot: { members: 1%, draws: 80% } }, growth: 2/h }
  users: { count: 10, popularity: { latest: 0.9 }, shift: { every: 10m, by: 3 }, off_boarding: 1/h }
  sessions: { median: 2, p99: 40, most: 500 }
traffic:
  - { flow: client_credentials, bursts: [{ at: 0s, calls: 200, every: 10m }] }
";
    let plan = plan(text, &Overrides::default());
    let burst = BurstPlan {
        at: Duration::ZERO,
        calls: 200,
        every: Some(seconds(600)),
    };
    assert_eq!(plan.traffic[0].load, Load::Bursts(vec![burst]));
    assert_eq!(plan.expected_arrivals(), Some(1_200.0));
    let (tenants, users) = (plan.population.tenants, plan.population.users);
    assert_eq!((tenants.count, tenants.most), (100, 102));
    assert!(matches!(tenants.popularity, Popularity::Hotspot { .. }));
    assert_eq!(users.present(seconds(3_600)), (1, 10));
    assert_eq!(plan.population.sessions.most, 500);
}

#[test]
fn populations_that_make_no_sense_are_refused() {
    each(&[
        (
            "population: { users: { count: 3, popularity: { zipf: 1, latest: 1 } } }",
            "5:57 a popularity is one distribution, found 2",
        ),
        (
            "population: { users: { count: 3, popularity: { hotspot: { members: 0%, draws: 50% } } } }",
            "5:68 a hot spot is a part: not nothing, and not the whole",
        ),
        (
            "population: { users: { count: 3, shift: { every: 1s, by: 3 } } }",
            "5:34 a shift by 3 among 3 members comes full circle",
        ),
        (
            "population: { users: { count: 9999990, growth: 100/s } }",
            "5:1 by the end of the run there are 10000990 users, more than 10000000",
        ),
        (
            "population: { applications: { count: 2, growth: 1/h } }",
            "5:29 a service's applications neither join nor leave while it runs",
        ),
        (
            "population: { sessions: { median: 5, p99: 3, most: 9 } }",
            "5:43 `median`, `p99` and `most` are in this order, from few to many",
        ),
    ]);
}

#[test]
fn faults_that_strike_nothing_are_refused() {
    each(&[
        (
            "faults: [{ at: 1s }]",
            "5:12 a fault is of one kind, found 0",
        ),
        (
            "faults: [{ at: 10s, idp: { status: 503 } }]",
            "5:16 the run is over after `10s`, before this begins",
        ),
        (
            "faults: [{ at: 1s, idp: { status: 503, aadsts: 50196 } }]",
            "5:40 the provider does one thing, found 2",
        ),
        (
            "faults: [{ at: 1s, idp: { latency: 2s, retry_after: 1s } }]",
            "5:40 `latency` does not say when to come again",
        ),
        (
            "faults: [{ at: 1s, for: 1s, instances: { restart: 0 } }]",
            "5:20 this happens once and does not last",
        ),
        (
            "faults: [{ at: 1s, clock: {} }]",
            "5:27 a clock steps one way",
        ),
    ]);
}

#[test]
fn an_l2_that_is_not_there_cannot_fail() {
    let found = said(
        &format!("{GOOD}faults: [{{ at: 1s, l2: {{ is: hang }} }}]\n"),
        &Overrides::default(),
    );
    assert!(
        found.contains("5:20 the cache has no L2 that could fail"),
        "{found}"
    );
}

#[test]
fn deployments_and_scaling_are_on_the_timeline() {
    let text = "\
version: 1
duration: 100s
fleet:
  instances: 2
  rolling_restarts: [{ at: 10s, gap: 5s, every: 60s }]
  scale: [{ at: 30s, to: 3 }]
traffic:
  - { flow: client_credentials, rate: 1/s }
";
    let plan = plan(text, &Overrides::default());
    let events: Vec<(u64, InstanceFault)> = plan
        .faults
        .iter()
        .filter_map(|fault| match fault.what {
            Fault::Instances(what) => Some((fault.at.as_secs(), what)),
            _ => None,
        })
        .collect();
    let restart = |instance| InstanceFault::Restart { instance };
    assert_eq!(
        events,
        [
            (10, restart(0)),
            (15, restart(1)),
            (30, InstanceFault::Scale { to: 3 }),
            (70, restart(0)),
            (75, restart(1)),
            (80, restart(2)),
        ]
    );
    assert_eq!(plan.most_instances(), 3);
}

#[test]
fn a_twin_is_laid_over_the_scenario_when_it_is_asked_for() {
    let text = format!(
        "{GOOD}thresholds: [errors == 0]\n\
         twin: {{ why: nobody waits, breaks: errors == 0, change: {{ cache: {{ preset: msal_net }}, duration: 5s }} }}\n"
    );
    let (itself, twin) = (
        plan(&text, &Overrides::default()),
        plan(
            &text,
            &Overrides {
                twin: true,
                ..overrides(&["seed=5"])
            },
        ),
    );
    assert_eq!((itself.is_twin, twin.is_twin), (false, true));
    assert_eq!((itself.duration, twin.duration), (seconds(10), seconds(5)));
    assert_eq!(twin.seed, 5, "overrides go over the twin");
    assert_ne!(itself.cache.policy, twin.cache.policy);
    let described = itself.twin.expect("there is one");
    assert_eq!(
        (described.why.as_str(), described.breaks.as_slice()),
        ("nobody waits", ["errors == 0".to_owned()].as_slice())
    );
}

#[test]
fn a_twin_that_proves_nothing_is_refused() {
    let text =
        |twin: &str| format!("{GOOD}thresholds: [errors == 0]\ntwin: {{ why: bad, {twin} }}\n");
    for (twin, expected) in [
        (
            "breaks: error == 0, change: {}",
            "6:27 `error == 0` is not one of `thresholds`",
        ),
        ("change: {}", "6:9 `breaks` is missing"),
        ("breaks: errors == 0", "6:9 `change` is missing"),
        (
            "breaks: errors == 0, change: { cache: { prest: msal_net } }",
            "6:59 unknown key `prest`",
        ),
        (
            "breaks: errors == 0, change: { thresholds: [dropped == 0] }",
            "6:27 `errors == 0` is not one of `thresholds`",
        ),
    ] {
        assert_eq!(said(&text(twin), &Overrides::default()), expected, "{twin}");
    }
    let without = Overrides {
        twin: true,
        ..Overrides::default()
    };
    assert_eq!(said(GOOD, &without), "1:1 the scenario has no twin");
}

#[test]
fn variables_are_filled_in_and_never_silently_empty() {
    let with = |value: &str| Overrides {
        variables: [("RATE".to_owned(), value.to_owned())].into(),
        ..Overrides::default()
    };
    let text = |rate: &str| {
        format!(
            "version: 1\nduration: 10s\ntraffic:\n  - flow: client_credentials\n    rate: {rate}\n"
        )
    };
    for (rate, variables, expected) in [
        ("${RATE}/s", with("7"), 7.0),
        ("${RATE:-9}/s", with("7"), 7.0),
        ("${RATE:-9}/s", with(""), 9.0),
        ("${RATE:-9/s}", Overrides::default(), 9.0),
        ("'${RATE:-9/s}'", Overrides::default(), 9.0),
    ] {
        let plan = plan(&text(rate), &variables);
        assert_eq!(plan.expected_arrivals(), Some(expected * 10.0), "{rate}");
    }
    for (rate, expected) in [
        (
            "${RATE}/s",
            "5:11 the environment variable `RATE` is not set",
        ),
        ("${RATE", "5:11 a `${` is not closed"),
        ("${9}/s", "5:11 `9` is not the name of a variable"),
        ("${RATE:-x}", "5:11 `x` is not a rate"),
    ] {
        assert_eq!(said(&text(rate), &Overrides::default()), expected, "{rate}");
    }
}

#[test]
fn a_scenario_is_laid_over_what_it_extends() {
    let directory = tempfile();
    let write = |name: &str, text: &str| std::fs::write(directory.join(name), text).unwrap();
    write(
        "base.yaml",
        "version: 1\nduration: 10s\nfleet: { instances: 4, affinity: user }\ntraffic:\n  - { flow: client_credentials, rate: 1/s }\n",
    );
    write("circle.yaml", "extends: circle.yaml\n");
    write("bad.yaml", "version: 1\nduration: 10\n");
    let read = |text: &str| {
        parse(
            &directory.join("over.yaml"),
            text.as_bytes(),
            &Overrides::default(),
        )
    };
    let over = read("extends: base.yaml\nfleet: { instances: 2 }\n").unwrap();
    assert_eq!(over.fleet.instances, 2);
    assert_eq!(over.fleet.affinity.as_str(), "user");
    let message = |text: &str| read(text).unwrap_err().to_string();
    let circle = message("extends: circle.yaml\n");
    assert!(
        circle.contains("`circle.yaml` extends itself in a circle"),
        "{circle}"
    );
    let missing = message("extends: no.yaml\n");
    assert!(
        missing.contains("cannot be read: No such file"),
        "{missing}"
    );
    let bad = message("extends: bad.yaml\ntraffic: [{ flow: client_credentials, rate: 1/s }]\n");
    assert!(
        bad.contains("bad.yaml:2:11") && bad.contains("2 | duration: 10\n"),
        "{bad}"
    );
    std::fs::remove_dir_all(directory).unwrap();
}

/// A directory of this test alone.
fn tempfile() -> std::path::PathBuf {
    let name = format!("loadgen-language-{}", uuid::Uuid::new_v4());
    let directory = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&directory).expect("a temporary directory can be made");
    directory
}

#[test]
fn what_this_build_or_no_scenario_has_is_refused_where_it_stands() {
    let mut cases = vec![
        (
            "{ provider: file }".to_owned(),
            "5:20 a cache in a file needs the file".to_owned(),
        ),
        (
            "{ l2: { store: file, url: /tmp/x } }\nmode: virtual".to_owned(),
            "5:23 the store `file` is on a disk, and in mode `virtual` nobody waits for one"
                .to_owned(),
        ),
        (
            "{ provider: file, l2: { store: file, url: /tmp/x } }".to_owned(),
            String::new(),
        ),
    ];
    for (store, is_built_in) in [
        ("redis", cfg!(feature = "redis")),
        ("postgres", cfg!(feature = "postgres")),
        ("memcached", cfg!(feature = "memcached")),
        ("sql_server", cfg!(feature = "sql_server")),
        ("cosmos", cfg!(feature = "cosmos")),
    ] {
        let said = format!("5:23 this build has no store `{store}`");
        let said = if is_built_in { String::new() } else { said };
        let scheme = store.replace('_', "");
        cases.push((
            format!("{{ l2: {{ store: {store}, url: '{scheme}:x' }} }}"),
            said,
        ));
    }
    for (cache, expected) in cases {
        let found = said(&format!("{GOOD}cache: {cache}\n"), &Overrides::default());
        assert_eq!(found, expected, "{cache}");
    }
}

#[test]
fn an_address_of_another_store_is_refused_and_not_repeated() {
    for (store, url) in [
        ("redis", "memory:"),
        ("redis", "hunter2"),
        ("redis", "postgres://me:hunter2@db/x"),
        ("postgres", "redis://:hunter2@cache"),
        ("memcached", "hunter2:11211"),
        ("sql_server", "Server=db;Password=hunter2"),
        ("cosmos", "AccountEndpoint=https://a/;AccountKey=hunter2"),
        ("file", "redis://:hunter2@cache"),
    ] {
        let cache = format!("cache: {{ l2: {{ store: {store}, url: '{url}' }} }}");
        let found = said(&format!("{GOOD}{cache}\n"), &Overrides::default());
        let place = format!("5:{}", cache.find("url: ").unwrap_or_default() + 6);
        let expected = format!("{place} this is no address of the store `{store}`");
        assert!(found.contains(&expected), "{url}: {found}");
        assert!(!found.contains("hunter2"), "{found}");
    }
    for (store, url) in [
        ("redis", "rediss://cache"),
        ("postgres", "postgresql://db/x"),
        ("file", "/var/tmp/a:b"),
    ] {
        let cache = format!("cache: {{ l2: {{ store: {store}, url: '{url}' }} }}");
        let found = said(&format!("{GOOD}{cache}\n"), &Overrides::default());
        assert!(!found.contains("no address"), "{url}: {found}");
    }
}

/// A scenario whose users have sessions, but for `flow` and what follows it.
fn with_sessions(flow: &str, cache: &str) -> String {
    format!("version: 1\nduration: 10s\ntraffic:\n  - {{ flow: {flow} }}\ncache: {cache}\n")
}

#[test]
fn caches_of_sessions_are_for_users_who_have_one() {
    for flow in [
        "authorization_code, rate: 1/s",
        "authorization_code, visits: { rate: 1/s }",
        "silent, rate: 1/s",
        "refresh_token, rate: 1/s",
    ] {
        for provider in ["session", "session_cookie"] {
            let text = with_sessions(flow, &format!("{{ provider: {provider} }}"));
            assert_eq!(said(&text, &Overrides::default()), "", "{flow} {provider}");
        }
    }
    let application = "4:13 an application's own tokens belong to no user's session";
    let web_api =
        "4:13 a web API is called with a token, and has no session with the user's browser";
    for (flow, expected) in [
        ("client_credentials, rate: 1/s", application),
        ("managed_identity, rate: 1/s", application),
        ("on_behalf_of, rate: 1/s", web_api),
        ("long_running_obo, rate: 1/s", web_api),
        (
            "silent, visits: { rate: 1/s }",
            "4:21 users of the flow `silent` sign in before the run, and each visit has a session of its own",
        ),
    ] {
        let text = with_sessions(flow, "{ provider: session }");
        assert_eq!(said(&text, &Overrides::default()), expected, "{flow}");
    }
}

#[test]
fn what_does_not_go_with_where_sessions_are_kept_is_refused_where_it_stands() {
    let ok = "{ provider: session, session: { idle_timeout: 5m }, l1: none, encryption: true, \
              l2: { store: memory } }";
    for (cache, expected) in [
        (ok, ""),
        ("{ provider: session_cookie, session: { cookies: 50 } }", ""),
        ("{ provider: sesion }", "5:20 `sesion` is not accepted here"),
        (
            "{ provider: session, session: { idle: 5m } }",
            "5:40 unknown key `idle`",
        ),
        (
            "{ provider: session_cookie, session: { cookies: 51 } }",
            "5:56 `51` is out of range",
        ),
        (
            "{ session: { idle_timeout: 5m } }",
            "5:21 only sessions that the server keeps have an idle timeout",
        ),
        (
            "{ provider: session, session: { cookies: 2 } }",
            "5:40 only sessions that the browser keeps are in cookies",
        ),
        (
            "{ provider: session, l1: { size_limit: 1MB } }",
            "5:29 each request reads its session's cache anew: there is no L1",
        ),
        (
            "{ provider: session, l2: { store: memory, sliding_expiration: 1h } }",
            "5:33 a session's entries go by its idle timeout",
        ),
        (
            "{ provider: session, encryption: true }",
            "5:41 there is nothing to encrypt: the cache has no L2",
        ),
        (
            "{ provider: session_cookie, l2: { store: memory } }",
            "5:40 the browser keeps the cache: there is no L2",
        ),
        (
            "{ provider: session_cookie, policy: { l2_write: detached } }",
            "5:44 a response sets its cookies when it is sent: what is written after it is lost",
        ),
        (
            "{ provider: session }\nmode: model",
            "5:20 the model of an ideal cache keeps a user's tokens in one place, whatever the session",
        ),
        (
            "{ provider: session }\nstart: stationary\nmode: virtual",
            "6:8 sessions begin with the run: what is in one of another run is not known",
        ),
        (
            "{ provider: session_cookie }\nthresholds: [l2_bytes < 1MB]",
            "6:14 `l2_bytes` says nothing here: `cache.l2` is `none`",
        ),
        (
            "{ provider: session }\nthresholds: ['session_cookies_refused == 0']",
            "6:15 `session_cookies_refused` says nothing here: no session is in cookies",
        ),
        (
            "{ provider: session }\nthresholds: ['hit_ratio >= theory']",
            "6:28 no theory predicts a run in which each session has a cache of its own",
        ),
        (
            "{ provider: session }\nthresholds: ['l2_bytes < 1MB', 'cache_level{level=l2} > 1']",
            "",
        ),
        (
            "{ provider: session_cookie }\nthresholds: ['largest_session_cookies < 12KB']\n\
             faults: [{ at: 1s, key_ring: { swap: 50% } }]",
            "",
        ),
    ] {
        let text = with_sessions("authorization_code, rate: 1/s", cache);
        assert_eq!(said(&text, &Overrides::default()), expected, "{cache}");
    }
}
