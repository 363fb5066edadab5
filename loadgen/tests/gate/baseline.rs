//! Exact counts against a baseline.

use serde_json::{Value, json};

use crate::program::{Ended, Lab};

const SERVICE: &str = "\
version: 1
name: service
mode: virtual
duration: 1m
population: { tenants: 5 }
traffic: [{ flow: client_credentials, rate: 5/s }]
thresholds: [errors == 0, \"hit_ratio >= ${LEAST_HITS:-50%}\"]
";

/// A directory with a scenario and its blessed baseline.
fn blessed() -> Lab {
    let lab = Lab::new();
    lab.write("service.yaml", SERVICE);
    let bless = [
        "gate",
        "service.yaml",
        "--baseline",
        "base.json",
        "--bless",
        "--seeds",
        "2",
    ];
    let ended = lab.start(&bless).end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.starts_with("blessed  base.json"), "{ended:?}");
    lab
}

fn gate(lab: &Lab, more: &[&str]) -> Ended {
    let arguments = ["gate", "service.yaml", "--baseline", "base.json"];
    lab.start(&[&arguments[..], more].concat()).end()
}

/// Lays `change` over the baseline's file.
fn edit(lab: &Lab, change: impl FnOnce(&mut Value)) {
    let text = std::fs::read_to_string(lab.path("base.json")).unwrap();
    let mut baseline: Value = serde_json::from_str(&text).unwrap();
    change(&mut baseline);
    lab.write("base.json", baseline.to_string());
}

#[test]
fn the_same_build_is_green() {
    let lab = blessed();
    let ended = gate(&lab, &["--seeds", "2"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.starts_with("PASS  service"), "{ended:?}");
    assert!(ended.stdout.contains("0 of "), "{ended:?}");
}

#[test]
fn one_token_request_more_is_red_and_named() {
    let lab = blessed();
    edit(&lab, |baseline| {
        let number = &mut baseline["runs"][1]["numbers"]["token_requests"];
        *number = json!(number.as_f64().unwrap() - 1.0);
    });
    let ended = gate(&lab, &["--seeds", "2"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.starts_with("FAIL  service"), "{ended:?}");
    assert!(
        ended.stdout.contains("why: token_requests rose"),
        "{ended:?}"
    );
    let json = gate(&lab, &["--seeds", "2", "--format", "json"]);
    let said: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        (said["verdict"].as_str(), json.code),
        (Some("fail"), Some(1))
    );
    // A budget that somebody wrote down makes room for it.
    edit(&lab, |baseline| {
        baseline["budgets"] = json!({ "token_requests": "1" });
    });
    let ended = gate(&lab, &["--seeds", "2"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("within budget"), "{ended:?}");
}

#[test]
fn a_number_that_is_gone_or_new_is_red() {
    for (name, word) in [("number_of_old", "gone"), ("hit_ratio", "new")] {
        let lab = blessed();
        edit(&lab, |baseline| {
            let numbers = baseline["runs"][0]["numbers"].as_object_mut().unwrap();
            if numbers.remove(name).is_none() {
                numbers.insert(name.to_owned(), json!(1.0));
            }
        });
        let ended = gate(&lab, &["--seeds", "2"]);
        assert_eq!(ended.code, Some(1), "{name}: {ended:?}");
        assert!(ended.stdout.contains(word), "{name}: {ended:?}");
    }
}

#[test]
fn a_threshold_that_fails_is_red_although_every_count_is_the_same() {
    let lab = blessed();
    let mut command = lab.command(&[
        "gate",
        "service.yaml",
        "--baseline",
        "base.json",
        "--seeds",
        "2",
    ]);
    let output = command.env("LEAST_HITS", "100%").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("threshold `hit_ratio >= 100%` does not hold"),
        "{said}"
    );
}

#[test]
fn what_cannot_be_compared_is_an_error_and_no_pass() {
    type Spoil = fn(&Lab);
    let cases: [(Spoil, &str); 6] = [
        (
            |lab| lab.write("service.yaml", SERVICE.replace("5/s", "6/s")),
            "file has changed since the baseline was accepted",
        ),
        (
            |lab| edit(lab, |baseline| baseline["runs"][0]["seed"] = json!(99)),
            "the baseline has no run of seed",
        ),
        (
            |lab| {
                edit(lab, |baseline| {
                    let mut third = baseline["runs"][0].clone();
                    third["seed"] = json!(99);
                    baseline["runs"].as_array_mut().unwrap().push(third);
                });
            },
            "the baseline has a run of seed 99 that was not done",
        ),
        (
            |lab| edit(lab, |baseline| baseline["baseline_version"] = json!(2)),
            "base.json",
        ),
        (
            |lab| lab.write("base.json", "{\"baseline_version\":1,"),
            "base.json",
        ),
        (
            |lab| std::fs::remove_file(lab.path("base.json")).unwrap(),
            "base.json",
        ),
    ];
    for (spoil, expected) in cases {
        let lab = blessed();
        spoil(&lab);
        let ended = gate(&lab, &["--seeds", "2"]);
        assert!(matches!(ended.code, Some(2 | 4)), "{expected}: {ended:?}");
        assert!(ended.stderr.contains(expected), "{expected}: {ended:?}");
        assert_eq!(ended.stdout, "", "{ended:?}");
    }
}

#[test]
fn a_run_that_fails_is_not_blessed() {
    let lab = blessed();
    let before = std::fs::read_to_string(lab.path("base.json")).unwrap();
    let mut command = lab.command(&[
        "gate",
        "service.yaml",
        "--baseline",
        "base.json",
        "--bless",
        "--seeds",
        "2",
    ]);
    let output = command.env("LEAST_HITS", "100%").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("nothing is accepted"), "{said}");
    let after = std::fs::read_to_string(lab.path("base.json")).unwrap();
    assert_eq!(before, after);
}
