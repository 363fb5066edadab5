//! What a scenario's author sees when something is wrong: the whole message.

use std::path::Path;

use loadgen::scenario::load::{LoadError, MAX_FILE_SIZE, parse};
use loadgen::scenario::{Overrides, load};

const GOOD: &str = "\
version: 1
duration: 10s
traffic:
  - { flow: client_credentials, rate: 200/s }
";

fn message(text: &str, set: &[&str]) -> String {
    let overrides = Overrides {
        set: set.iter().map(|text| (*text).to_owned()).collect(),
        ..Overrides::default()
    };
    match parse(Path::new("x.yaml"), text.as_bytes(), &overrides) {
        Ok(plan) => panic!("accepted: {plan:#?}"),
        Err(error) => error.to_string(),
    }
}

/// `line:column message` of each problem.
fn said(text: &str, set: &[&str]) -> Vec<String> {
    let overrides = Overrides {
        set: set.iter().map(|text| (*text).to_owned()).collect(),
        ..Overrides::default()
    };
    match parse(Path::new("x.yaml"), text.as_bytes(), &overrides) {
        Ok(_) => vec![],
        Err(LoadError::Invalid { problems, .. }) => problems
            .into_iter()
            .map(|problem| {
                format!(
                    "{}:{} {}",
                    problem.span.line, problem.span.column, problem.message
                )
            })
            .collect(),
        Err(error) => panic!("{error}"),
    }
}

/// What is said when `line` is added to a good scenario, as its line 5.
fn said_of(line: &str) -> String {
    said(&format!("{GOOD}{line}\n"), &[]).join("; ")
}

/// Each line, added to a good scenario, is told exactly this.
fn each(cases: &[(&str, &str)]) {
    for (line, expected) in cases {
        assert_eq!(said_of(line), *expected, "{line}");
    }
}

#[test]
fn all_problems_of_a_file_come_at_once_in_its_order() {
    let text = "\
version: 2
durration: 10s
idp:
  expires_in: 300s
  latency: { token: { lognormal: { median: 40ms, p99: 20ms } } }
cache: { preset: msalnet }
traffic:
  - flow: client_credentials
    rate: 500
  - name: api
    flow: obo
    rate: -1/s
thresholds:
  - hit_ratio{flow=client_credential} >= 0.95
";
    assert_eq!(
        message(text, &["seed=x"]),
        include_str!("scenario_errors/all_at_once.txt")
    );
}

