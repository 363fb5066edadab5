//! A start from a snapshot: a run goes on where another ended, as if there had been
//! one run.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loadgen::command::explain::explain;
use loadgen::command::run::{Finished, Options, run};
use loadgen::exit::{Exit, Failure};
use loadgen::flow::session::HeldByUsers;
use loadgen::report::model::{Acquisitions, Report};
use loadgen::scenario::load::parse;
use loadgen::scenario::plan::Mode;
use loadgen::scenario::{Overrides, Plan};
use loadgen::snapshot;

use crate::lab::{plan, quiet, report};

/// A directory of a test's own, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("loadgen-snapshot-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs `plan` in virtual time and has it leave a snapshot at `to`; returns its
/// report.
fn leave_snapshot(plan: &Plan, to: &Path) -> Report {
    let finished = finish(Options {
        snapshot_out: Some(to.to_owned()),
        ..quiet(plan, Mode::Virtual)
    });
    let finished = finished.unwrap();
    assert!(finished.unwritten.is_none(), "{:?}", finished.unwritten);
    serde_json::from_str(&finished.printed).unwrap()
}

/// Runs what `options` ask for.
fn finish(options: Options) -> Result<Finished, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(run(options))
}

fn starting_from(file: &Path) -> String {
    format!("start={{ snapshot: {} }}", file.display())
}

/// Half an hour of every flow that users and applications have, over tokens that
/// last a quarter: what is held at the end is fresh, expired or gone.
const TRACED: &str = "
version: 1
duration: 30m
mode: virtual
idp: { expires_in: 15m, latency: { token: 80ms } }
fleet: { instances: 2, affinity: user }
population: { tenants: 12, applications: 2, users: 30, resources: 2 }
";