#[test]
fn each_kind_of_slip_is_named_where_it_stands() {
    let cases = [
        (
            "seed: -1",
            "5:7 expected a whole number from 0 to 18446744073709551615, found `-1`",
        ),
        (
            "seed: \"1\"",
            "5:7 expected a whole number from 0 to 18446744073709551615, found the text `1`",
        ),
        (
            "seed: 18446744073709551616",
            "5:7 `18446744073709551616` is out of range",
        ),
        ("seed:", "5:1 `seed` has no value"),
        (
            "seed: [1]",
            "5:7 expected a whole number from 0 to 18446744073709551615, found a list",
        ),
        ("max_in_flight: 0", "5:16 `0` is out of range"),
        (
            "max_in_flight: 1e4",
            "5:16 expected a whole number from 1 to 1000000, found `1e4`",
        ),
        ("duration: 1s", "5:1 the key `duration` is written twice"),
        ("acquire_timeout: 0s", "5:18 `0s` is no time at all"),
        ("warmup: 10s", "5:9 the warm-up takes the whole run"),
        ("warmup: 0s", "5:9 `0s` is no time at all"),
        (
            "thresholds: [hit_ratio > 1% after warmup]",
            "5:35 the scenario has no warm-up",
        ),
        ("graceful_stop: 367d", "5:16 `367d` is out of range"),
        ("name: ''", "5:7 expected a text, found an empty one"),
        (
            "idp: none",
            "5:6 expected a table with `signing`, `token_pool`, `expires_in`, `jitter`, `refresh_in`, `refresh_tokens`, `managed_identity`, `applications`, `user_tokens`, `latency`, `throttles`, `url` and `ca`, found `none`",
        ),
        (
            "idp: { expires_in: 300s }",
            "5:20 no token of this lifetime is ever served from the cache",
        ),
        (
            "idp: { expires_in: 300500ms }",
            "5:20 a token's lifetime is in whole seconds",
        ),
        (
            "idp: { url: \"https://a\" }",
            "5:8 `ca` is missing beside `url`",
        ),
        ("idp: { ca: a.pem }", "5:8 `url` is missing beside `ca`"),
        (
            "idp: { url: \"http://a\", ca: a.pem }",
            "5:13 `http://a` is not the address of a provider",
        ),
        (
            "idp: { url: \"https://a\", ca: a.pem, expires_in: 1h }",
            "5:37 `expires_in` is for the embedded provider, `url` and `ca` are for one that runs elsewhere",
        ),
        (
            "idp: { latency: { token: {} } }",
            "5:26 a latency is one distribution, found 0",
        ),
        (
            "idp: { latency: { token: { fixed: 1ms, uniform: { min: 1ms, max: 2ms } } } }",
            "5:40 a latency is one distribution, found 2",
        ),
        (
            "idp: { latency: { token: { uniform: { min: 3ms, max: 2ms } } } }",
            "5:44 `min` is above `max`, which is `2ms`",
        ),
        (
            "idp: { latency: { token: { lognormal: { median: 0s, p99: 2ms } } } }",
            "5:49 `0s` is no time at all",
        ),
    ];
    each(&cases);
}

#[test]
fn each_kind_of_slip_is_named_in_the_other_sections_too() {
    let cases = [
        (
            "cache: { l1: { size_limit: 0MB } }",
            "5:28 `0MB` is nothing",
        ),
        ("cache: { l1: off }", "5:14 `off` is not accepted here"),
        ("cache: { l2: {} }", "5:14 `store` is missing"),
        (
            "cache: { l2: { store: redis } }",
            "5:23 `url` is missing beside the store `redis`; 5:23 this build has no store `redis`",
        ),
        ("fleet: { instances: 0 }", "5:21 `0` is out of range"),
        (
            "fleet: { affinity: tennant }",
            "5:20 `tennant` is not accepted here",
        ),
        (
            "population: { users: 20000000 }",
            "5:22 `20000000` is out of range",
        ),
        (
            "population: { users: { popularity: uniform } }",
            "5:24 `count` is missing",
        ),
        (
            "population: { users: { count: 3, popularity: { zipf: 0 } } }",
            "5:54 expected a number above 0, up to 10, found `0`",
        ),
        (
            "population: { users: { count: 3, popularity: { zipf: .nan } } }",
            "5:54 expected a number above 0, up to 10, found `.nan`",
        ),
        (
            "thresholds: errors == 0",
            "5:13 expected a list, found `errors == 0`",
        ),
        (
            "thresholds: [{ errors: 0 }]",
            "5:14 expected a text, found a table",
        ),
        (
            "thresholds: ['p999(acquire) < 1s']",
            "5:14 `p999` needs 10000 samples to mean anything, and this run has about 2000",
        ),
        ("thresholds: ['errors  < 1s']", "5:25 `1s` is not a count"),
        (
            "thresholds: [\"errors\\x20< 1s\"]",
            "5:14 `1s` is not a count",
        ),
        (
            "thresholds: ['l2_errors == 0']",
            "5:15 `l2_errors` says nothing here: `cache.l2` is `none`",
        ),
        ("extra: { a: 1 }", "5:1 unknown key `extra`"),
    ];
    each(&cases);
}

#[test]
fn traffic_is_checked_entry_by_entry() {
    let head = "version: 1\nduration: 10s\n";
    let cases = [
        ("traffic: []", "3:10 expected 1 to 16 items, found 0"),
        ("traffic: {}", "3:10 expected a list, found a table"),
        (
            "traffic: [{ flow: silently, rate: 1/s }]",
            "3:19 `silently` is not accepted here",
        ),
        (
            "traffic: [{ flow: on_behalf_of, rate: 0/s }]",
            "3:39 `0/s` is nothing",
        ),
        (
            "traffic: [{ name: Web, flow: on_behalf_of, rate: 1/s }]",
            "3:19 `Web` cannot be a label value",
        ),
        (
            "traffic: [{ name: 1web, flow: on_behalf_of, rate: 1/s }]",
            "3:19 `1web` cannot be a label value",
        ),
        (
            "traffic: [{ flow: on_behalf_of, rate: 1/s, arrivals: evenly }]",
            "3:54 `evenly` is not accepted here",
        ),
        (
            "traffic: [{ flow: on_behalf_of, rate: 1/s }, { flow: on_behalf_of, rate: 1/s }]",
            "3:54 `on_behalf_of` is the name of two entries",
        ),
        (
            "traffic: [{ flow: on_behalf_of, rate: 1 }, { flow: obo, rate: x }]",
            "3:39 `1` needs a unit; 3:52 `obo` is not accepted here; 3:63 `x` is not a rate",
        ),
        (
            "traffic: [1, { flow: on_behalf_of }]",
            "3:11 expected a table with `name`, `flow`, `arrivals`, `rate`, `stages`, `visits`, `bursts`, `trace`, \
             `users`, `force_refresh`, `claims`, `wording`, `key_values`, `application_cache` and `code_redeemed`, found `1`; 3:16 nothing says how work comes",
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(
            said(&format!("{head}{line}\n"), &[]).join("; "),
            expected,
            "{line}"
        );
    }
}

#[test]
fn a_scenario_has_at_most_sixteen_flows() {
    let entries = |count: usize| {
        let entry = |number| format!("  - {{ name: f{number}, flow: on_behalf_of, rate: 1/s }}\n");
        let entries: Vec<String> = (0..count).map(entry).collect();
        format!("version: 1\nduration: 10s\ntraffic:\n{}", entries.concat())
    };
    assert_eq!(said(&entries(16), &[]), [""; 0]);
    assert_eq!(
        said(&entries(17), &[]),
        ["4:3 expected 1 to 16 items, found 17"]
    );
}

#[test]
fn a_bad_rate_does_not_hide_or_invent_problems_of_thresholds() {
    let text = "\
version: 1
duration: 10s
traffic:
  - { name: web, flow: authorization_code, rate: 5 }
thresholds: ['errors{flow=web} == 0', 'errors{flow=wbe} == 0', 'p999(acquire) < 1s']
";
    assert_eq!(
        said(text, &[]),
        [
            "4:50 `5` needs a unit",
            "5:52 no entry of `traffic` is named `wbe`"
        ]
    );
}

#[test]
fn a_load_that_cannot_be_in_flight_is_refused() {
    let slow = "idp: { latency: { token: 2s } }\nmax_in_flight: 300";
    assert_eq!(
        said_of(slow),
        "6:16 200 arrivals a second at a median latency of 2s are 400 in flight, above `max_in_flight`, which is 300"
    );
    assert_eq!(said_of(&slow.replace("300", "400")), "");
    // Where arrivals wait, a narrow pool may be the question.
    assert_eq!(said_of(&format!("{slow}\nwhen_full: queue")), "");
}

#[test]
fn overrides_are_checked_as_if_they_stood_in_the_file() {
    let cases: [(&[&str], &[&str]); 6] = [
        (&["duration=2"], &["1:10 `2` needs a unit"]),
        (&["cahce.preset=msal_net"], &["1:1 unknown key `cahce`"]),
        (&["cache.prest=msal_net"], &["1:7 unknown key `prest`"]),
        (
            &["traffic[0].rate=x", "traffic[1].rate=1/s"],
            &["1:17 `x` is not a rate", "1:8 `traffic` has no entry 1"],
        ),
        (
            &["thresholds=[erors == 0]"],
            &["1:13 unknown metric `erors`"],
        ),
        (
            &[
                "duration=2s",
                "traffic[0].rate=5/s",
                "cache={preset: msal_net, l2: {store: memory}}",
            ],
            &[],
        ),
    ];
    for (set, expected) in cases {
        assert_eq!(said(GOOD, set), expected, "{set:?}");
    }
}

#[test]
fn the_text_of_an_override_is_shown() {
    assert_eq!(
        message(GOOD, &["duration=2"]),
        "\
error: scenario `x.yaml` has 1 problem
 --> --set:1:10
  |
1 | duration=2
  |          ^ `2` needs a unit
  = hint: write `2s` or `2ms`
"
    );
}

#[test]
fn a_file_that_is_no_scenario_says_what_it_is() {
    let cases: [(&[u8], &str); 6] = [
        (b"", "1:1 there is nothing in it"),
        (b"hello", "1:1 a scenario is a table, found `hello`"),
        (b"- 1", "1:1 a scenario is a table, found a list"),
        (
            b"version: 1\nname: \xff\n",
            "2:7 the file is not UTF-8 text from here on",
        ),
        (
            b"version: 1\n---\nversion: 1\n",
            "3:1 a second document begins here",
        ),
        (
            b"{}",
            "1:1 `duration` is missing; 1:1 `traffic` is missing; 1:1 `version` is missing",
        ),
    ];
    for (bytes, expected) in cases {
        let Err(LoadError::Invalid { problems, .. }) =
            parse(Path::new("x"), bytes, &Overrides::default())
        else {
            panic!("accepted {bytes:?}");
        };
        let said: Vec<String> = problems
            .iter()
            .map(|problem| {
                format!(
                    "{}:{} {}",
                    problem.span.line, problem.span.column, problem.message
                )
            })
            .collect();
        assert_eq!(said.join("; "), expected);
    }
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let missing = load(Path::new("no/such.yaml"), &Overrides::default()).unwrap_err();
    assert_eq!(
        missing.to_string(),
        "error: cannot read scenario `no/such.yaml`: No such file or directory (os error 2)\n"
    );
    let directory = load(Path::new(env!("CARGO_MANIFEST_DIR")), &Overrides::default()).unwrap_err();
    assert!(
        directory.to_string().contains("Is a directory"),
        "{directory}"
    );
    let endless = load(Path::new("/dev/zero"), &Overrides::default()).unwrap_err();
    assert_eq!(
        endless.to_string(),
        "error: cannot read scenario `/dev/zero`: it is larger than 1024 KiB\n"
    );
}

/// Each would take minutes, or the stack, if some step were worse than linear.
#[test]
fn the_largest_files_are_refused_at_once() {
    let size = usize::try_from(MAX_FILE_SIZE).unwrap();
    for unit in [
        "[", "{", "- ", "? ", "a: ", "x,", "&a ", "- a\n", "a\n", "'", "\"\n", "k: v\n", "\t", "#",
        "!", "%", "ü",
    ] {
        let text = unit.repeat(size / unit.len());
        assert!(!message(&text, &[]).is_empty(), "{unit:?}");
    }
    let keys: Vec<String> = (0..size / 20)
        .map(|number| format!("key{number}: 1"))
        .collect();
    let keys = keys.join(
        "
",
    );
    assert!(!message(&keys, &[]).is_empty());
}

#[test]
fn the_advice_to_refresh_comes_in_whole_seconds_and_before_the_end() {
    each(&[
        (
            "idp: { expires_in: 3600s, refresh_in: 3600s }",
            "5:39 a token would expire before the advice to refresh it comes",
        ),
        (
            "idp: { expires_in: 3600s, refresh_in: 1500ms }",
            "5:39 the advice to refresh is in whole seconds",
        ),
    ]);
}