/// Writes a trace of these half hours, a call in eight seconds. Each begins with a call of
/// every member, so that a name is the same number in every trace.
fn trace(path: &Path, halves: &[u64], salt: u64) {
    let mut text = "t_ms,tenant,application,user,resource\n".to_owned();
    for (half, place) in halves.iter().zip(0..) {
        for second in (0..30).chain((30..1_800_u64).step_by(8)) {
            let mixed = (half * 1_800 + second + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
            let (tenant, application) = (mixed % 12, (mixed >> 8) % 2);
            let (user, resource) = ((mixed >> 16) % 30, (mixed >> 24) % 2);
            let of = match second {
                0..30 => [second % 12, second % 2, second, second % 2],
                _ => [tenant, application, user, resource],
            };
            let [tenant, application, user, resource] = of;
            let time = (place * 1_800 + second) * 1_000;
            let _ = writeln!(text, "{time},t{tenant},a{application},u{user},r{resource}");
        }
    }
    fs::write(path, text).unwrap();
}

/// What a run counted, and that all of it was right.
fn counts(report: &Report) -> Vec<u64> {
    let oracle = report.oracle;
    let bad = oracle.wrong_token + oracle.expired_served + oracle.under_scoped + oracle.not_issued;
    assert_eq!((oracle.checked, bad), (report.totals.acquisitions, 0));
    unjudged(report)
}

/// The same of a model, which has no tokens to be judged.
fn unjudged(report: &Report) -> Vec<u64> {
    assert!(report.ledger.balanced, "{:?}", report.ledger);
    let grants = [
        "client_credentials",
        "authorization_code",
        "refresh_token",
        "on_behalf_of",
    ];
    let grants = grants.map(|name| report.idp.by_grant.get(name).copied().unwrap_or_default());
    let flows = report.flows.iter();
    let flows = flows.flat_map(|flow| numbers(&flow.acquisitions));
    flows.chain(grants).collect()
}

fn numbers(of: &Acquisitions) -> Vec<u64> {
    let (source, level, reason) = (of.token_source, of.cache_level, of.cache_refresh_reason);
    vec![
        of.acquisitions,
        of.errors,
        of.background_refreshes,
        source.cache,
        source.identity_provider,
        level.none,
        level.l1,
        level.l2,
        reason.not_applicable,
        reason.no_cached_access_token,
        reason.expired,
        reason.proactively_refreshed,
    ]
}

/// The part of a plan that half hours `halves` are.
fn traced(scratch: &Scratch, name: &str, halves: &[u64]) -> Vec<String> {
    let flows = ["client_credentials", "authorization_code", "on_behalf_of"];
    let traffic = flows.iter().zip(1..).map(|(flow, salt)| {
        let file = scratch.file(&format!("{name}-{flow}.csv"));
        trace(&file, halves, salt);
        format!("{{ flow: {flow}, trace: {} }}", file.display())
    });
    let traffic: Vec<String> = traffic.collect();
    vec![
        format!("traffic=[{}]", traffic.join(",")),
        format!("duration={}m", halves.len() * 30),
    ]
}

/// The plan of `scenario` with all of these changes.
fn planned(scenario: &str, set: &[Vec<String>]) -> Plan {
    let set = set.concat();
    plan(
        scenario,
        3,
        &set.iter().map(String::as_str).collect::<Vec<_>>(),
    )
}

#[test]
fn a_run_and_one_from_its_snapshot_count_what_one_run_of_both_counts() {
    let scratch = Scratch::new("both");
    let snapshot = scratch.file("first.snapshot");
    let from_it = || vec![starting_from(&snapshot)];
    for cache in [
        "{ l2: none }",
        "{ preset: msal_net, l2: { store: memory } }",
    ] {
        let cache = || vec![format!("cache={cache}")];
        let run = |name: &str, halves: &[u64], start: Vec<String>| {
            planned(TRACED, &[traced(&scratch, name, halves), cache(), start])
        };
        let first = leave_snapshot(&run("first", &[0], Vec::new()), &snapshot);
        let [of_second, of_both] = ["second", "both"].map(|name| scratch.file(name));
        let second = leave_snapshot(&run("second", &[1], from_it()), &of_second);
        let both = leave_snapshot(&run("both", &[0, 1], Vec::new()), &of_both);
        let sum = counts(&first).into_iter().zip(counts(&second));
        let sum: Vec<u64> = sum.map(|(first, second)| first + second).collect();
        assert_eq!(sum, counts(&both), "{:?}", cache());
        // And they leave the same behind; only who is named by a token is not.
        let left = |file: &Path| {
            let left = snapshot::file::read(file).unwrap();
            let in_l1 = left.instances.iter().flatten();
            let sizes = in_l1.map(|entry| (entry.expires_at, entry.payload_bytes));
            let mut sizes: Vec<_> = sizes.collect();
            sizes.sort_unstable();
            (left.taken_at, sizes, left.l2.len(), left.users.accounts)
        };
        assert_eq!(left(&of_second), left(&of_both), "{:?}", cache());
        // Users who signed in before the snapshot come back with refresh tokens.
        assert!(
            second.idp.by_grant["refresh_token"] > 20,
            "{:?}",
            second.idp
        );
        assert!(second.totals.cache_refresh_reason.expired > 10);
    }
}

/// Shorter than a token lives: a cold cache does little but miss.
const BRIEF: &str = "
version: 1
duration: 20m
mode: virtual
idp: { expires_in: 1h, latency: { token: { lognormal: { median: 80ms, p99: 900ms } } } }
population:
  tenants: { count: 60, popularity: { zipf: 0.9 } }
  applications: 2
  users: { count: 200, popularity: { zipf: 0.7 } }
  sessions: { median: 2, p99: 5, most: 9 }
traffic:
  - { flow: client_credentials, rate: 8/min }
  - { flow: authorization_code, rate: 8/min }
  - { flow: on_behalf_of, rate: 8/min }
";

#[test]
fn it_hits_more_often_than_a_cold_run_and_as_often_as_the_model_of_it_says() {
    let scratch = Scratch::new("warm");
    let snapshot = scratch.file("cold.snapshot");
    for set in [
        vec![],
        vec![
            "cache.l2={ store: memory }".to_owned(),
            "fleet.instances=3".to_owned(),
        ],
        vec!["duration=90m".to_owned(), "idp.refresh_in=30m".to_owned()],
    ] {
        let cold = leave_snapshot(&planned(BRIEF, std::slice::from_ref(&set)), &snapshot);
        let plan = planned(BRIEF, &[set.clone(), vec![starting_from(&snapshot)]]);
        let (warm, model) = (report(&plan, Mode::Virtual), report(&plan, Mode::Model));
        assert_eq!(warm.load.fingerprint, model.load.fingerprint);
        assert_ne!(warm.load.fingerprint, cold.load.fingerprint, "it goes on");
        let (was, is) = (
            cold.totals.hit_ratio.unwrap(),
            warm.totals.hit_ratio.unwrap(),
        );
        for theory in &warm.theory {
            assert_eq!(theory.predicted_by, "model");
            assert!((theory.predicted_hit_ratio - theory.measured_hit_ratio).abs() < 0.01);
            assert!(
                theory.closed_form.is_none(),
                "no form knows what it begins with"
            );
        }
        // A refresh is put off by chance, which the two draw apart.
        if plan.duration < Duration::from_secs(3_600) {
            assert_eq!(counts(&warm), unjudged(&model), "{set:?}");
            assert!(is > was + 0.1, "{is} after {was}");
        }
        assert!(warm.environment["start"].contains("cold.snapshot"));
    }
}

/// The other flows; where people sign out, apart from those who count on being
/// signed in.
const OTHER_FLOWS: [&str; 2] = [
    "traffic=[{ flow: silent, rate: 10/min }, { flow: long_running_obo, rate: 10/min }, \
         { flow: refresh_token, rate: 10/min }, { flow: managed_identity, rate: 10/min }]",
    "traffic=[{ flow: authorization_code, claims: 5%, \
         visits: { rate: 10/min, calls: 3, sign_out: 50% } }]",
];

#[test]
fn whatever_a_flow_needs_to_go_on_is_in_it_and_a_chain_goes_on_too() {
    let scratch = Scratch::new("chain");
    for traffic in OTHER_FLOWS {
        let mut start = Vec::new();
        let (mut seen, mut before) = (Vec::new(), HeldByUsers::default());
        for number in 0..2 {
            let snapshot = scratch.file(&format!("{number}.snapshot"));
            let plan = planned(BRIEF, &[vec![traffic.to_owned()], start]);
            let found = leave_snapshot(&plan, &snapshot);
            assert_eq!(found.totals.errors, 0, "{:?}", found.reasons);
            assert!(found.totals.acquisitions > 500, "{found:?}");
            let again = report(&plan, Mode::Virtual);
            assert_eq!(
                counts(&found),
                counts(&again),
                "the file and the seed decide"
            );
            // The model goes on as well, but where callers pass over cached tokens.
            if plan.traffic.iter().all(|of| of.claims.get() <= 0.0) {
                let model = report(&plan, Mode::Model);
                assert_eq!(counts(&found), unjudged(&model), "run {number}");
            }
            let now = snapshot::file::read(&snapshot).unwrap().users;
            let known = now.accounts.iter().chain(&now.signed_out);
            let known: Vec<_> = known.map(|(whose, _)| whose).collect();
            assert!(known.len() > 50, "{}", known.len());
            let mut accounts = before.accounts.iter().chain(&before.signed_out);
            assert!(accounts.all(|(whose, _)| known.contains(&whose)));
            // To the letter: nobody got another in place of what they had.
            let mut tokens = before.refresh_tokens.iter();
            assert!(tokens.all(|held| now.refresh_tokens.contains(held)));
            let mut keys = before.long_running.iter();
            assert!(keys.all(|held| now.long_running.contains(held)));
            before = now;
            let arrivals = found.load.fingerprint;
            assert!(!seen.contains(&arrivals), "others each time");
            seen.push(arrivals);
            start = vec![starting_from(&snapshot)];
        }
    }
}

#[test]
fn it_is_explained_before_it_runs() {
    let scratch = Scratch::new("explained");
    let (scenario, snapshot) = (scratch.file("s.yaml"), scratch.file("a.snapshot"));
    leave_snapshot(
        &planned(BRIEF, &[vec!["name=morning".to_owned()]]),
        &snapshot,
    );
    let seed = "\nseed: 3\nstart: { snapshot: a.snapshot }\n";
    fs::write(&scenario, format!("{BRIEF}{seed}")).unwrap();
    let text = explain(&scenario, &Overrides::default()).unwrap().text();
    for said in [
        "It goes on from the end of morning (",
        "the shared store 0",
        "held there is left out",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

fn refusal(set: &[Vec<String>]) -> String {
    let seed = vec!["seed=3".to_owned()];
    let overrides = Overrides {
        set: [&[seed], set].concat().concat(),
        ..Overrides::default()
    };
    let found = parse(Path::new("x.yaml"), BRIEF.as_bytes(), &overrides);
    found.unwrap_err().to_string()
}

#[test]
fn a_snapshot_fits_the_size_and_the_side_that_are_run_whatever_the_others_are() {
    let scratch = Scratch::new("sides");
    let snapshot = scratch.file("a.snapshot");
    let text = format!(
        "{BRIEF}thresholds: [errors == 0]\n\
         twin: {{ why: none, breaks: [errors == 0], change: {{ fleet: {{ instances: 2 }} }} }}\n\
         full: {{ population: {{ users: 400 }} }}\n"
    );
    leave_snapshot(&planned(&text, &[]), &snapshot);
    let set = ["seed=3".to_owned(), starting_from(&snapshot)];
    for (twin, full, misfit) in [
        (false, false, None),
        (
            true,
            false,
            Some("`fleet.instances` was 1 there and is 2 here"),
        ),
        (
            false,
            true,
            Some("`population.users.count` was 200 there and is 400 here"),
        ),
    ] {
        let overrides = Overrides {
            set: set.to_vec(),
            twin,
            full,
            ..Overrides::default()
        };
        let found = parse(Path::new("x.yaml"), text.as_bytes(), &overrides);
        let refused = found.err().map(|error| error.to_string());
        assert_eq!(refused.is_some(), misfit.is_some(), "{refused:?}");
        if let (Some(refused), Some(misfit)) = (refused, misfit) {
            assert!(refused.contains(misfit), "{refused}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_with_its_place() {
    let scratch = Scratch::new("refused");
    let snapshot = scratch.file("a.snapshot");
    leave_snapshot(&planned(BRIEF, &[]), &snapshot);
    for (change, said) in [
        ("seed=4", "`seed` was 3 there and is 4 here"),
        (
            "fleet.instances=2",
            "`fleet.instances` was 1 there and is 2 here",
        ),
        (
            "cache.l2={ store: memory }",
            "`cache.l2` was none there and is there here",
        ),
        (
            "population.users.count=201",
            "`population.users.count` was 200 there and is 201 here",
        ),
        (
            "population.users.popularity={ zipf: 0.5 }",
            "`population.users` is another",
        ),
        ("population.sessions=1", "`population.sessions` is another"),
        (
            "cache={ l2: { store: memory }, encryption: true }",
            "the key ring ends with the run",
        ),
        ("idp.refresh_tokens.use=once", "which of them were used"),
        (
            "faults=[{ at: 1m, keys: rollover }]",
            "signing keys made during the run",
        ),
        (
            "mode=real",
            "in mode `real` the provider makes its keys when it starts",
        ),
        ("start={ snapshot: /nowhere }", "No such file"),
    ] {
        let mut set = vec![starting_from(&snapshot)];
        set.push("cache.l2=none".to_owned());
        set.push(change.to_owned());
        let refused = refusal(&[set]);
        assert!(refused.contains(said), "{change}: {refused}");
        assert!(
            refused.contains("start={") && refused.contains("hint:"),
            "{refused}"
        );
    }
}

#[test]
fn a_file_that_is_none_is_refused_by_what_is_wrong_with_it() {
    let scratch = Scratch::new("broken");
    let snapshot = scratch.file("a.snapshot");
    leave_snapshot(&planned(BRIEF, &[]), &snapshot);
    let mode = fs::metadata(&snapshot).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "there are tokens in it");
    assert_eq!(
        fs::read_dir(&scratch.0).unwrap().count(),
        1,
        "and nothing beside it"
    );
    let text = fs::read_to_string(&snapshot).unwrap();
    assert_eq!(text.matches("\"version\":1,").count(), 1);
    let cases = [
        (
            text[..text.len() / 2].to_owned(),
            "it breaks off in the middle",
        ),
        (String::new(), "it breaks off in the middle"),
        ("{\"AccessToken\":{}}".to_owned(), "it is no snapshot"),
        (
            "{\"format\":\"x\",\"version\":1}".to_owned(),
            "it is no snapshot",
        ),
        ("t_ms,tenant\n".to_owned(), "it is no snapshot"),
        (
            text.replace("\"version\":1,", "\"version\":2,"),
            "it is of version 2, and this build reads version 1",
        ),
        (
            text.replace("\"runs\":1", "\"runs\":-1"),
            "it is no snapshot",
        ),
        (text.replace("\"secret", "\"hidden"), "is no partition"),
    ];
    for (broken, said) in cases {
        fs::write(&snapshot, &broken).unwrap();
        let refused = refusal(&[vec![starting_from(&snapshot)]]);
        assert!(refused.contains(said), "{said}: {refused}");
        assert!(!refused.contains("eyJ"), "no token in a message: {refused}");
    }
}

#[test]
fn a_run_that_can_leave_none_is_refused_and_one_that_was_cut_short_leaves_none() {
    let scratch = Scratch::new("unwritten");
    let snapshot = scratch.file("a.snapshot");
    let leave = |set: &str, mode| {
        let options = quiet(&planned(BRIEF, &[vec![set.to_owned()]]), mode);
        finish(Options {
            snapshot_out: Some(snapshot.clone()),
            ..options
        })
    };
    for (set, mode, said) in [
        ("duration=1s", Mode::Real, "--snapshot-out: in real time"),
        (
            "duration=1s",
            Mode::Model,
            "--snapshot-out: the model has no tokens",
        ),
        (
            "cache={ l2: { store: memory }, encryption: true }",
            Mode::Virtual,
            "`cache.encryption`",
        ),
    ] {
        let refused = leave(set, mode).unwrap_err();
        assert_eq!(refused.exit, Exit::Usage, "{refused}");
        assert!(refused.to_string().contains(said), "{refused}");
    }
    let stuck = leave("idp.latency.token=60s", Mode::Virtual).unwrap();
    let why = stuck.unwritten.unwrap().to_string();
    assert!(why.contains("still under way"), "{why}");
    assert!(
        !stuck.printed.is_empty(),
        "the report is there all the same"
    );
    assert!(!snapshot.exists());
}
